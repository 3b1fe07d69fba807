//! What is looked up, behind a port: the party's own name servers each by itself, and the resolver as others have it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Topic, Wanted};
use crate::dns::{Data, Kind};
use crate::message::verdict::spf::SpfResult;

/// Look-ups under way at once.
const AT_ONCE: usize = 8;

/// No answer that can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent;

/// The records of a name and kind: none is an empty list.
pub type Answer = Result<Vec<Data>, Silent>;

/// What each who was asked said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name servers of the zone, by name.
    pub authorities: Vec<(String, Answer)>,
    /// The resolver.
    pub resolver: Answer,
}

/// The names of an address, each with the addresses it leads back to.
pub type Reverse = Result<Vec<(String, Vec<IpAddr>)>, Silent>;

/// Whether a mail server elsewhere could be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It greeted.
    Greeted,
    /// It was found, and no connection came about.
    Shut,
    /// This host has no way to find out.
    Unknown,
}

/// What DNSSEC says of a zone, as resolvers that check have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Its signatures hold.
    Signed,
    /// It has none, and the zone above says so.
    Unsigned,
    /// They don't hold: who checks, refuses all that it says.
    Bogus,
    /// It could not be found out.
    Unknown,
}

/// Looks, where DNS and the network are.
pub trait Looks: Sync {
    /// Records, of everybody who can be asked.
    fn ask(&self, name: &str, kind: Kind) -> impl Future<Output = Asked> + Send;
    /// What DNSSEC says of a domain's own zone.
    fn proof(&self, domain: &str) -> impl Future<Output = Proof> + Send;
    /// What SPF says of mail from this domain and address.
    fn spf(&self, domain: &str, from: IpAddr) -> impl Future<Output = SpfResult> + Send;
    /// The names of an address.
    fn reverse(&self, address: IpAddr) -> impl Future<Output = Reverse> + Send;
    /// The lists of bad senders that an address is on; none if no list is asked.
    fn listed(&self, address: IpAddr) -> impl Future<Output = Option<Vec<String>>> + Send;
    /// Whether mail servers elsewhere can be reached from here.
    fn reach(&self) -> impl Future<Output = Reach> + Send;
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Records by name and kind.
    pub records: BTreeMap<(String, Kind), Asked>,
    /// What DNSSEC says of each domain.
    pub proofs: BTreeMap<String, Proof>,
    /// The addresses that mail leaves from, as far as they're known.
    pub addresses: Vec<IpAddr>,
    /// SPF by domain: what it says of each of the addresses.
    pub spf: BTreeMap<String, Vec<SpfResult>>,
    /// The names of each address.
    pub reverse: BTreeMap<IpAddr, Reverse>,
    /// The lists that each address is on; none if none is asked.
    pub listed: BTreeMap<IpAddr, Option<Vec<String>>>,
    /// Whether mail can leave.
    pub reach: Option<Reach>,
    /// Mail leaves by another host, whose addresses are none of ours.
    pub relayed: bool,
}

/// Looks everything up that the judgement of these records needs.
pub async fn look<L: Looks>(
    looks: &L,
    wanted: &[Wanted],
    host: &str,
    own: &[IpAddr],
    relayed: bool,
) -> Seen {
    let mut names: Vec<(String, Kind)> = wanted
        .iter()
        .filter(|one| one.topic != Topic::Reverse)
        .flat_map(kinds)
        .chain([(host.to_owned(), Kind::A), (host.to_owned(), Kind::Aaaa)])
        .chain(domains(wanted).into_iter().map(|name| (name, Kind::Ds)))
        .collect();
    names.sort();
    names.dedup();
    let mut seen = Seen {
        relayed,
        ..Seen::default()
    };
    let asking = stream::iter(names).map(async |(name, kind)| {
        let asked = looks.ask(&name, kind).await;
        ((name, kind), asked)
    });
    seen.records = asking.buffer_unordered(AT_ONCE).collect().await;
    let asking = stream::iter(domains(wanted)).map(async |domain| {
        let proof = looks.proof(&domain).await;
        (domain, proof)
    });
    seen.proofs = asking.buffer_unordered(AT_ONCE).collect().await;
    if relayed {
        return seen;
    }
    seen.addresses = match own {
        [] => addresses_of(&seen, host),
        own => own.to_vec(),
    };
    for address in seen.addresses.clone() {
        seen.reverse.insert(address, looks.reverse(address).await);
        seen.listed.insert(address, looks.listed(address).await);
        for domain in domains(wanted) {
            let result = looks.spf(&domain, address).await;
            seen.spf.entry(domain).or_default().push(result);
        }
    }
    seen.reach = Some(looks.reach().await);
    seen
}

/// Under which kinds a wanted record may be found: the addresses of what it is an alias of do the same.
fn kinds(wanted: &Wanted) -> Vec<(String, Kind)> {
    let kinds: &[Kind] = match wanted.data.kind() {
        Kind::Cname => &[Kind::Cname, Kind::A, Kind::Aaaa],
        kind => &[kind],
    };
    let names = kinds.iter().map(|kind| (wanted.name.clone(), *kind));
    names.collect()
}

fn domains(wanted: &[Wanted]) -> Vec<String> {
    let mut domains: Vec<_> = wanted
        .iter()
        .filter_map(|one| Some(one.domain.as_ref()?.to_string()))
        .collect();
    domains.sort();
    domains.dedup();
    domains
}

/// The host's addresses, as DNS has them.
pub(super) fn addresses_of(seen: &Seen, host: &str) -> Vec<IpAddr> {
    let kinds = [Kind::A, Kind::Aaaa].into_iter();
    let asked = kinds.filter_map(|kind| seen.records.get(&(host.to_owned(), kind)));
    let mut found = Vec::new();
    for asked in asked {
        let answers = asked.authorities.iter().map(|(_, answer)| answer);
        let answers = answers.chain([&asked.resolver]);
        for data in answers.flatten().flatten() {
            if let Data::Address(address) = data
                && !found.contains(address)
            {
                found.push(*address);
            }
        }
    }
    found
}
