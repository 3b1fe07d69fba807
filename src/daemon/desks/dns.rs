//! `dns …`: what to publish, whether it is there, and new DKIM keys.

use std::sync::Arc;

use crate::address::Domain;
use crate::audit::ActObject;
use crate::certificate::OwnCertificates;
use crate::control::api::dns::{
    Check, Checked, Dkim, FindingReport, KeyReport, RecordReport, Records, RotateDkim, RotateTls,
    Rotated, TlsRotation,
};
use crate::control::handlers::staff_failure;
use crate::control::{Ask, Call, Class, Failure, Handle, Nothing};
use crate::daemon::names::{NamesError, TlsSettled};
use crate::daemon::rooms::Rooms;
use crate::delivery::signing::{KeyRecord, PairId, Phase, SigningError, Stream, Which};
use crate::dns::Data;
use crate::staff::Acts;
use crate::zone::{Finding, Topic, Wanted, red};

/// Answers for what stands in DNS.
pub(super) struct DnsDesk(pub(super) Arc<Rooms>);

fn failed<A: Ask>(error: &NamesError) -> Failure {
    let class = match error {
        NamesError::Off | NamesError::Signing(SigningError::NotOurs(_)) => Class::Refused,
        _ => Class::Failed,
    };
    Failure::from_error(class, format!("can't do \"{}\"", A::NAME), error)
}

/// A domain of ours, as it was typed.
pub(super) fn own<A: Ask>(rooms: &Rooms, domain: Option<&str>) -> Result<Option<Domain>, Failure> {
    let Some(text) = domain else { return Ok(None) };
    let what = || format!("can't do \"{}\"", A::NAME);
    let domain =
        Domain::parse(text).map_err(|error| Failure::from_error(Class::Misuse, what(), &error))?;
    match rooms.config().is_own(&domain) {
        true => Ok(Some(domain)),
        false => Err(Failure::refused(
            what(),
            format!("{domain} is none of the domains in the configuration"),
            "hustings dns records shows them",
        )),
    }
}

fn is_of(wanted: Option<&Domain>, domain: Option<&Domain>) -> bool {
    match (wanted, domain) {
        (Some(wanted), Some(domain)) => wanted == domain,
        _ => true,
    }
}

pub(in crate::daemon) fn record(wanted: &Wanted) -> RecordReport {
    RecordReport {
        topic: wanted.topic.as_str().to_owned(),
        domain: wanted.domain.as_ref().map(ToString::to_string),
        name: wanted.name.clone(),
        kind: wanted.data.kind().to_string(),
        value: wanted.data.value(),
        line: wanted.line(),
        need: wanted.need.as_str().to_owned(),
        act: wanted.act.as_str().to_owned(),
        note: wanted.note.clone(),
    }
}

pub(in crate::daemon) fn finding(one: &Finding) -> FindingReport {
    FindingReport {
        topic: one.topic.as_str().to_owned(),
        domain: one.domain.as_ref().map(ToString::to_string),
        name: one.name.clone(),
        kind: one.kind.map(|kind| kind.to_string()),
        state: one.state.as_str().to_owned(),
        need: one.need.as_str().to_owned(),
        said: one.said.clone(),
        fix: one.fix.clone(),
    }
}

fn key(one: &KeyRecord) -> KeyReport {
    KeyReport {
        domain: one.domain.to_string(),
        stream: one.pair.stream.map_or("all", Stream::as_str).to_owned(),
        selector: one.selector.clone(),
        algorithm: one.algorithm.tag().to_owned(),
        phase: match one.phase {
            Phase::Next => "next",
            Phase::Live => "live",
            Phase::Kept => "kept",
            Phase::Removable => "removable",
        }
        .to_owned(),
        made_at: one.made_at,
        live_at: one.live_at,
        keep_until: one.keep_until,
    }
}

impl Handle<Records> for DnsDesk {
    async fn handle(&self, ask: Records, call: &mut Call<Records>) -> Result<Nothing, Failure> {
        let domain = own::<Records>(&self.0, ask.domain.as_deref())?;
        for wanted in self.0.names.wanted() {
            if is_of(domain.as_ref(), wanted.domain.as_ref()) {
                call.row(&record(&wanted)).await?;
            }
        }
        Ok(Nothing {})
    }
}

impl Handle<Check> for DnsDesk {
    async fn handle(&self, ask: Check, call: &mut Call<Check>) -> Result<Checked, Failure> {
        let domain = own::<Check>(&self.0, ask.domain.as_deref())?;
        let looked = self.0.names.look().await;
        let looked = looked.map_err(|error| failed::<Check>(&error))?;
        let mut wrong = 0;
        for one in &looked.findings {
            if is_of(domain.as_ref(), one.domain.as_ref()) {
                wrong += u64::from(one.state.is_wrong());
                call.row(&finding(one)).await?;
            }
        }
        let config = self.0.config();
        let domains = config.domains.iter();
        let held = domains.filter(|one| {
            is_of(domain.as_ref(), Some(one)) && !red(&looked.findings, one).is_empty()
        });
        Ok(Checked {
            at: looked.at,
            held: held.map(ToString::to_string).collect(),
            wrong,
        })
    }
}

impl Handle<Dkim> for DnsDesk {
    async fn handle(&self, _: Dkim, call: &mut Call<Dkim>) -> Result<Nothing, Failure> {
        for one in self.0.names.keys() {
            call.row(&key(&one)).await?;
        }
        Ok(Nothing {})
    }
}

impl DnsDesk {
    fn which(&self, ask: &RotateDkim) -> Result<Which, Failure> {
        let stream = ask.stream.as_deref().map(str::parse).transpose();
        let stream = stream.map_err(|error: crate::delivery::signing::NoStream| {
            Failure::from_error(Class::Misuse, "can't make new keys", &error)
        })?;
        Ok(Which {
            domain: own::<RotateDkim>(&self.0, ask.domain.as_deref())?,
            stream,
        })
    }

    /// Makes the keys, with the act in the log.
    async fn make(
        &self,
        which: &Which,
        ask: &RotateDkim,
        call: &Call<RotateDkim>,
    ) -> Result<(), Failure> {
        let what = "can't make new keys";
        let domain = which.domain.as_ref().map_or("all", Domain::as_str);
        let stream = which.stream.map_or("all", Stream::as_str);
        let object = ActObject::new("dkim", format!("{domain} {stream}"));
        let acts = Acts::new(self.0.clock.clone());
        let reason = ask.reason.as_deref();
        let act = acts.act(call.caller(), RotateDkim::NAME, Some(object), reason);
        let act = Acts::step(&act).map_err(|error| staff_failure(what, &error))?;
        let made = self.0.signing.rotate(which, act, self.0.clock.now());
        made.await
            .map_err(|error| failed::<RotateDkim>(&error.into()))
    }

    fn selectors(&self, pair: &PairId) -> Vec<String> {
        let keys = self.0.names.keys().into_iter();
        let own = keys.filter(|key| key.pair == *pair);
        own.map(|key| key.name()).collect()
    }
}

impl Handle<RotateDkim> for DnsDesk {
    async fn handle(
        &self,
        ask: RotateDkim,
        call: &mut Call<RotateDkim>,
    ) -> Result<Rotated, Failure> {
        let which = self.which(&ask)?;
        let mut rotated = Rotated {
            switched: Vec::new(),
            waiting: Vec::new(),
        };
        if ask.now {
            let settled = self.0.names.settle(&which).await;
            let settled = settled.map_err(|error| failed::<RotateDkim>(&error))?;
            for pair in &settled.switched {
                rotated.switched.extend(self.selectors(pair));
            }
            rotated.waiting = settled.waiting.into_iter().map(|(_, why)| why).collect();
        } else {
            self.make(&which, &ask, call).await?;
        }
        let waiting: Vec<String> = self
            .0
            .signing
            .waiting()
            .iter()
            .filter(|pair| which.has(pair))
            .flat_map(|pair| self.selectors(pair))
            .collect();
        for wanted in self.0.names.wanted() {
            if wanted.topic == Topic::Dkim && waiting.contains(&wanted.name) {
                call.row(&record(&wanted)).await?;
            }
        }
        Ok(rotated)
    }
}

impl DnsDesk {
    /// Makes the next TLS keys, with the act in the log.
    async fn make_tls(
        &self,
        own: &OwnCertificates,
        ask: &RotateTls,
        call: &Call<RotateTls>,
    ) -> Result<(), Failure> {
        let what = "can't make new TLS keys";
        let acts = Acts::new(self.0.clock.clone());
        let act = acts.act(call.caller(), RotateTls::NAME, None, ask.reason.as_deref());
        let act = Acts::step(&act).map_err(|error| staff_failure(what, &error))?;
        let ttl = self.0.names.tlsa_ttl().await;
        let made = own.rotate(act, ttl).await;
        made.map_err(|error| Failure::from_error(Class::Failed, what, &error))
    }
}

impl Handle<RotateTls> for DnsDesk {
    async fn handle(
        &self,
        ask: RotateTls,
        call: &mut Call<RotateTls>,
    ) -> Result<TlsRotation, Failure> {
        let Some(own) = self.0.names.own_certificates() else {
            return Err(Failure::refused(
                "can't make new TLS keys",
                "certificates and keys come from files, which somebody else makes",
                "publish the TLSA record of the new key before its files are put in place; or set tls.source = \"acme\"",
            ));
        };
        let mut waiting = None;
        if ask.now {
            let settled = self.0.names.settle_tls(true).await;
            let settled = settled.map_err(|error| failed::<RotateTls>(&error))?;
            if let TlsSettled::Waiting(why) = settled {
                waiting = Some(why);
            }
        } else {
            self.make_tls(own, &ask, call).await?;
        }
        let rotation = own.rotation();
        let digests = rotation.as_ref().map(|next| next.digests.clone());
        for wanted in self.0.names.wanted() {
            let Data::Tlsa(_, digest) = &wanted.data else {
                continue;
            };
            let next = digests.iter().flatten().any(|one| one.as_slice() == digest);
            if next {
                call.row(&record(&wanted)).await?;
            }
        }
        Ok(TlsRotation {
            not_before: rotation.and_then(|next| next.not_before),
            waiting,
        })
    }
}
