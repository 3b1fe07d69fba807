//! The TLSA records of our own keys at work: the next keys' are waited for, the old ones' end is seen, and what would keep
//! others from delivering is told.

use jiff::SignedDuration;

use super::{Look, Names, NamesError};
use crate::certificate::OwnCertificates;
use crate::dns::{Data, Kind};
use crate::zone::{Asked, State, Topic};

/// What became of the rotation of TLS keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSettled {
    /// No next keys wait.
    None,
    /// Their records are not there yet, and why that is known.
    Waiting(String),
    /// They were seen; the switch comes when others have forgotten the old set.
    Seen,
}

/// The name of the records.
pub(super) fn name(host: &str) -> String {
    format!("_25._tcp.{host}")
}

/// The digests that a server's records have.
fn digests(data: &[Data]) -> Vec<&[u8]> {
    let tlsa = data.iter().filter_map(|one| match one {
        Data::Tlsa([3, 1, 1], digest) => Some(digest.as_slice()),
        _ => None,
    });
    tlsa.collect()
}

/// Whether every server that answers has all of these, and one at least does; and whether none has a record at all.
fn published(asked: &Asked, wanted: &[[u8; 32]]) -> Result<(), (bool, String)> {
    let answered = asked.authorities.iter();
    let answered: Vec<_> = answered
        .filter_map(|(name, answer)| Some((name, answer.as_ref().ok()?)))
        .collect();
    let bare = !answered.is_empty() && answered.iter().all(|(_, data)| data.is_empty());
    if answered.is_empty() {
        let why = "none of the zone's name servers answered".to_owned();
        return Err((false, why));
    }
    for (server, data) in answered {
        let there = digests(data);
        let missing = wanted.iter().filter(|one| !there.contains(&one.as_slice()));
        match missing.count() {
            0 => {}
            missing => {
                return Err((
                    bare,
                    format!("{missing} of {} not there at {server}", wanted.len()),
                ));
            }
        }
    }
    Ok(())
}

impl Names {
    /// Our own certificates, if they don't come from files.
    pub fn own_certificates(&self) -> Option<&OwnCertificates> {
        self.own.as_deref()
    }

    /// Looks whether the records of the next TLS keys are at the zone's own name servers, and whether those of the last are
    /// gone. `unpublished` says that keys which never had records need not wait for any.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn settle_tls(&self, unpublished: bool) -> Result<TlsSettled, NamesError> {
        let Some(own) = &self.own else {
            return Ok(TlsSettled::None);
        };
        let config = self.config.load_full();
        if !config.dns.check {
            return Err(NamesError::Off);
        }
        let (rotation, retired) = (own.rotation(), own.retired());
        if rotation.is_none() && retired.is_empty() {
            return Ok(TlsSettled::None);
        }
        let look = Look::new(&config)?;
        let name = name(config.hostname.as_str());
        let asked = look.ask_all(&name, Kind::Tlsa).await;
        let servers = asked.authorities.iter();
        let still = |data: &Vec<Data>| {
            digests(data)
                .iter()
                .any(|one| retired.iter().any(|old| old == one))
        };
        let gone = |(_, answer): &(String, crate::zone::Answer)| {
            answer.as_ref().is_ok_and(|data| !still(data))
        };
        if !retired.is_empty() && servers.len() > 0 && servers.clone().all(gone) {
            own.forget_retired().await?;
        }
        let Some(rotation) = rotation else {
            return Ok(TlsSettled::None);
        };
        if rotation.seen_at.is_some() {
            return Ok(TlsSettled::Seen);
        }
        let ttl = match published(&asked, &rotation.digests) {
            Ok(()) => look.ttl(&name, Kind::Tlsa).await,
            Err((true, _)) if unpublished => SignedDuration::ZERO,
            Err((_, why)) => return Ok(TlsSettled::Waiting(why)),
        };
        own.seen(ttl).await?;
        self.looked.store(None);
        Ok(TlsSettled::Seen)
    }

    /// What `status` says of it. A served key without its record, beside records of others, keeps those from delivering who
    /// check them (DANE).
    pub(super) fn tls_warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        let host = self.config.load().hostname.clone();
        if let Some(looked) = self.looked() {
            let served = self.certificates.pairs();
            let served = served.iter().filter_map(|pair| pair.public_key_digest());
            for digest in served {
                let value = Data::Tlsa([3, 1, 1], digest.to_vec()).value();
                let wrong = looked.findings.iter().any(|one| {
                    let about = one.fix.as_ref().is_some_and(|fix| fix.contains(&value));
                    one.topic == Topic::Tlsa && one.state == State::Different && about
                });
                if wrong {
                    all.push(format!(
                        "RED: a TLS key is served whose TLSA record is not published beside the others: servers that check it \
                         (DANE) deliver no mail here; publish {}. IN TLSA {value}",
                        name(host.as_str())
                    ));
                }
            }
        }
        let Some(rotation) = self.own.as_ref().and_then(|own| own.rotation()) else {
            return all;
        };
        all.push(match rotation.not_before {
            Some(at) => format!(
                "the next TLS keys were seen in DNS, and are served from {} on; keep the old TLSA records until then",
                at.strftime("%F %H:%M")
            ),
            None => format!(
                "the next TLS keys wait until their TLSA records are published at {}; see hustings dns records",
                name(host.as_str())
            ),
        });
        all
    }
}
