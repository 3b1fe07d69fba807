//! The TLSA records of our own keys at work: the next keys' are waited for, the old ones' end is seen, and what would keep
//! others from delivering is told.

use jiff::SignedDuration;

use super::{Look, Names, NamesError};
use crate::certificate::{Found, Looking, OwnCertificates, Records};
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

/// Whether every server that answers has all of these, and one at least does.
fn published(asked: &Asked, wanted: &[[u8; 32]]) -> Found {
    let answered = asked.authorities.iter();
    let answered: Vec<_> = answered
        .filter_map(|(name, answer)| Some((name, answer.as_ref().ok()?)))
        .collect();
    if answered.is_empty() {
        return Found::Unknown("none of the zone's name servers answered".to_owned());
    }
    if answered.iter().all(|(_, data)| data.is_empty()) {
        return Found::None;
    }
    for (server, data) in answered {
        let there = digests(data);
        let missing = wanted.iter().filter(|one| !there.contains(&one.as_slice()));
        match missing.count() {
            0 => {}
            missing => {
                return Found::Missing(format!(
                    "{missing} of {} not there at {server}",
                    wanted.len()
                ));
            }
        }
    }
    Found::All
}

/// Keys of these that no server has any more, of servers that all answer.
fn gone(asked: &Asked, keys: &[[u8; 32]]) -> Vec<[u8; 32]> {
    let answers = asked
        .authorities
        .iter()
        .map(|(_, answer)| answer.as_ref().ok());
    let Some(answers) = answers.collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    if answers.is_empty() {
        return Vec::new();
    }
    let is_there = |key: &[u8; 32]| {
        let mut there = answers.iter().flat_map(|data| digests(data));
        there.any(|one| one == key)
    };
    keys.iter().copied().filter(|key| !is_there(key)).collect()
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
        own.forget_retired(&gone(&asked, &retired)).await?;
        let Some(rotation) = rotation else {
            return Ok(TlsSettled::None);
        };
        if rotation.seen_at.is_some() {
            return Ok(TlsSettled::Seen);
        }
        let waits = |why: &str| Ok(TlsSettled::Waiting(why.to_owned()));
        let ttl = match published(&asked, &rotation.digests) {
            Found::All => match look.ttl(&name, Kind::Tlsa).await {
                None => return waits("no name server says for how long they are remembered"),
                ttl => ttl,
            },
            Found::None if unpublished => None,
            Found::None => return waits("there is none at the zone's name servers"),
            Found::Missing(why) | Found::Unknown(why) => return waits(&why),
        };
        own.seen(ttl).await?;
        self.looked.store(None);
        Ok(TlsSettled::Seen)
    }

    /// For how long others may remember the TLSA records as they are; none if that can't be known.
    pub async fn tlsa_ttl(&self) -> Option<SignedDuration> {
        let config = self.config.load_full();
        let look = Look::new(&config).ok().filter(|_| config.dns.check)?;
        look.ttl(&name(config.hostname.as_str()), Kind::Tlsa).await
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

impl Records for Names {
    fn look<'a>(&'a self, digests: &'a [[u8; 32]]) -> Looking<'a> {
        Box::pin(async move {
            let config = self.config.load_full();
            if !config.dns.check {
                // Nothing is to be looked up any more: what was seen counts.
                return Found::All;
            }
            let look = match Look::new(&config) {
                Ok(look) => look,
                Err(error) => return Found::Unknown(error.to_string()),
            };
            let name = name(config.hostname.as_str());
            published(&look.ask_all(&name, Kind::Tlsa).await, digests)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Silent;

    fn asked(answers: Vec<Result<Vec<[u8; 32]>, Silent>>) -> Asked {
        let record = |key: [u8; 32]| Data::Tlsa([3, 1, 1], key.to_vec());
        let one = |(n, answer): (usize, Result<Vec<[u8; 32]>, Silent>)| {
            let answer = answer.map(|keys| keys.into_iter().map(record).collect());
            (format!("ns{n}.example"), answer)
        };
        Asked {
            authorities: answers.into_iter().enumerate().map(one).collect(),
            resolver: Err(Silent),
        }
    }

    #[test]
    fn records_are_there_where_all_servers_that_answer_have_them() {
        let (a, b) = ([1; 32], [2; 32]);
        let found = |answers| published(&asked(answers), &[a, b]);
        assert_eq!(found(vec![Ok(vec![a, b]), Err(Silent)]), Found::All);
        assert_eq!(found(vec![Ok(vec![]), Ok(vec![])]), Found::None);
        for some in [
            vec![Ok(vec![a, b]), Ok(vec![a])],
            vec![Ok(vec![a, b]), Ok(vec![])],
        ] {
            assert!(matches!(found(some), Found::Missing(_)));
        }
        for none in [vec![], vec![Err(Silent)]] {
            assert!(matches!(found(none), Found::Unknown(_)));
        }
    }

    #[test]
    fn a_key_is_gone_where_no_server_has_it_and_none_is_silent() {
        let (a, b) = ([1; 32], [2; 32]);
        let gone = |answers| gone(&asked(answers), &[a, b]);
        assert_eq!(gone(vec![Ok(vec![a]), Ok(vec![])]), [b]);
        assert_eq!(gone(vec![Ok(vec![]), Ok(vec![])]), [a, b]);
        for unknown in [vec![], vec![Ok(vec![]), Err(Silent)]] {
            assert!(gone(unknown).is_empty());
        }
    }
}
