//! The DNS records that a party publishes so that its mail arrives and is believed: the same set, and the same look at it,
//! as in the running service. Making it makes the DKIM keys, if there are none yet.

use super::super::desks::dns::{finding, record};
use super::super::names::{Look, facts};
use super::super::settings::selectors;
use super::{InitError, keeper};
use crate::config::Config;
use crate::control::api::dns::{FindingReport, RecordReport};
use crate::delivery::signing::Signing;
use crate::dns::LookupError;
use crate::tls::Pair;
use crate::vault::RootKey;
use crate::zone::{Topic, Wanted, judge, look, wanted};

/// Records that belong together, in the order in which they are best published.
#[derive(Debug)]
pub struct DnsStep {
    /// What they are, in words.
    pub what: String,
    wanted: Vec<Wanted>,
}

/// The steps, with the public halves of the DKIM keys. `root` opens the store, which must not be in use.
///
/// # Errors
/// [`InitError`].
pub async fn dns_steps(config: &Config, root: &RootKey) -> Result<Vec<DnsStep>, InitError> {
    let now = jiff::Timestamp::now();
    let store = keeper(config).await?.unlock_with(root).await?;
    let signing = Signing::open(&store, &config.domains, &selectors(config), now).await;
    store.close().await;
    // Without a certificate yet, its record is left for later.
    let pairs = config.tls.certificate.iter();
    let pairs = pairs.filter_map(|files| Pair::load(&files.chain, &files.key, now).ok());
    let pairs: Vec<_> = pairs.collect();
    Ok(steps(wanted(&facts(config, signing?.records(now), &pairs))))
}

fn steps(all: Vec<Wanted>) -> Vec<DnsStep> {
    let mut steps: Vec<DnsStep> = Vec::new();
    for one in all {
        let of = match (&one.domain, one.topic) {
            (None, _) => "this machine".to_owned(),
            (Some(domain), Topic::Mx | Topic::Spf | Topic::Dmarc) => {
                format!("mail to and from {domain}")
            }
            (Some(domain), Topic::Dkim) => format!("signatures of {domain} (DKIM)"),
            (Some(domain), _) => format!("what else helps at {domain}"),
        };
        match steps.iter_mut().find(|step| step.what == of) {
            Some(step) => step.wanted.push(one),
            None => steps.push(DnsStep {
                what: of,
                wanted: vec![one],
            }),
        }
    }
    steps
}

impl DnsStep {
    /// Its records.
    pub fn records(&self) -> Vec<RecordReport> {
        self.wanted.iter().map(record).collect()
    }

    /// Looks them up.
    ///
    /// # Errors
    /// [`LookupError::Setup`] if the resolver can't be set up.
    pub async fn look(&self, config: &Config) -> Result<Vec<FindingReport>, LookupError> {
        let facts = facts(config, Vec::new(), &[]);
        let looks = Look::new(config)?;
        let (host, own) = (facts.host.as_str(), &facts.addresses);
        let seen = look(&looks, &self.wanted, host, own, facts.relayed).await;
        let findings = judge(&self.wanted, &seen, &facts.host, &facts.ehlo);
        let ours = findings.iter().filter(|one| self.is_about(one.topic));
        Ok(ours.map(finding).collect())
    }

    fn is_about(&self, topic: Topic) -> bool {
        // What isn't a record belongs to the machine, as its address does when nobody wrote it down.
        let machine = self.wanted.iter().any(|one| one.domain.is_none());
        let of_machine = matches!(
            topic,
            Topic::Address | Topic::Reverse | Topic::Port25 | Topic::Blocklist
        );
        match of_machine {
            true => machine,
            false => self.wanted.iter().any(|one| one.topic == topic),
        }
    }
}
