//! What mail from strangers goes through: limits and the blocklist at MAIL, the verdict once it is whole. It keeps the
//! time; `message::verdict` judges.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::names::Lookups;
use super::verdict;
use crate::address::{Domain, EmailAddress};
use crate::config::Config;
use crate::dns::{LookupError, Resolver, ResolverSettings};
use crate::message::verdict::dkim::{self, BodyHashes, Keys};
use crate::message::verdict::names::Names as _;
use crate::message::verdict::results::{results_field, without_forged};
use crate::message::verdict::spf::Sending;
use crate::message::verdict::{
    Arrived, Iprev, Ruling, Verdict, judge, look_at_arrival, sole_author,
};
use crate::net::{Network, Pace};
use crate::smtp::path::ReversePath;
use crate::smtp::server::{Envelope, Refusal, name_peer};

/// The longest header of a stranger's mail: it is held until the mail is whole.
const LONGEST_HEADER: usize = 128 * 1024;
const HOUR: Duration = Duration::from_secs(3_600);
/// How long the blocklist may take; nobody is on a list that doesn't answer.
const BLOCKLIST: Duration = Duration::from_secs(3);

/// The checks, as the configuration wants them.
pub struct Checks {
    lookups: Arc<Lookups>,
    verify: bool,
    patience: Duration,
    blocklist: Option<Domain>,
    networks: Pace<Network>,
    /// By a hash that another process would not make.
    senders: Pace<u64>,
    hasher: RandomState,
    host: String,
    domains: Vec<String>,
}

impl Checks {
    /// The checks that a configuration asks for.
    ///
    /// # Errors
    /// [`LookupError::Setup`] if the resolver can't be set up.
    pub fn new(config: &Config) -> Result<Self, LookupError> {
        let incoming = &config.incoming;
        let servers = config.delivery.resolver.clone();
        // One name that nobody answers for must not use up what the others need.
        let each = incoming.patience / 3;
        let resolver = Resolver::new(ResolverSettings::for_verdicts(servers, each))?;
        let many = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            lookups: Arc::new(Lookups(resolver)),
            verify: incoming.verify,
            patience: incoming.patience,
            blocklist: incoming.blocklist.clone(),
            networks: Pace::new(many(incoming.mails_per_network), HOUR),
            senders: Pace::new(many(incoming.mails_per_sender), HOUR),
            hasher: RandomState::new(),
            host: config.hostname.as_str().to_owned(),
            domains: config
                .domains
                .iter()
                .map(|domain| domain.as_str().to_owned())
                .collect(),
        })
    }

    /// Whether a mail may begin.
    pub(super) async fn may_begin(
        &self,
        client: IpAddr,
        sender: &ReversePath,
    ) -> Result<(), Refusal> {
        if self.networks.ask(&Network::from(client)).is_err() {
            return Err(verdict::too_many_from_network());
        }
        if let Some(mailbox) = sender.mailbox() {
            let key = self.hasher.hash_one(mailbox.as_str().to_ascii_lowercase());
            if self.senders.ask(&key).is_err() {
                return Err(verdict::too_many_from_sender());
            }
        }
        match &self.blocklist {
            Some(list) if self.is_listed(client, list).await => Err(verdict::on_a_blocklist(list)),
            _ => Ok(()),
        }
    }

    /// RFC 5782: an address in 127/8 is a yes; 127.255.255/24 is an error of the list's, as they use it.
    async fn is_listed(&self, client: IpAddr, list: &Domain) -> bool {
        let name = format!("{}.{}", reversed(client), list.as_str());
        let answer = timeout(BLOCKLIST, self.lookups.addresses(&name, false)).await;
        let Ok(Ok(answers)) = answer else {
            return false;
        };
        answers.iter().any(|answer| match answer {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                a == 127 && (b, c) != (255, 255)
            }
            IpAddr::V6(_) => false,
        })
    }

    /// Looks at where a mail comes from, while it comes.
    pub(super) fn begin(&self, envelope: &Envelope) -> Checking {
        let caller = &envelope.caller;
        let client = caller.client;
        let (lookups, patience) = (self.lookups.clone(), self.patience);
        let helo = caller.hello.as_str().to_owned();
        let sender = envelope.reverse_path.mailbox();
        let sender = sender.map_or_else(String::new, |mailbox| mailbox.as_str().to_owned());
        let look = async move {
            let sending = Sending {
                ip: client,
                helo: &helo,
                sender: &sender,
            };
            timeout(patience, look_at_arrival(&*lookups, sending))
                .await
                .ok()
        };
        Checking {
            client,
            arrived: self
                .verify
                .then(|| AbortOnDropHandle::new(tokio::spawn(look))),
            header: Vec::new(),
            body: None,
        }
    }

    /// What became of a mail that is whole.
    pub(super) async fn finish(
        &self,
        checking: Checking,
        now: Timestamp,
    ) -> Result<Checked, Refusal> {
        let ours = self.domains.iter().map(String::as_str);
        let ours: Vec<&str> = ours.chain([self.host.as_str()]).collect();
        let client = checking.client;
        let Some((header, verdict)) = self.verdict(checking, now).await? else {
            return Err(verdict::dns_is_silent());
        };
        let cleaned = without_forged(&header, &ours);
        let Some(verdict) = verdict else {
            return Ok(Checked {
                head: cleaned,
                junk: false,
                proven_author: None,
            });
        };
        log(&verdict);
        let junk = match verdict.ruling() {
            Ruling::Keep => false,
            Ruling::Junk => true,
            Ruling::RefuseFor(domain) => return Err(verdict::policy_refuses(&domain)),
            Ruling::RefuseAuthors => return Err(verdict::several_authors()),
            Ruling::LaterForSpf => return Err(verdict::spf_is_silent()),
            Ruling::LaterForDns => return Err(verdict::dns_is_silent()),
        };
        let named = match &verdict.arrived.iprev {
            Iprev::Pass(name) => name_peer(&cleaned, name),
            Iprev::Fail | Iprev::TempError => cleaned,
        };
        let mut head = results_field(&verdict, &self.host, client).into_bytes();
        head.extend_from_slice(&named);
        let proven_author = verdict.vouches_for_author().then(|| sole_author(&header));
        Ok(Checked {
            head,
            junk,
            proven_author: proven_author.flatten(),
        })
    }

    /// The header and the verdict, if mail is judged at all; nothing if time ran out.
    async fn verdict(
        &self,
        checking: Checking,
        now: Timestamp,
    ) -> Result<Option<(Vec<u8>, Option<Verdict>)>, Refusal> {
        let Checking {
            arrived,
            header,
            body,
            ..
        } = checking;
        let Some(arrived) = arrived else {
            return Ok(Some((header, None)));
        };
        let until = Instant::now() + self.patience;
        let body = body.unwrap_or_else(|| BodyHashes::of(&header)).finish();
        let lookups = async {
            let arrived: Arrived = arrived.await.ok().flatten()?;
            let mut keys = Keys::new();
            for name in dkim::key_names(&header) {
                let answer = self.lookups.txt(&name).await;
                keys.insert(name, answer);
            }
            Some((arrived, keys))
        };
        let Ok(Some((arrived, keys))) = timeout_at(until, lookups).await else {
            return Ok(None);
        };
        // Keys and hashes are work for the processor: not on the threads that serve connections.
        let checked = tokio::task::spawn_blocking(move || {
            let checks = dkim::verify(&header, &body, &keys, now);
            (header, checks)
        });
        let (header, checks) = checked.await.map_err(|_| Refusal::try_later())?;
        let judged = timeout_at(until, judge(&*self.lookups, &header, arrived, checks)).await;
        Ok(judged.ok().map(|verdict| (header, Some(verdict))))
    }
}

/// Results without a name.
fn log(verdict: &Verdict) {
    let dkim: Vec<_> = verdict.dkim.iter().map(|one| one.result.as_str()).collect();
    let dmarc = verdict.dmarc.as_ref();
    tracing::info!(
        spf = verdict.arrived.sender.as_str(),
        dkim = dkim.join(" "),
        dmarc = dmarc.map_or("none", |dmarc| dmarc.result.as_str()),
        "checked"
    );
}

/// Octets or nibbles from the last, with dots between.
fn reversed(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let nibbles = format!("{:032x}", v6.to_bits());
            let nibbles: Vec<String> = nibbles.chars().rev().map(String::from).collect();
            nibbles.join(".")
        }
    }
}

/// A mail that is being checked as it comes.
pub(super) struct Checking {
    client: IpAddr,
    /// None if mail isn't judged here.
    arrived: Option<AbortOnDropHandle<Option<Arrived>>>,
    /// The header, held until what goes before it is known.
    header: Vec<u8>,
    /// The body's hashes, once the header is whole.
    body: Option<BodyHashes>,
}

impl Checking {
    /// Takes the next bytes. What it gives back is body, to be kept.
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Refusal> {
        if let Some(body) = &mut self.body {
            body.update(bytes);
            return Ok(bytes);
        }
        let before = self.header.len();
        self.header.extend_from_slice(bytes);
        let from = before.saturating_sub(3);
        let end = memchr::memmem::find(&self.header[from..], b"\r\n\r\n").map(|at| from + at + 4);
        if end.unwrap_or(self.header.len()) > LONGEST_HEADER {
            return Err(verdict::stranger_s_header_too_long());
        }
        let Some(end) = end else {
            return Ok(&[]);
        };
        self.header.truncate(end);
        let mut body = BodyHashes::of(&self.header);
        let rest = &bytes[end - before..];
        body.update(rest);
        self.body = Some(body);
        Ok(rest)
    }
}

/// A mail that was checked and may be kept.
pub(super) struct Checked {
    /// Its header, with what we found out before it.
    pub(super) head: Vec<u8>,
    /// It goes among the junk.
    pub(super) junk: bool,
    /// The one author, if their domain vouches for the mail.
    pub(super) proven_author: Option<EmailAddress>,
}
