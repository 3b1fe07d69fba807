//! What is left to prove: the logs, the store, and that the disk shows nothing.

use std::path::Path;

use super::super::leak::{Findings, Secrets};
use super::super::stage::Stage;
use super::tell::Teller;
use super::{CONSTITUENCY, ELEN, LEAFLET, SECOND, SENTENCE, SUBJECT, Step, Story, TOM, ensure};
use crate::control::api::audit::{LogVerdict, Verify as AuditVerify};
use crate::control::api::consent::{Show, Verify as ConsentVerify};
use crate::control::api::store::Verify as StoreVerify;

impl Story {
    /// Keeps the signed state of both logs, as an outside witness would.
    pub(super) async fn checkpoints(&mut self) -> Step {
        let (consent, audit) = self.verdicts([None, None]).await?;
        self.checkpoints = vec![consent.checkpoint, audit.checkpoint];
        Ok(())
    }

    async fn verdicts(
        &self,
        against: [Option<String>; 2],
    ) -> Result<(LogVerdict, LogVerdict), super::Amiss> {
        let verify = |against| AuditVerify {
            against,
            public_key: None,
        };
        let [consent, audit] = against.map(verify);
        let socket = self.world.socket();
        let consent = socket.ask(ConsentVerify(consent)).await?.answer;
        let audit = socket.ask(audit).await?.answer;
        Ok((consent, audit))
    }

    pub(super) async fn evidence(&mut self) -> Step {
        let show = Show {
            address: ELEN.to_owned(),
            reason: Some("to prove it".to_owned()),
        };
        let events = self.world.socket().ask(show).await?.rows;
        let what: Vec<_> = events.iter().map(|event| event.what.as_str()).collect();
        self.teller
            .saw(format!("hustings consent show: {}", what.join(", then ")));
        ensure(what.len() >= 2, || {
            format!("the evidence about Elen is: {what:?}")
        })?;
        let kept = [
            self.checkpoints.first().cloned(),
            self.checkpoints.get(1).cloned(),
        ];
        let (consent, audit) = self.verdicts(kept).await?;
        for verdict in [consent, audit] {
            self.teller.saw(format!(
                "hustings {} verify --against: {} entries, {}",
                verdict.log,
                verdict.size,
                verdict
                    .against
                    .as_deref()
                    .unwrap_or("nothing to compare with")
            ));
            ensure(verdict.holds && verdict.size > 0, || {
                format!("{}: {:?}", verdict.log, verdict.findings)
            })?;
        }
        Ok(())
    }

    pub(super) async fn store(&mut self) -> Step {
        let found = self.world.socket().ask(StoreVerify {}).await?.answer;
        let opened: u64 = found.opened.iter().map(|(_, count)| count).sum();
        self.teller.saw(format!(
            "hustings store verify: {opened} sealed values opened, {} broken",
            found.findings.len()
        ));
        ensure(found.is_clean(), || format!("{:?}", found.findings))
    }

    pub(super) async fn leaks_while_running(&mut self) -> Step {
        search(&mut self.teller, self.world.stage.data())
    }
}

/// The same of the files as the stopped daemon leaves them, and of the log.
pub(super) fn leaks_at_rest(teller: &mut Teller, stage: &Stage, log: Option<&Path>) -> Step {
    search(teller, stage.data())?;
    let Some(log) = log else { return Ok(()) };
    let bytes = std::fs::read(log)?;
    report(teller, "the log", &secrets().search(log, &bytes))
}

fn search(teller: &mut Teller, directory: &Path) -> Step {
    let findings = secrets().search_directory(directory)?;
    ensure(findings.bytes > 0, || {
        "there was nothing to look through".to_owned()
    })?;
    report(teller, "the data directory", &findings)
}

fn report(teller: &mut Teller, what: &str, findings: &Findings) -> Step {
    teller.saw(format!(
        "{} of {} addresses and texts found in {what} ({} bytes, {} files)",
        findings.leaks.len(),
        secrets().len(),
        findings.bytes,
        findings.files
    ));
    match findings.leaks.first() {
        None => Ok(()),
        Some(leak) => Err(format!(
            "secret {} stands as {:?} at byte {:?} of {}",
            leak.secret,
            leak.form,
            leak.at,
            leak.file.display()
        )
        .into()),
    }
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::new();
    secrets.add_all([ELEN, TOM, CONSTITUENCY, SUBJECT, SECOND, SENTENCE, LEAFLET]);
    secrets
}
