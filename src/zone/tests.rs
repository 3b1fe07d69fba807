//! Tests of the judgement, on zones that stand in a table.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::*;
use crate::delivery::signing::{KeyRecord, PairId, Phase, Stream};
use crate::message::dkim::Algorithm;
use crate::message::verdict::spf::SpfResult;

const ADDRESS: &str = "192.0.2.7";

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn key(stream: Stream, number: u32, phase: Phase) -> KeyRecord {
    KeyRecord {
        pair: PairId {
            domain: Some(domain("party.example")),
            stream: Some(stream),
            number,
        },
        domain: domain("party.example"),
        selector: format!("r-{stream}{number}"),
        algorithm: Algorithm::RsaSha256,
        text: format!("v=DKIM1; k=rsa; p={}{number}", "A".repeat(390)),
        phase,
        made_at: "2026-11-21T12:00:00Z".parse().unwrap(),
        live_at: None,
        keep_until: Some("2026-12-05T12:00:00Z".parse().unwrap()),
    }
}

fn facts() -> Facts {
    Facts {
        host: domain("mail.party.example"),
        ehlo: domain("mail.party.example"),
        domains: vec![domain("party.example"), domain("second.example")],
        addresses: vec![ADDRESS.parse().unwrap()],
        relayed: false,
        spf_include: vec![domain("spf.helper.example")],
        keys: vec![
            key(Stream::List, 2, Phase::Live),
            key(Stream::Staff, 1, Phase::Live),
            key(Stream::List, 3, Phase::Next),
            key(Stream::Service, 1, Phase::Kept),
            key(Stream::List, 1, Phase::Removable),
        ],
        dmarc: "quarantine",
        mta_sts: Some("20261121".into()),
        tls_reports: Some("https://mail.party.example/tls-reports".into()),
        served_keys: vec![[7; 32]],
        next_keys: Vec::new(),
        retired_keys: Vec::new(),
        services: vec![
            ServiceFact {
                name: "submissions",
                port: Some(465),
            },
            ServiceFact {
                name: "imaps",
                port: None,
            },
        ],
        autoconfig: true,
        caa: vec![domain("ca.example")],
    }
}

/// A world in which everything is as it is wanted, and what differs from it.
#[derive(Default)]
struct World {
    records: BTreeMap<(String, Kind), Vec<Data>>,
    /// Names at which one server, or all, or the resolver as well, say nothing.
    silent: Vec<String>,
    /// What the second name server has not yet.
    lags: Vec<String>,
    spf: Option<SpfResult>,
    names: Option<Vec<(String, Vec<IpAddr>)>>,
    listed: Option<Vec<String>>,
    reach: Option<Reach>,
    signed: bool,
    /// What a resolver that checks says, if not that all is well.
    proof: Option<Proof>,
}

impl World {
    fn right(wanted: &[Wanted]) -> Self {
        let mut world = Self::default();
        for one in wanted {
            let here = world.records.entry((one.name.clone(), one.data.kind()));
            here.or_default().push(one.data.clone());
        }
        world.names = Some(vec![(
            "mail.party.example".into(),
            vec![ADDRESS.parse().unwrap()],
        )]);
        world
    }

    fn put(&mut self, name: &str, kind: Kind, data: Vec<Data>) {
        self.records.insert((name.to_owned(), kind), data);
    }

    fn text(&mut self, name: &str, texts: &[&str]) {
        let data = texts.iter().map(|text| Data::Text((*text).to_owned()));
        self.put(name, Kind::Txt, data.collect());
    }
}

impl Looks for World {
    async fn ask(&self, name: &str, kind: Kind) -> Asked {
        let place = (name.to_owned(), kind);
        let found = self.records.get(&place).cloned().unwrap_or_default();
        let found = match (kind, self.signed) {
            (Kind::Ds, true) => vec![Data::Signed],
            _ => found,
        };
        let silent = self.silent.iter().any(|one| one == name);
        let answer = |data: Vec<Data>| match silent {
            true => Err(Silent),
            false => Ok(data),
        };
        let second = match self.lags.iter().any(|one| one == name) {
            true => Vec::new(),
            false => found.clone(),
        };
        Asked {
            authorities: vec![
                ("ns1".into(), answer(found.clone())),
                ("ns2".into(), answer(second)),
            ],
            resolver: answer(found),
        }
    }

    async fn proof(&self, _: &str) -> Proof {
        self.proof.unwrap_or(match self.signed {
            true => Proof::Signed,
            false => Proof::Unsigned,
        })
    }

    async fn spf(&self, _: &str, _: IpAddr) -> SpfResult {
        self.spf.unwrap_or(SpfResult::Pass)
    }

    async fn reverse(&self, _: IpAddr) -> Reverse {
        self.names.clone().ok_or(Silent)
    }

    async fn listed(&self, _: IpAddr) -> Option<Vec<String>> {
        self.listed.clone()
    }

    async fn reach(&self) -> Reach {
        self.reach.clone().unwrap_or(Reach::Unknown)
    }
}

async fn findings(facts: &Facts, world: &World) -> Vec<Finding> {
    let wanted = wanted(facts);
    let host = facts.host.as_str();
    let seen = look(world, &wanted, host, &facts.addresses, facts.relayed).await;
    judge(&wanted, &seen, &facts.host, &facts.ehlo)
}

/// The findings after a change of the world in which all is right.
async fn after(change: impl FnOnce(&mut World)) -> Vec<Finding> {
    let facts = facts();
    let mut world = World::right(&wanted(&facts));
    change(&mut world);
    findings(&facts, &world).await
}

fn at<'a>(findings: &'a [Finding], topic: Topic, name: &str) -> &'a Finding {
    let mut found = findings.iter();
    let found = found.find(|one| one.topic == topic && one.name == name);
    found.unwrap_or_else(|| panic!("{topic:?} {name}: {findings:#?}"))
}

fn red_topics(findings: &[Finding]) -> Vec<Topic> {
    let red = red(findings, &domain("party.example"));
    red.iter().map(|finding| finding.topic).collect()
}

#[tokio::test]
async fn all_that_is_published_as_wanted_is_right() {
    let findings = after(|_| {}).await;
    let wrong: Vec<_> = findings.iter().filter(|one| one.state.is_wrong()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(findings.iter().all(|one| one.fix.is_none()));
    assert_eq!(red_topics(&findings), []);
    // What this host can't check, and what is no mistake.
    let unchecked = |topic| {
        let mut found = findings.iter().filter(|one| one.topic == topic);
        found.all(|one| one.state == State::NotChecked)
    };
    assert!(unchecked(Topic::Port25) && unchecked(Topic::Blocklist));
    let unsigned = at(&findings, Topic::Dnssec, "party.example");
    assert_eq!(unsigned.state, State::Note);
    let old = at(&findings, Topic::Dkim, "r-list1._domainkey.party.example");
    assert_eq!(old.state, State::Note);
    let signed = after(|world| world.signed = true).await;
    assert_eq!(
        at(&signed, Topic::Dnssec, "party.example").state,
        State::Right
    );
}

#[tokio::test]
async fn a_zone_whose_signatures_do_not_hold_keeps_mailings_back() {
    let findings = after(|world| {
        (world.signed, world.proof) = (true, Some(Proof::Bogus));
    })
    .await;
    let zone = at(&findings, Topic::Dnssec, "party.example");
    assert_eq!(zone.state, State::Different);
    assert_eq!(red_topics(&findings), [Topic::Dnssec]);
    // Who can't tell says so.
    let findings = after(|world| (world.signed, world.proof) = (true, Some(Proof::Unknown))).await;
    let zone = at(&findings, Topic::Dnssec, "party.example");
    assert_eq!(
        (zone.state, red_topics(&findings)),
        (State::NotChecked, Vec::new())
    );
}

#[tokio::test]
async fn tlsa_records_are_missed_where_they_would_count() {
    let tlsa = "_25._tcp.mail.party.example";
    for (signed, state) in [(false, State::Note), (true, State::Missing)] {
        let findings = after(|world| {
            world.signed = signed;
            world.put(tlsa, Kind::Tlsa, Vec::new());
        })
        .await;
        let found = at(&findings, Topic::Tlsa, tlsa);
        assert_eq!((found.state, found.fix.is_some()), (state, signed));
    }
}

#[tokio::test]
async fn an_address_of_ours_does_what_an_alias_does() {
    for (name, topic) in [
        ("mta-sts.party.example", Topic::MtaSts),
        ("autoconfig.party.example", Topic::Autoconfig),
    ] {
        for (address, state) in [(ADDRESS, State::Right), ("192.0.2.99", State::Different)] {
            let findings = after(|world| {
                world.put(name, Kind::Cname, Vec::new());
                world.put(name, Kind::A, vec![Data::Address(address.parse().unwrap())]);
            })
            .await;
            assert_eq!(at(&findings, topic, name).state, state, "{name} {address}");
        }
        let findings = after(|world| world.put(name, Kind::Cname, Vec::new())).await;
        assert_eq!(at(&findings, topic, name).state, State::Missing);
    }
}

#[tokio::test]
async fn an_mx_before_ours_is_told_and_a_null_mx_is_wrong() {
    let mx = |preference, host: &str| Data::Mx {
        preference,
        host: host.to_owned(),
    };
    let ours = mx(10, "mail.party.example");
    for (other, state) in [
        (mx(20, "backup.example"), State::Right),
        (mx(5, "filter.example"), State::Note),
        (mx(0, ""), State::Different),
    ] {
        let findings = after(|world| {
            world.put("party.example", Kind::Mx, vec![ours.clone(), other.clone()]);
        })
        .await;
        let found = at(&findings, Topic::Mx, "party.example");
        assert_eq!(found.state, state, "{}", found.said);
    }
}

#[tokio::test]
async fn of_two_addresses_of_ours_none_is_a_stranger() {
    let mut facts = facts();
    facts.addresses.push("192.0.2.8".parse().unwrap());
    let world = World::right(&wanted(&facts));
    let findings = findings(&facts, &world).await;
    let host = findings.iter().filter(|one| one.topic == Topic::Address);
    let said: Vec<&str> = host.map(|one| one.said.as_str()).collect();
    assert_eq!(said, ["as it should be"; 2]);
}

#[tokio::test]
async fn each_thing_that_large_receivers_want_is_red_when_it_is_missing() {
    let list = "r-list2._domainkey.party.example";
    for (topic, name, kind) in [
        (Topic::Mx, "party.example", Kind::Mx),
        (Topic::Spf, "party.example", Kind::Txt),
        (Topic::Dkim, list, Kind::Txt),
        (Topic::Dmarc, "_dmarc.party.example", Kind::Txt),
        (Topic::Address, "mail.party.example", Kind::A),
    ] {
        let findings = after(|world| world.put(name, kind, Vec::new())).await;
        let finding = at(&findings, topic, name);
        assert_eq!(finding.state, State::Missing, "{finding:?}");
        let fix = finding.fix.as_ref().unwrap();
        assert!(fix.starts_with(&format!("{name}. IN {kind} ")), "{fix}");
        assert_eq!(red_topics(&findings), [topic]);
    }
    let findings = after(|world| world.names = Some(Vec::new())).await;
    assert_eq!(red_topics(&findings), [Topic::Reverse]);
    // Another domain's mistakes are its own; keys that sign no list mail keep no mailing back.
    let findings = after(|world| world.put("second.example", Kind::Mx, Vec::new())).await;
    assert_eq!(red_topics(&findings), []);
    let staff = "r-staff1._domainkey.party.example";
    let findings = after(|world| world.put(staff, Kind::Txt, Vec::new())).await;
    assert_eq!(at(&findings, Topic::Dkim, staff).state, State::Missing);
    assert_eq!(red_topics(&findings), []);
}

#[tokio::test]
async fn spf_is_judged_by_what_it_lets_pass() {
    let judged = async |texts: &[&str], result| {
        let findings = after(|world| {
            world.text("party.example", texts);
            world.spf = Some(result);
        });
        let findings = findings.await;
        let finding = at(&findings, Topic::Spf, "party.example");
        (finding.state, finding.said.clone())
    };
    let other = "v=spf1 ip4:192.0.2.0/24 include:other.example ~all";
    for (texts, result, state, says) in [
        (&[other][..], SpfResult::Pass, State::Right, "other words"),
        (&[other], SpfResult::SoftFail, State::Different, "softfail"),
        (
            &[other],
            SpfResult::PermError,
            State::Different,
            "ten look-ups",
        ),
        (
            &[other],
            SpfResult::TempError,
            State::NotChecked,
            "no answer",
        ),
        (
            &["v=spf1 mx +all"],
            SpfResult::Pass,
            State::Different,
            "+all",
        ),
        (
            &["v=spf1 mx -all", other],
            SpfResult::Pass,
            State::Different,
            "several",
        ),
        (&["v=spf10 mx"], SpfResult::Pass, State::Missing, "none"),
        (
            &["verify=abc", other],
            SpfResult::Pass,
            State::Right,
            "other words",
        ),
    ] {
        let (found, said) = judged(texts, result).await;
        assert_eq!(found, state, "{texts:?}: {said}");
        assert!(said.contains(says), "{texts:?}: {said}");
    }
}

#[tokio::test]
async fn a_key_record_that_was_cut_or_revoked_is_different() {
    let name = "r-list2._domainkey.party.example";
    let whole = format!("k=rsa; p= {} {}2", "A".repeat(200), "A".repeat(190));
    for (text, state) in [
        (whole.as_str(), State::Right),
        ("v=DKIM1; k=rsa; p=AAAA", State::Different),
        ("v=DKIM1; k=rsa; p=", State::Different),
        (
            &format!("v=DKIM1; k=ed25519; p={}2", "A".repeat(390)),
            State::Different,
        ),
        (
            &format!("v=DKIM1; k=rsa; t=y:s; p={}2", "A".repeat(390)),
            State::Different,
        ),
    ] {
        let findings = after(|world| world.text(name, &[text])).await;
        assert_eq!(at(&findings, Topic::Dkim, name).state, state, "{text}");
    }
    let findings = after(|world| world.text(name, &[&whole, "v=DKIM1; p=B"])).await;
    assert_eq!(at(&findings, Topic::Dkim, name).state, State::Different);
}

#[tokio::test]
async fn a_dmarc_record_of_the_partys_own_will_do() {
    let name = "_dmarc.party.example";
    for (texts, state, says) in [
        (
            &["v=DMARC1; p=none; rua=mailto:a@b.example"][..],
            State::Right,
            "other words",
        ),
        (&["v=DMARC1;p=reject"], State::Right, "no reports"),
        (&["v=DMARC1; p=maybe"], State::Different, "p="),
        (&["v=DMARC1"], State::Different, "p="),
        (
            &["v=DMARC1; p=none", "v=DMARC1; p=reject"],
            State::Different,
            "several",
        ),
        (&["hello"], State::Missing, "none"),
    ] {
        let findings = after(|world| world.text(name, texts)).await;
        let finding = at(&findings, Topic::Dmarc, name);
        assert_eq!(finding.state, state, "{texts:?}");
        assert!(finding.said.contains(says), "{}", finding.said);
    }
}

#[tokio::test]
async fn other_hosts_and_old_values_are_told() {
    let mx = |host: &str| Data::Mx {
        preference: 5,
        host: host.into(),
    };
    let both = vec![mx("mail.party.example"), mx("old.example")];
    let findings = after(|world| world.put("party.example", Kind::Mx, both)).await;
    let finding = at(&findings, Topic::Mx, "party.example");
    assert_eq!(finding.state, State::Right);
    assert!(finding.said.contains("old.example"));
    let findings =
        after(|world| world.put("party.example", Kind::Mx, vec![mx("old.example")])).await;
    assert_eq!(
        at(&findings, Topic::Mx, "party.example").state,
        State::Different
    );
    // A key that isn't served: whoever checks it sends nothing. It keeps no mailing back.
    let tlsa = "_25._tcp.mail.party.example";
    let old = vec![Data::Tlsa([3, 1, 1], vec![1; 32])];
    let findings = after(|world| world.put(tlsa, Kind::Tlsa, old)).await;
    assert_eq!(at(&findings, Topic::Tlsa, tlsa).state, State::Different);
    assert_eq!(red_topics(&findings), []);
    let findings = after(|world| world.text("_mta-sts.party.example", &["v=STSv1; id=1"])).await;
    assert_eq!(
        at(&findings, Topic::MtaSts, "_mta-sts.party.example").state,
        State::Different
    );
}

#[tokio::test]
async fn all_name_servers_must_have_it_and_a_silent_one_is_no_mistake() {
    let name = "_dmarc.party.example";
    let findings = after(|world| world.lags.push(name.into())).await;
    let finding = at(&findings, Topic::Dmarc, name);
    assert_eq!(finding.state, State::Missing);
    assert!(finding.said.starts_with("ns2:"), "{}", finding.said);
    let findings = after(|world| world.silent.push(name.into())).await;
    assert_eq!(at(&findings, Topic::Dmarc, name).state, State::NotChecked);
    assert_eq!(red_topics(&findings), [], "not checked never blocks");
}

#[test]
fn the_resolver_stands_in_for_servers_that_do_not_answer_and_a_lag_is_told() {
    let facts = facts();
    let wanted = wanted(&facts);
    let dmarc = wanted.iter().find(|one| one.topic == Topic::Dmarc).unwrap();
    let judged = |authority: Answer, resolver: Answer| {
        let mut seen = Seen::default();
        let asked = Asked {
            authorities: vec![("ns1".into(), authority)],
            resolver,
        };
        seen.records.insert((dmarc.name.clone(), Kind::Txt), asked);
        let wanted = std::slice::from_ref(dmarc);
        let findings = judge(wanted, &seen, &facts.host, &facts.ehlo);
        let finding = at(&findings, Topic::Dmarc, &dmarc.name);
        (finding.state, finding.said.clone())
    };
    let there = || Ok(vec![dmarc.data.clone()]);
    let (state, said) = judged(Err(Silent), there());
    assert!(
        state == State::Right && said.contains("by the resolver"),
        "{said}"
    );
    let (state, said) = judged(there(), Ok(Vec::new()));
    assert!(state == State::Right && said.contains("remember"), "{said}");
    let (state, _) = judged(Ok(Vec::new()), there());
    assert_eq!(
        state,
        State::Missing,
        "the zone's own servers are what counts"
    );
}

#[tokio::test]
async fn a_reverse_name_must_lead_back() {
    let reverse = "7.2.0.192.in-addr.arpa";
    let ours: IpAddr = ADDRESS.parse().unwrap();
    for (names, state) in [
        (
            Some(vec![("host7.isp.example".to_owned(), vec![ours])]),
            State::Right,
        ),
        (
            Some(vec![("mail.party.example".to_owned(), vec![])]),
            State::Different,
        ),
        (Some(vec![]), State::Missing),
        (None, State::NotChecked),
    ] {
        let findings = after(|world| world.names = names.clone()).await;
        let finding = at(&findings, Topic::Reverse, reverse);
        assert_eq!(finding.state, state, "{names:?}");
        assert_eq!(finding.fix.is_some(), state.is_wrong());
    }
}

#[tokio::test]
async fn what_leaves_by_another_host_is_not_judged_by_this_one() {
    let mut facts = facts();
    facts.relayed = true;
    let world = World::right(&wanted(&facts));
    let findings = findings(&facts, &world).await;
    for topic in [Topic::Reverse, Topic::Port25] {
        let mut found = findings.iter().filter(|one| one.topic == topic);
        assert!(found.all(|one| one.state == State::NotChecked));
    }
    assert_eq!(red_topics(&findings), []);
}

#[tokio::test]
async fn a_host_whose_address_nobody_wrote_down_is_looked_up() {
    let mut facts = facts();
    facts.addresses.clear();
    let mut world = World::right(&wanted(&facts));
    let address = Data::Address(ADDRESS.parse().unwrap());
    world.put("mail.party.example", Kind::A, vec![address]);
    let found = findings(&facts, &world).await;
    assert_eq!(
        at(&found, Topic::Address, "mail.party.example").state,
        State::Right
    );
    assert_eq!(
        at(&found, Topic::Reverse, "7.2.0.192.in-addr.arpa").state,
        State::Right
    );
    world.put("mail.party.example", Kind::A, Vec::new());
    let found = findings(&facts, &world).await;
    assert_eq!(red_topics(&found), [Topic::Address]);
    assert_eq!(at(&found, Topic::Reverse, "-").state, State::NotChecked);
}

#[tokio::test]
async fn the_network_is_told_of_and_blocks_nothing() {
    let findings = after(|world| {
        world.reach = Some(Reach::Shut);
        world.listed = Some(vec!["bad.example".into()]);
    })
    .await;
    assert_eq!(
        at(&findings, Topic::Port25, "mail.party.example").state,
        State::Missing
    );
    assert_eq!(
        at(&findings, Topic::Blocklist, ADDRESS).state,
        State::Different
    );
    assert_eq!(red_topics(&findings), []);
}

#[test]
fn the_whole_set() {
    let lines: Vec<String> = wanted(&facts()).iter().map(Wanted::line).collect();
    for expected in [
        "mail.party.example. IN A 192.0.2.7",
        "7.2.0.192.in-addr.arpa. IN PTR mail.party.example.",
        "mail.party.example. IN TXT \"v=spf1 a -all\"",
        "mail.party.example. IN CAA 0 issue \"ca.example\"",
        "party.example. IN MX 10 mail.party.example.",
        "party.example. IN TXT \"v=spf1 mx include:spf.helper.example -all\"",
        "_dmarc.party.example. IN TXT \"v=DMARC1; p=quarantine; rua=mailto:dmarc@party.example\"",
        "_mta-sts.party.example. IN TXT \"v=STSv1; id=20261121\"",
        "mta-sts.party.example. IN CNAME mail.party.example.",
        "_smtp._tls.party.example. IN TXT \"v=TLSRPTv1; rua=https://mail.party.example/tls-reports\"",
        "_submissions._tcp.party.example. IN SRV 0 1 465 mail.party.example.",
        "_imaps._tcp.party.example. IN SRV 0 0 0 .",
        "autoconfig.party.example. IN CNAME mail.party.example.",
        "second.example. IN MX 10 mail.party.example.",
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected}\n{lines:#?}"
        );
    }
    let tlsa = format!(
        "_25._tcp.mail.party.example. IN TLSA 3 1 1 {}",
        "07".repeat(32)
    );
    assert!(lines.contains(&tlsa));
    let acts: Vec<_> = wanted(&facts())
        .iter()
        .filter(|one| one.topic == Topic::Dkim)
        .map(|one| one.act)
        .collect();
    use Act::{Keep, Publish, Remove};
    assert_eq!(acts, [Publish, Publish, Publish, Keep, Remove]);
}

#[test]
fn few_facts_make_a_small_set_without_gaps() {
    let mut few = facts();
    few.addresses.clear();
    few.keys.clear();
    few.served_keys.clear();
    few.services.clear();
    few.caa.clear();
    few.mta_sts = None;
    few.tls_reports = None;
    few.autoconfig = false;
    few.spf_include.clear();
    few.domains = vec![domain("mail.party.example")];
    let topics: Vec<_> = wanted(&few).iter().map(|one| one.topic).collect();
    assert_eq!(
        topics,
        [Topic::Mx, Topic::Spf, Topic::Dmarc],
        "one SPF record at each name"
    );
}
