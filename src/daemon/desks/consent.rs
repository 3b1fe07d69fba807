//! `consent show` and `consent bundle`. The room writes the look into the audit log before it looks.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{address, by, failure};
use crate::audit::SignedCheckpoint;
use crate::consent::{ConsentError, ConsentEvent, NumberedEvent, ShownWording};
use crate::control::api::consent::{Bundle, Bundled, EvidenceEvent, EvidenceText, Show};
use crate::control::{Call, Failure, Handle, Nothing};
use crate::daemon::rooms::Rooms;

/// Answers for the evidence.
pub(super) struct ConsentDesk(pub(super) Arc<Rooms>);

impl Handle<Show> for ConsentDesk {
    async fn handle(&self, ask: Show, call: &mut Call<Show>) -> Result<Nothing, Failure> {
        let what = "can't show the evidence";
        let address = address(what, &ask.address)?;
        let by = by(call.actor()?, ask.reason.as_deref());
        let view = self
            .0
            .consent
            .show_evidence(&address, &by)
            .await
            .map_err(|error| failure::consent(what, &error))?;
        let mut left = view.wordings;
        for event in &view.events {
            let named = event.event.wordings();
            let (texts, rest): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|text| named.contains(&text.sha256.as_str()));
            left = rest;
            call.row(&evidence(event, texts)).await?;
        }
        Ok(Nothing {})
    }
}

fn evidence(numbered: &NumberedEvent, texts: Vec<ShownWording>) -> EvidenceEvent {
    let event = &numbered.event;
    let texts = texts.into_iter().map(|text| EvidenceText {
        sha256: text.sha256,
        kind: text.kind,
        list: text.list,
        language: text.language,
        first_shown: text.first_shown,
        text: text.text,
    });
    let (at, what, lists, wording) = match event {
        ConsentEvent::Confirmed(one) => (
            one.confirmed_at,
            "confirmed",
            vec![one.list.clone()],
            Some(one.wording.clone()),
        ),
        ConsentEvent::Withdrawn { list, at, .. } => (*at, "withdrawn", vec![list.clone()], None),
        ConsentEvent::Erased(tombstone) => {
            let consents = tombstone.consents.iter();
            let lists = consents.map(|one| one.list.clone()).collect();
            (tombstone.at, "erased", lists, None)
        }
    };
    EvidenceEvent {
        seq: numbered.seq,
        at: Some(at),
        what: what.to_owned(),
        lists,
        wording,
        event: serde_json::to_value(event).unwrap_or_default(),
        texts: texts.collect(),
    }
}

/// As much of a bundle as says how large it is.
#[derive(Deserialize)]
struct Sizes {
    events: Vec<IgnoredAny>,
    wordings: Vec<IgnoredAny>,
    checkpoint: String,
}

impl Handle<Bundle> for ConsentDesk {
    async fn handle(&self, ask: Bundle, call: &mut Call<Bundle>) -> Result<Bundled, Failure> {
        let what = "can't bundle the evidence";
        let failure = |error: &ConsentError| failure::consent(what, error);
        let address = address(what, &ask.address)?;
        let by = by(call.actor()?, Some(&ask.reason));
        let bundle = self.0.consent.bundle_evidence(&address, &by).await;
        let bundle = zeroize::Zeroizing::new(bundle.map_err(|error| failure(&error))?);
        call.send_body(bundle.as_bytes()).await?;
        let odd = |error: &dyn std::error::Error| {
            Failure::failed(what, error.to_string(), "report this: nothing was lost")
        };
        let sizes: Sizes = serde_json::from_str(&bundle).map_err(|error| odd(&error))?;
        let signed = SignedCheckpoint::parse(&sizes.checkpoint).map_err(|error| odd(&error))?;
        let checkpoint = signed
            .verify(&self.0.store.vault().checkpoint_public())
            .map_err(|error| odd(&error))?;
        Ok(Bundled {
            events: sizes.events.len() as u64,
            wordings: sizes.wordings.len() as u64,
            log_size: checkpoint.size,
        })
    }
}
