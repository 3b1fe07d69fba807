//! What mail from strangers goes through: limits and the blocklist at MAIL, the verdict once it is whole. It keeps the
//! time; `message::verdict` judges.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::held::Held;
use super::names::Lookups;
use super::verdict;
use crate::address::{Domain, EmailAddress};
use crate::config::Config;
use crate::dns::{LookupError, Resolver, ResolverSettings, is_listing, listing_name};
use crate::message::mime::field::header_end;
use crate::message::verdict::author::sole_author;
use crate::message::verdict::dkim::{self, BodyHashes, Keys};
use crate::message::verdict::names::Names as _;
use crate::message::verdict::results::{results_field, sender_field, without_forged};
use crate::message::verdict::spf::Sending;
use crate::message::verdict::{Arrived, Iprev, Ruling, Verdict, judge, look_at_arrival};
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
    /// By the [`Checks::UNIT`].
    octets: Pace<Network>,
    /// By a hash of sender and network that another process would not make. Anybody may claim to be a sender: what comes
    /// from one network shuts nobody out who sends from another.
    senders: Pace<u64>,
    /// Sign-ups by mail. The form has as many.
    sign_ups: Pace<Network>,
    hasher: RandomState,
    host: String,
    domains: Vec<String>,
}

impl Checks {
    /// In what steps the bytes of an hour are counted.
    pub(super) const UNIT: u64 = 64 * 1024;

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
        let units = u32::try_from(incoming.size_per_network.bytes() / Self::UNIT);
        Ok(Self {
            lookups: Arc::new(Lookups(resolver)),
            verify: incoming.verify,
            patience: incoming.patience,
            blocklist: incoming.blocklist.clone(),
            networks: Pace::new(many(incoming.mails_per_network), HOUR),
            octets: Pace::new(many(units.unwrap_or(u32::MAX)), HOUR),
            senders: Pace::new(many(incoming.mails_per_sender), HOUR),
            sign_ups: Pace::new(many(config.limits.signups_per_network), HOUR),
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
            let written = mailbox.as_str().to_ascii_lowercase();
            let key = self.hasher.hash_one((written, Network::from(client)));
            if self.senders.ask(&key).is_err() {
                return Err(verdict::too_many_from_sender());
            }
        }
        match &self.blocklist {
            Some(list) if self.is_listed(client, list).await => Err(verdict::on_a_blocklist(list)),
            _ => Ok(()),
        }
    }

    /// Whether a network may ask for one more challenge.
    pub(super) fn may_sign_up(&self, client: IpAddr) -> Result<(), Refusal> {
        let asked = self.sign_ups.ask(&Network::from(client));
        asked.map_err(|_| verdict::too_many_sign_ups())
    }

    /// Whether a network may send another [`Checks::UNIT`] in this hour.
    pub(super) fn may_send_more(&self, network: &Network) -> Result<(), Refusal> {
        let asked = self.octets.ask(network);
        asked.map_err(|_| verdict::too_much_from_network())
    }

    async fn is_listed(&self, client: IpAddr, list: &Domain) -> bool {
        let name = listing_name(client, list);
        let answer = timeout(BLOCKLIST, self.lookups.addresses(&name, false)).await;
        let Ok(Ok(answers)) = answer else {
            return false;
        };
        answers.into_iter().any(is_listing)
    }

    /// Looks at where a mail comes from, while it comes.
    pub(super) fn begin(&self, envelope: &Envelope, held: Held) -> Checking {
        let caller = &envelope.caller;
        let client = caller.client;
        // The rest is for what is asked once this is known.
        let (lookups, patience) = (self.lookups.clone(), self.patience * 2 / 3);
        let helo = caller.hello.as_str().to_owned();
        let sender = envelope.reverse_path.mailbox();
        let sender = sender.map_or_else(String::new, |mailbox| mailbox.as_str().to_owned());
        let look = async move {
            let sending = Sending {
                ip: client,
                helo: &helo,
                sender: &sender,
            };
            look_at_arrival(&*lookups, sending, patience).await
        };
        let claimed = envelope.reverse_path.mailbox();
        Checking {
            client,
            sender: claimed.and_then(|mailbox| EmailAddress::parse(mailbox.as_str()).ok()),
            arrived: self
                .verify
                .then(|| AbortOnDropHandle::new(tokio::spawn(look))),
            header: Vec::new(),
            held,
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
        let claimed_sender = checking.sender.clone();
        let Some((header, verdict)) = self.verdict(checking, now).await? else {
            return Err(verdict::dns_is_silent());
        };
        let cleaned = without_forged(&header, &ours);
        let author = sole_author(&header);
        let is_sender = |author: &EmailAddress| {
            let sender = claimed_sender.as_ref();
            sender.is_some_and(|sender| sender.match_form() == author.match_form())
        };
        let sender_is_author = author.as_ref().is_some_and(is_sender);
        let Some(verdict) = verdict else {
            return Ok(Checked {
                head: [sender_field(false).as_bytes(), &cleaned].concat(),
                junk: false,
                proven_author: None,
                author: None,
                believable: sender_is_author,
            });
        };
        log(&verdict);
        let junk = match verdict.ruling() {
            Ruling::Keep => false,
            Ruling::Junk => true,
            Ruling::RefuseFor(domain) => return Err(verdict::policy_refuses(&domain)),
            Ruling::RefuseAuthors => return Err(verdict::several_authors()),
            Ruling::RefuseUnreadable => return Err(verdict::unreadable_author()),
            Ruling::LaterForSpf => return Err(verdict::spf_is_silent()),
            Ruling::LaterForDns => return Err(verdict::dns_is_silent()),
        };
        let named = match &verdict.arrived.iprev {
            Iprev::Pass(name) => name_peer(&cleaned, name),
            Iprev::Fail | Iprev::TempError => cleaned,
        };
        let proven_author = author.clone().filter(|_| verdict.vouches_for_author());
        let mut head = results_field(&verdict, &self.host, client).into_bytes();
        head.extend_from_slice(sender_field(proven_author.is_some()).as_bytes());
        head.extend_from_slice(&named);
        Ok(Checked {
            head,
            junk,
            believable: verdict.sender_is_believable(sender_is_author),
            proven_author,
            author,
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
            held: _held,
            ..
        } = checking;
        let Some(arrived) = arrived else {
            return Ok(Some((header, None)));
        };
        let until = Instant::now() + self.patience;
        let body = body.unwrap_or_else(|| BodyHashes::of(&header)).finish();
        let lookups = async { tokio::join!(arrived, self.keys(&header)) };
        let Ok((Ok(arrived), keys)) = timeout_at(until, lookups).await else {
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

    /// The keys of a header's signatures, asked for at once: one that nobody answers for is a matter of its own
    /// signature.
    async fn keys(&self, header: &[u8]) -> Keys {
        let lookups = &self.lookups;
        let asked = dkim::key_names(header).into_iter().map(|name| async move {
            let answer = lookups.txt(&name).await;
            (name, answer)
        });
        join_all(asked).await.into_iter().collect()
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

/// A mail that is being checked as it comes.
pub(super) struct Checking {
    client: IpAddr,
    /// The envelope's sender.
    sender: Option<EmailAddress>,
    /// None if mail isn't judged here.
    arrived: Option<AbortOnDropHandle<Arrived>>,
    /// The header, held until what goes before it is known.
    header: Vec<u8>,
    /// The header's room in the byte budget.
    held: Held,
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
        let end = header_end(&self.header, before);
        if end.unwrap_or(self.header.len()) > LONGEST_HEADER {
            return Err(verdict::stranger_s_header_too_long());
        }
        self.held
            .hold(self.header.capacity())
            .map_err(|_| verdict::no_room())?;
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
    /// The one author that the mail names.
    pub(super) author: Option<EmailAddress>,
    /// The same, if their domain vouches for the mail.
    pub(super) proven_author: Option<EmailAddress>,
    /// The envelope's sender may be who wrote it: enough to ask them.
    pub(super) believable: bool,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stranger_shuts_out_nobody_who_sends_from_elsewhere() {
        let mut config = Config::example();
        config.incoming.mails_per_sender = 2;
        config.incoming.blocklist = None;
        let checks = Checks::new(&config).unwrap();
        let path = |text: &str| ReversePath::parse(text).unwrap();
        let (stranger, own) = (["192.0.2.1", "192.0.2.99"], "198.51.100.1");
        let asked = async |client: &str, sender: &str| {
            let client = client.parse().unwrap();
            checks.may_begin(client, &path(sender)).await.is_ok()
        };
        for client in stranger {
            assert!(asked(client, "<ann@good.example>").await);
        }
        assert!(!asked(stranger[0], "<Ann@Good.example>").await);
        assert!(asked(stranger[0], "<bob@good.example>").await);
        assert!(asked(own, "<ann@good.example>").await);
        assert!(asked(own, "<>").await);
    }

    #[tokio::test]
    async fn a_network_sends_so_much_in_an_hour_and_no_more() {
        let mut config = Config::example();
        config.incoming.size_per_network = crate::config::ByteSize::mib(1);
        let checks = Checks::new(&config).unwrap();
        let [here, there] = ["192.0.2.1", "198.51.100.1"].map(|ip: &str| {
            let ip: IpAddr = ip.parse().unwrap();
            Network::from(ip)
        });
        let taken = (0..32).filter(|_| checks.may_send_more(&here).is_ok());
        assert_eq!(taken.count(), 16);
        let refused = checks.may_send_more(&here).unwrap_err();
        assert_eq!(refused.into_reply().code(), 450);
        checks.may_send_more(&there).unwrap();
    }

    #[test]
    fn a_long_header_needs_room_in_the_byte_budget() {
        let mut checking = Checking {
            client: "192.0.2.1".parse().unwrap(),
            sender: None,
            arrived: None,
            header: Vec::new(),
            held: Held::within(2 * 64 * 1024),
            body: None,
        };
        let line = [b"X: ".as_slice(), &[b'y'; 1_000], b"\r\n"].concat();
        let mut held = (0..200).map(|_| checking.take(&line).err());
        let refused = held.find_map(|refused| refused).unwrap();
        assert_eq!(refused.into_reply().code(), 452);
        assert!(checking.header.len() < LONGEST_HEADER);
    }
}
