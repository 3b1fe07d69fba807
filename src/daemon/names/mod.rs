//! What the party publishes in DNS, at work: looked up every few hours and kept until the next look, asked before a mailing
//! goes, and the rotation of DKIM keys carried on.
//!
//! What is right, `zone` judges; which keys sign, `delivery::signing` decides.

mod facts;
mod keys;
mod look;

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use crate::address::Domain;
use crate::certificate::{CertificateError, OwnCertificates};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::signing::{KeyRecord, PairId, Phase, Signing, SigningError, Which};
use crate::dns::{Kind, LookupError};
use crate::list::{NotInOrder, Standing};
use crate::tls::Certificates;
use crate::zone::{Asked, Facts, Finding, Looks as _, Wanted, judge, published, red, wanted};

pub(super) use facts::addresses;
pub use facts::facts;
pub use keys::TlsSettled;
pub use look::Look;

/// How often everything is looked up.
const EVERY: SignedDuration = SignedDuration::from_hours(3);
/// How old a look may be by which a mailing goes.
const FRESH: SignedDuration = SignedDuration::from_hours(6);
/// The longest that a look takes; what isn't seen by then is not checked.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that who approves a mailing waits for a look.
const AT_THE_DOOR: Duration = Duration::from_secs(25);
/// After how long keys are told to be old: a year.
const OLD: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Why nothing was looked up.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The configuration says so.
    #[error("`dns.check` is false, so nothing is looked up in DNS: set it to true and reload")]
    Off,
    /// It took too long.
    #[error("DNS didn't answer in time: look at `delivery.resolver` and this machine's network")]
    TimedOut,
    /// The resolver can't be set up.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The keys.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The TLS keys.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
}

/// What a look came to.
#[derive(Debug, Clone)]
pub struct Looked {
    /// When it began.
    pub at: Timestamp,
    /// What was found out.
    pub findings: Vec<Finding>,
}

/// What became of the rotation of DKIM keys.
#[derive(Debug, Default)]
pub struct Settled {
    /// The pairs that sign from now on.
    pub switched: Vec<PairId>,
    /// The pairs whose records were not seen, and why.
    pub waiting: Vec<(PairId, String)>,
}

/// The party's records.
pub struct Names {
    clock: Clock,
    config: ArcSwap<Config>,
    signing: Arc<Signing>,
    certificates: Arc<Certificates>,
    own: Option<Arc<OwnCertificates>>,
    looked: ArcSwapOption<Looked>,
    /// One look at a time: who comes meanwhile takes what it finds.
    looking: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names(..)")
    }
}

impl Names {
    /// The records of this party.
    pub fn new(
        clock: Clock,
        config: Arc<Config>,
        signing: Arc<Signing>,
        certificates: Arc<Certificates>,
        own: Option<Arc<OwnCertificates>>,
    ) -> Arc<Self> {
        let names = Arc::new(Self {
            clock,
            config: ArcSwap::new(config),
            signing,
            certificates,
            own,
            looked: ArcSwapOption::empty(),
            looking: tokio::sync::Mutex::new(()),
        });
        if let Some(own) = &names.own {
            let records: Weak<Self> = Arc::downgrade(&names);
            own.look_before_a_switch(records);
        }
        names
    }

    /// Takes a new configuration; what was seen is looked at anew.
    pub fn reload(&self, config: Arc<Config>) {
        self.config.store(config);
        self.looked.store(None);
    }

    fn facts(&self) -> Facts {
        let (config, now) = (self.config.load(), self.clock.now());
        let keys = self.signing.records(now);
        let mut facts = facts(&config, keys, &self.certificates.pairs());
        if let Some(own) = &self.own {
            facts.next_keys = own.rotation().map(|next| next.digests).unwrap_or_default();
            facts.retired_keys = own.retired();
        }
        facts
    }

    /// The whole set of records.
    pub fn wanted(&self) -> Vec<Wanted> {
        wanted(&self.facts())
    }

    /// The DKIM keys.
    pub fn keys(&self) -> Vec<KeyRecord> {
        self.signing.records(self.clock.now())
    }

    /// The last look, if there was one.
    pub fn looked(&self) -> Option<Arc<Looked>> {
        self.looked.load_full()
    }

    /// Looks everything up now.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn look(&self) -> Result<Arc<Looked>, NamesError> {
        let began = self.clock.now();
        let _looking = self.looking.lock().await;
        if let Some(looked) = self.looked().filter(|looked| looked.at > began) {
            return Ok(looked);
        }
        let config = self.config.load_full();
        if !config.dns.check {
            return Err(NamesError::Off);
        }
        // What was published while a look was under way may not be in it: a look is as old as its beginning.
        let at = self.clock.now();
        let facts = self.facts();
        let findings = timeout(PATIENCE, find_out(&config, &facts)).await;
        let findings = findings.map_err(|_| NamesError::TimedOut)??;
        let looked = Arc::new(Looked { at, findings });
        self.looked.store(Some(looked.clone()));
        Ok(looked)
    }

    /// What works by itself: looks, and carries the rotation on.
    pub async fn run(self: Arc<Self>) {
        loop {
            let next = self.clock.after(EVERY);
            self.round().await;
            self.clock.sleep_until(next).await;
        }
    }

    async fn round(&self) {
        if !self.config.load().dns.check {
            return;
        }
        match self.settle(&Which::default()).await {
            Ok(settled) if settled.waiting.is_empty() => {}
            Ok(settled) => tracing::info!(
                pairs = settled.waiting.len(),
                "new DKIM keys wait until their records are seen in DNS"
            ),
            Err(error) => {
                tracing::warn!(%error, "the DKIM keys could not be looked up; tried again in three hours")
            }
        }
        if let Err(error) = self.settle_tls(false).await {
            tracing::warn!(%error, "the TLSA records could not be looked up; tried again in three hours");
        }
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "the party's DNS records could not be looked up; tried again in three hours");
        }
    }

    /// Switches to new keys whose records are seen at the zones' own name servers, and forgets old ones whose records are
    /// gone from there.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn settle(&self, which: &Which) -> Result<Settled, NamesError> {
        let config = self.config.load_full();
        if !config.dns.check {
            return Err(NamesError::Off);
        }
        let look = Look::new(&config)?;
        let mut settled = Settled::default();
        let waiting = self.signing.waiting().into_iter();
        for pair in waiting.filter(|pair| which.has(pair)) {
            match self.seen(&look, &pair).await {
                Ok(()) => {
                    if self.signing.switch(&pair, self.clock.now()).await? {
                        settled.switched.push(pair);
                        self.looked.store(None);
                    }
                }
                Err(why) => settled.waiting.push((pair, why)),
            }
        }
        for pair in self.signing.removable(self.clock.now()) {
            if self.is_gone(&look, &pair).await
                && self.signing.forget(&pair, self.clock.now()).await?
            {
                self.looked.store(None);
            }
        }
        Ok(settled)
    }

    fn records_of(&self, pair: &PairId) -> Vec<KeyRecord> {
        let mut keys = self.keys();
        keys.retain(|key| key.pair == *pair);
        keys
    }

    async fn seen(&self, look: &Look, pair: &PairId) -> Result<(), String> {
        for key in self.records_of(pair) {
            let asked = look.ask(&key.name(), Kind::Txt).await;
            published(&asked, &key.text).map_err(|why| format!("{}: {why}", key.name()))?;
        }
        Ok(())
    }

    async fn is_gone(&self, look: &Look, pair: &PairId) -> bool {
        for key in self.records_of(pair) {
            let Asked { authorities, .. } = look.ask(&key.name(), Kind::Txt).await;
            let empty = |(_, answer): &(String, crate::zone::Answer)| {
                answer.as_ref().is_ok_and(Vec::is_empty)
            };
            if authorities.is_empty() || !authorities.iter().all(empty) {
                return false;
            }
        }
        true
    }

    /// What `status` says of it.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        let config = self.config.load();
        if let Some(looked) = self.looked() {
            let held = config
                .domains
                .iter()
                .filter(|domain| !red(&looked.findings, domain).is_empty());
            for domain in held {
                let count = red(&looked.findings, domain).len();
                all.push(format!(
                    "DNS: {count} {} for {domain} {} not as large receivers want, and mailings are held back; see hustings dns \
                     check",
                    if count == 1 { "thing" } else { "things" },
                    if count == 1 { "is" } else { "are" },
                ));
            }
        }
        all.extend(self.tls_warnings());
        all.extend(key_warnings(&self.keys(), self.clock.now()));
        all
    }
}

async fn find_out(config: &Config, facts: &Facts) -> Result<Vec<Finding>, LookupError> {
    let look = Look::new(config)?;
    let wanted = wanted(facts);
    let (host, own) = (facts.host.as_str(), &facts.addresses);
    let seen = crate::zone::look(&look, &wanted, host, own, facts.relayed).await;
    Ok(judge(&wanted, &seen, &facts.host, &facts.ehlo))
}

/// What is to be done about DKIM keys.
fn key_warnings(keys: &[KeyRecord], now: Timestamp) -> Vec<String> {
    let names = |phase: Phase| {
        let of = keys.iter().filter(|key| key.phase == phase);
        of.map(KeyRecord::name).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    let next = names(Phase::Next);
    if !next.is_empty() {
        all.push(format!(
            "new DKIM keys wait until these records are published: {}; see hustings dns records",
            next.join(", ")
        ));
    }
    let old = names(Phase::Removable);
    if !old.is_empty() {
        all.push(format!(
            "these DKIM records sign nothing any more and can be taken out of DNS: {}",
            old.join(", ")
        ));
    }
    let is_old =
        |key: &&KeyRecord| key.phase == Phase::Live && now.duration_since(key.made_at) > OLD;
    let waits = |key: &KeyRecord| {
        let next = keys.iter().filter(|other| other.phase == Phase::Next);
        next.clone().any(|other| other.domain == key.domain)
    };
    if let Some(key) = keys.iter().find(|key| is_old(key) && !waits(key)) {
        all.push(format!(
            "the DKIM keys are older than a year (since {}): make new ones with hustings dns rotate-dkim",
            key.made_at.strftime("%F")
        ));
    }
    all
}

impl Standing for Names {
    fn red<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> Pin<Box<dyn Future<Output = Vec<NotInOrder>> + Send + 'a>> {
        Box::pin(async move {
            let now = self.clock.now();
            let fresh = |looked: &Arc<Looked>| now.duration_since(looked.at) < FRESH;
            let kept = self.looked().filter(fresh);
            // What was wrong may have been mended since; what was right may be relied on for a while.
            let in_order = |looked: &Arc<Looked>| red(&looked.findings, domain).is_empty();
            let looked = match kept.filter(in_order) {
                Some(looked) => Some(looked),
                None => match timeout(AT_THE_DOOR, self.look()).await {
                    Ok(Ok(looked)) => Some(looked),
                    // What can't be known keeps nobody back.
                    Ok(Err(_)) | Err(_) => None,
                },
            };
            let findings = looked
                .map(|looked| looked.findings.clone())
                .unwrap_or_default();
            let red = red(&findings, domain).into_iter();
            red.map(|finding| NotInOrder {
                topic: finding.topic.as_str(),
                said: format!("{}: {}", finding.name, finding.said),
            })
            .collect()
        })
    }
}
