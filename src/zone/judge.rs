//! Wanted × seen → findings. Each server is judged by itself; the zone is right when all of its servers are.

use std::net::IpAddr;

use super::seen::{Answer, Asked, Proof, Reach, Reverse, Seen};
use super::text::{self, Judged};
use super::{Act, Finding, Need, State, Topic, Wanted};
use crate::address::Domain;
use crate::dns::{Data, Kind, reverse_name};

/// What is right, and what isn't.
pub fn judge(wanted: &[Wanted], seen: &Seen, host: &Domain, ehlo: &Domain) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(host_address(wanted, seen, host));
    for one in wanted.iter().filter(|one| one.topic != Topic::Reverse) {
        if let Some(finding) = record(one, wanted, seen) {
            findings.push(finding);
        }
    }
    findings.extend(reverse_names(seen, ehlo));
    findings.extend(network(seen, host));
    findings.extend(signed(wanted, seen));
    findings
}

/// What keeps a mailing of this domain from being let go: what large receivers refuse it for.
pub fn red<'a>(findings: &'a [Finding], domain: &Domain) -> Vec<&'a Finding> {
    let of = |finding: &&Finding| finding.domain.as_ref().is_none_or(|one| one == domain);
    let red = findings.iter().filter(of);
    red.filter(|finding| finding.need == Need::Mailings && finding.state.is_wrong())
        .collect()
}

/// Several servers' answers as one.
fn together(asked: &Asked, judge: &dyn Fn(&[Data]) -> Judged) -> Judged {
    let answered = asked.authorities.iter();
    let answered = answered.filter_map(|(name, answer)| Some((name, answer.as_ref().ok()?)));
    let judged: Vec<(&String, Judged)> = answered.map(|(name, data)| (name, judge(data))).collect();
    let by_resolver = asked.resolver.as_ref().ok().map(|data| judge(data));
    let Some((name, worst)) = judged.iter().max_by_key(|(_, (state, _))| badness(*state)) else {
        let silent = || {
            let why = "neither the zone's name servers nor the resolver gave an answer";
            (State::NotChecked, why.to_owned())
        };
        return by_resolver.map_or_else(silent, |(state, said)| {
            (
                state,
                format!("{said} (by the resolver; no name server of the zone answered)"),
            )
        });
    };
    let mixed = judged.iter().any(|(_, (state, _))| state != &worst.0);
    let (state, mut said) = worst.clone();
    if mixed {
        said =
            format!("{name}: {said}; other name servers have it otherwise, wait until all agree");
    }
    match by_resolver {
        Some((resolved, _)) if resolved != state && !mixed => {
            said += "; resolvers have it otherwise until they forget what they remember";
        }
        None => said += "; the resolver gave no answer",
        Some(_) => {}
    }
    (state, said)
}

const fn badness(state: State) -> u8 {
    match state {
        State::Right => 0,
        State::Note => 1,
        State::NotChecked => 2,
        State::Different => 3,
        State::Missing => 4,
    }
}

fn of(wanted: &Wanted, (state, said): Judged) -> Finding {
    let silent = !state.is_wrong();
    Finding {
        topic: wanted.topic,
        domain: wanted.domain.clone(),
        name: wanted.name.clone(),
        kind: Some(wanted.data.kind()),
        state,
        need: wanted.need,
        said,
        fix: (!silent).then(|| wanted.line()),
    }
}

fn record(wanted: &Wanted, all: &[Wanted], seen: &Seen) -> Option<Finding> {
    let asked = seen
        .records
        .get(&(wanted.name.clone(), wanted.data.kind()))?;
    let judged = together(asked, &|data| one(wanted, all, data, seen));
    let judged = match (judged.0, wanted.topic) {
        (State::Missing, _) if wanted.data.kind() == Kind::Cname => {
            by_address(wanted, seen).unwrap_or(judged)
        }
        (State::Missing, Topic::Tlsa) if !is_signed(wanted, seen) => {
            let said =
                "there is none, and it would count for nobody: the zone isn't signed (DNSSEC)";
            (State::Note, said.to_owned())
        }
        _ => judged,
    };
    if wanted.act == Act::Remove {
        return removable(wanted, &judged);
    }
    Some(of(wanted, judged))
}

/// A name that has an address of its own where an alias would do: right if the address is ours.
fn by_address(wanted: &Wanted, seen: &Seen) -> Option<Judged> {
    let found = super::seen::addresses_of(seen, &wanted.name);
    let shown = || {
        let shown = found.iter().map(IpAddr::to_string);
        shown.collect::<Vec<_>>().join(", ")
    };
    match found
        .iter()
        .any(|address| !seen.addresses.contains(address))
    {
        _ if found.is_empty() || seen.addresses.is_empty() => None,
        false => Some((State::Right, "it has this host's address".to_owned())),
        true => Some((State::Different, format!("it leads to {}", shown()))),
    }
}

/// Whether the zone that a name stands in is signed, as far as anybody knows.
fn is_signed(wanted: &Wanted, seen: &Seen) -> bool {
    let under = |domain: &&String| {
        let rest = wanted.name.strip_suffix(domain.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let domain = seen.proofs.keys().filter(under).max_by_key(|one| one.len());
    let Some(domain) = domain else { return false };
    match seen.proofs[domain] {
        Proof::Signed | Proof::Bogus => true,
        Proof::Unsigned | Proof::Unknown => has_signer(domain, seen),
    }
}

/// Whether the zone above says that this one is signed.
fn has_signer(domain: &str, seen: &Seen) -> bool {
    let asked = seen.records.get(&(domain.to_owned(), Kind::Ds));
    asked.is_some_and(|asked| asked.resolver.as_ref().is_ok_and(|data| !data.is_empty()))
}

/// A record whose time is over: worth a word while it is there.
fn removable(wanted: &Wanted, (state, _): &Judged) -> Option<Finding> {
    let there = matches!(state, State::Right | State::Different);
    there.then(|| {
        of(
            wanted,
            (State::Note, "it can be taken out of DNS now".into()),
        )
    })
}

/// One server's records against what is wanted.
fn one(wanted: &Wanted, all: &[Wanted], found: &[Data], seen: &Seen) -> Judged {
    let texts = found.iter().filter_map(|data| match data {
        Data::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    match (&wanted.data, wanted.topic) {
        (Data::Text(text), Topic::Spf) => {
            let domain = wanted.domain.as_ref().map(Domain::as_str);
            let results = domain.and_then(|domain| seen.spf.get(domain));
            match domain {
                Some(_) => text::spf(&texts, text, results.map_or(&[], Vec::as_slice)),
                None => text::tagless(&texts, text),
            }
        }
        (Data::Text(text), Topic::Dkim) => text::dkim(&texts, text),
        (Data::Text(text), Topic::Dmarc) => text::dmarc(&texts, text),
        (Data::Text(text), Topic::MtaSts) => text::tagged(&texts, "v=STSv1", "id", text),
        (Data::Text(text), _) => text::tagged(&texts, "v=TLSRPTv1", "rua", text),
        (data, topic) => {
            // Others of the same name that are wanted too are no strangers.
            let siblings = all.iter().filter(|other| other.name == wanted.name);
            let siblings: Vec<&Data> = siblings.map(|other| &other.data).collect();
            plain(data, topic, &siblings, found)
        }
    }
}

/// A record that is wanted as it is.
fn plain(wanted: &Data, topic: Topic, siblings: &[&Data], found: &[Data]) -> Judged {
    let same = |data: &&Data| match (wanted, data) {
        // How mail programs and servers choose among several is the party's affair.
        (Data::Mx { host, .. }, Data::Mx { host: found, .. }) => host == found,
        (
            Data::Service { port, target, .. },
            Data::Service {
                port: found_port,
                target: found_target,
                ..
            },
        ) => (port, target) == (found_port, found_target),
        (wanted, found) => wanted == *found,
    };
    let others: Vec<String> = found
        .iter()
        .filter(|data| !same(data) && !siblings.contains(data))
        .map(Data::value)
        .collect();
    if found.is_empty() {
        let not_offered = matches!(wanted, Data::Service { port: 0, .. });
        return match not_offered {
            true => (
                State::Right,
                "it isn't offered, and nothing says that it is".into(),
            ),
            false => (State::Missing, "there is none".into()),
        };
    }
    if !found.iter().any(|data| same(&data)) {
        return (State::Different, format!("it is {}", others.join(", ")));
    }
    match (others.as_slice(), topic) {
        ([], _) | (_, Topic::Tlsa) => (State::Right, "as it should be".into()),
        (_, Topic::Mx) if found.iter().any(is_null_mx) => (
            State::Different,
            "there, beside a null MX (RFC 7505): others may take the domain for one that wants no mail".to_owned(),
        ),
        (others, Topic::Mx) if !is_first(wanted, found) => (
            State::Note,
            format!(
                "there, and {} comes before it: mail goes there first, past our rules",
                others.join(", ")
            ),
        ),
        (others, Topic::Mx) => (
            State::Right,
            format!(
                "there, beside {}: mail goes there as well, past our rules",
                others.join(", ")
            ),
        ),
        (others, _) => (State::Right, format!("there, beside {}", others.join(", "))),
    }
}

fn is_null_mx(data: &Data) -> bool {
    matches!(data, Data::Mx { host, .. } if host.trim_end_matches('.').is_empty())
}

/// Whether nobody else's MX is asked before ours.
fn is_first(wanted: &Data, found: &[Data]) -> bool {
    let Data::Mx { host: ours, .. } = wanted else {
        return true;
    };
    let of = |own: bool| {
        let found = found.iter().filter_map(move |data| match data {
            Data::Mx { preference, host } if (host == ours) == own => Some(*preference),
            _ => None,
        });
        found.min()
    };
    of(false).is_none_or(|other| of(true).is_some_and(|own| own <= other))
}

/// The host's address where the configuration doesn't know it: that there is one.
fn host_address(wanted: &[Wanted], seen: &Seen, host: &Domain) -> Option<Finding> {
    if wanted.iter().any(|one| one.topic == Topic::Address) {
        return None;
    }
    let kinds = [Kind::A, Kind::Aaaa].into_iter();
    let asked: Vec<&Asked> = kinds
        .filter_map(|kind| seen.records.get(&(host.to_string(), kind)))
        .collect();
    let answers = || {
        asked.iter().flat_map(|asked| {
            let authorities = asked.authorities.iter().map(|(_, answer)| answer);
            authorities.chain([&asked.resolver])
        })
    };
    let some = |answer: &Answer| answer.as_ref().is_ok_and(|data| !data.is_empty());
    let (state, said) = if answers().any(some) {
        (
            State::Right,
            "it has an address; set dns.addresses to have it compared",
        )
    } else if answers().all(Result::is_err) {
        (State::NotChecked, "DNS gave no answer")
    } else {
        (State::Missing, "it has no address, so no mail reaches it")
    };
    Some(Finding {
        topic: Topic::Address,
        domain: None,
        name: host.to_string(),
        kind: Some(Kind::A),
        state,
        need: Need::Mailings,
        said: said.to_owned(),
        fix: state
            .is_wrong()
            .then(|| format!("{host}. IN A <this machine's public address>")),
    })
}

/// The reverse names: one of them must lead back to the address (law §4, all large receivers).
fn reverse_names(seen: &Seen, ehlo: &Domain) -> Vec<Finding> {
    let finding = |name: String, (state, said): Judged| Finding {
        topic: Topic::Reverse,
        domain: None,
        fix: state
            .is_wrong()
            .then(|| format!("{name}. IN PTR {ehlo}. (the hosting provider sets it)")),
        name,
        kind: Some(Kind::Ptr),
        state,
        need: Need::Mailings,
        said,
    };
    if seen.relayed {
        let why = "mail leaves by another host (delivery.route)";
        return vec![finding("-".into(), (State::NotChecked, why.into()))];
    }
    if seen.addresses.is_empty() {
        let why = "this host's public address isn't known: set dns.addresses";
        return vec![finding("-".into(), (State::NotChecked, why.into()))];
    }
    let judged = seen.reverse.iter();
    judged
        .map(|(address, names)| finding(reverse_name(*address), reverse(*address, names, ehlo)))
        .collect()
}

fn reverse(address: IpAddr, names: &Reverse, ehlo: &Domain) -> Judged {
    let Ok(names) = names else {
        return (State::NotChecked, "DNS gave no answer".into());
    };
    let leads_back = |(_, addresses): &&(String, Vec<IpAddr>)| addresses.contains(&address);
    let is_ehlo = |(name, _): &&(String, Vec<IpAddr>)| name == ehlo.as_str();
    if names.is_empty() {
        return (State::Missing, format!("{address} has no name"));
    }
    if names.iter().filter(leads_back).any(|one| is_ehlo(&one)) {
        return (State::Right, format!("{address} is {ehlo}, and back"));
    }
    let shown: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    match names.iter().find(leads_back) {
        Some((name, _)) => (
            State::Right,
            format!("{address} is {name}, and back; better if it were {ehlo}, as in EHLO"),
        ),
        None => (
            State::Different,
            format!(
                "{address} is {}, which doesn't lead back to it",
                shown.join(", ")
            ),
        ),
    }
}

/// Port 25 out, and lists of bad senders.
fn network(seen: &Seen, host: &Domain) -> Vec<Finding> {
    let finding = |topic, name: String, need, (state, said): (State, String)| Finding {
        topic,
        domain: None,
        name,
        kind: None,
        state,
        need,
        said,
        fix: None,
    };
    let unchecked = |why: &str| (State::NotChecked, why.to_owned());
    let reach = match (&seen.reach, seen.relayed) {
        (_, true) => unchecked("mail leaves by another host (delivery.route)"),
        (Some(Reach::Greeted), _) => (State::Right, "mail servers elsewhere answer".into()),
        (Some(Reach::Shut), _) => (
            State::Missing,
            "no mail server elsewhere answers: ask the hosting provider to open port 25 for outgoing mail".into(),
        ),
        (Some(Reach::Unknown) | None, _) => unchecked("nothing elsewhere could be found to try it"),
    };
    let mut all = vec![finding(Topic::Port25, host.to_string(), Need::Mail, reach)];
    for (address, listed) in &seen.listed {
        let judged = match listed {
            None => unchecked("no list is asked: dns.blocklists names none"),
            Some(lists) if lists.is_empty() => (State::Right, "on none of the lists asked".into()),
            Some(lists) => (
                State::Different,
                format!("on {}: have it taken off there", lists.join(", ")),
            ),
        };
        all.push(finding(
            Topic::Blocklist,
            address.to_string(),
            Need::Mail,
            judged,
        ));
    }
    all
}

/// Whether the zones are signed: no mistake if they aren't. One whose signatures don't hold is as good as gone: most large
/// receivers ask resolvers that check.
fn signed(wanted: &[Wanted], seen: &Seen) -> Vec<Finding> {
    let domains = wanted.iter().filter_map(|one| one.domain.as_ref());
    let mut domains: Vec<&Domain> = domains.collect();
    domains.dedup();
    let findings = domains.into_iter().map(|domain| {
        let proof = seen.proofs.get(domain.as_str()).copied();
        let (state, said) = match (proof.unwrap_or(Proof::Unknown), has_signer(domain.as_str(), seen)) {
            (Proof::Bogus, true) => (
                State::Different,
                "its DNSSEC signatures don't hold, so resolvers that check refuse all of the zone, and mail is lost: have \
                 whoever runs its DNS sign it anew, or the registrar take the DS record out",
            ),
            (Proof::Signed, _) => (State::Right, "the zone is signed"),
            (Proof::Bogus, false) => (
                State::NotChecked,
                "whether it is signed could not be proven from here",
            ),
            (Proof::Unsigned | Proof::Unknown, true) => (
                State::NotChecked,
                "the zone above says that it is signed; whether the signatures hold could not be seen from here",
            ),
            (Proof::Unsigned, false) => (
                State::Note,
                "the zone isn't signed: TLSA records protect nobody until it is (the registrar can sign it)",
            ),
            (Proof::Unknown, false) => (State::NotChecked, "DNS gave no answer"),
        };
        Finding {
            topic: Topic::Dnssec,
            domain: Some(domain.clone()),
            name: domain.to_string(),
            kind: Some(Kind::Ds),
            state,
            need: match state {
                State::Different => Need::Mailings,
                _ => Need::Advised,
            },
            said: said.to_owned(),
            fix: None,
        }
    });
    findings.collect()
}

/// Whether a DKIM record is published: every name server of the zone that answers has it, and one at least does.
///
/// # Errors
/// Why not, in words.
pub fn published(asked: &Asked, text: &str) -> Result<(), String> {
    let mut seen = false;
    for (name, answer) in &asked.authorities {
        let Ok(found) = answer else { continue };
        let texts = found.iter().filter_map(|data| match data {
            Data::Text(text) => Some(text.as_str()),
            _ => None,
        });
        match text::dkim(&texts.collect::<Vec<_>>(), text) {
            (State::Right, _) => seen = true,
            (_, said) => return Err(format!("{said} at {name}")),
        }
    }
    match seen {
        true => Ok(()),
        false => Err("none of the zone's name servers answered".to_owned()),
    }
}
