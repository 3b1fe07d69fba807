//! `subscriber export`: one admin asks, another agrees and alone gets the phrase, and the list leaves as a sealed file.
//! Each of them proves who they are: the one here, the other where they agree.

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::SubscriberDesk;
use crate::audit::ActObject;
use crate::consent::{Export as Lines, ExportCounts};
use crate::control::api::subscriber::{Export, Exported};
use crate::control::handlers::{proven, second_person, staff_failure};
use crate::control::{Call, Class, Failure, Handle};
use crate::daemon::desks::{by, failure};
use crate::staff::{Actor, NotAllowed, Password, Role};
use crate::vault::{StreamSealer, StreamTo};

const WHAT: &str = "can't export the subscribers";

impl Handle<Export> for SubscriberDesk {
    async fn handle(&self, ask: Export, call: &mut Call<Export>) -> Result<Exported, Failure> {
        if ask.reason.trim().is_empty() {
            return Err(Failure::misuse(WHAT, "no reason was given", "add --reason"));
        }
        proven(call, &self.0.staff, WHAT).await?;
        let phrase = Password::generate();
        let told = phrase.reveal().clone();
        let (first, second) = second_person(call, &self.0.staff, &ask.reason, Some(told)).await?;
        self.still_admins(&[&first, &second])?;
        let by = by(&first, Some(&ask.reason));
        let lines = self.0.consent.export(&by, second.id()).await;
        let lines = lines.map_err(|error| failure::consent(WHAT, &error))?;
        let (counts, sha256) = send(lines, phrase.reveal(), call).await?;
        // That it began is in the log already; this says which file it became.
        let file = ActObject::new("sealed-file", &sha256);
        self.0
            .staff
            .record(
                call.caller(),
                "subscriber exported",
                Some(file),
                Some(&ask.reason),
            )
            .await
            .map_err(|error| staff_failure(WHAT, &error))?;
        Ok(Exported {
            subscribers: counts.subscribers,
            suppressions: counts.suppressions,
            evidence: counts.events,
            left_out: counts.left_out,
            sha256,
            second: second.name().to_owned(),
        })
    }
}

impl SubscriberDesk {
    /// Much can happen while something waits for a second person.
    fn still_admins(&self, people: &[&Actor]) -> Result<(), Failure> {
        for person in people {
            let now = self.0.staff.actor(person.id());
            let refused = |error: &NotAllowed| Failure::from_error(Class::Refused, WHAT, error);
            match now {
                Some(now) => drop(now.require(Role::Admin).map_err(|error| refused(&error))?),
                None => {
                    let why = format!("the account {} was revoked meanwhile", person.name());
                    return Err(Failure::refused(WHAT, why, "ask for the export anew"));
                }
            }
        }
        Ok(())
    }
}

/// Seals the lines as they are read and sends them; gives the counts and the file's SHA-256.
async fn send(
    mut lines: Lines,
    phrase: &Zeroizing<String>,
    call: &Call<Export>,
) -> Result<(ExportCounts, String), Failure> {
    let progress = call.progress();
    let mut sealer = sealer(phrase.clone()).await?;
    let mut hash = Context::new(&SHA256);
    while let Some(plain) = lines
        .next()
        .await
        .map_err(|error| failure::consent(WHAT, &error))?
    {
        let plain = Zeroizing::new(plain);
        let sealed = sealer.push(&plain);
        hash.update(&sealed);
        call.send_body(&sealed).await?;
        let counts = lines.counts();
        let rows = counts.subscribers + counts.suppressions + counts.events;
        progress.report("rows", rows, None);
    }
    let last = sealer.finish();
    hash.update(&last);
    call.send_body(&last).await?;
    let digest = hash.finish();
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Ok((lines.counts(), hex.collect()))
}

/// Making the key takes long on purpose: not on a thread that others wait for.
async fn sealer(phrase: Zeroizing<String>) -> Result<StreamSealer, Failure> {
    let made =
        tokio::task::spawn_blocking(move || StreamSealer::new(&StreamTo::Passphrase(&phrase)));
    match made.await {
        Ok(Ok(sealer)) => Ok(sealer),
        Ok(Err(error)) => Err(Failure::from_error(Class::Failed, WHAT, &error)),
        Err(error) => Err(Failure::failed(WHAT, error.to_string(), "try again")),
    }
}
