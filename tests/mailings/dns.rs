//! What the party publishes in DNS: looked up in a zone of the story's own, a mailing held back while it isn't in order,
//! and DKIM keys that are rotated while time moves.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::support::party::{Party, link_in, said};
use crate::support::zone::{Fault, Zone};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::Metadata;
use hickory_server::proto::rr::rdata::{A, NS};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use hustings::control::api::mailing::List;
use hustings::daemon::sandbox::signature::Verifier;
use hustings::delivery::signing::{Phase, Stream};
use hustings::dns::{Resolver, ResolverSettings};
use hustings::zone::{Topic, Wanted};
use jiff::SignedDuration;

const ADDRESS: &str = "192.0.2.7";
const LIST: &str = "news@party.example";
const DMARC: &str = "_dmarc.party.example";

/// A party that looks its records up in this zone, as everybody does.
async fn party(zone: &Zone) -> Party {
    let at = zone.address();
    let start = Party::start_as(|plan| {
        plan.more = vec![
            ("delivery", format!("resolver = [\"{at}\"]")),
            (
                "dns",
                format!(
                    "addresses = [\"{ADDRESS}\"]\nauthorities = [\"{at}\"]\nprobe = \"{}\"",
                    plan.outside
                ),
            ),
        ];
    });
    start.await
}

async fn publish(zone: &Zone, wanted: &[Wanted]) {
    for one in wanted {
        zone.publish(&one.name, &one.data).await;
    }
}

fn wanted(party: &Party) -> Vec<Wanted> {
    party.rooms().names.wanted()
}

async fn cli(party: &Party, arguments: &[&str], code: i32) -> String {
    let output = party.cli(arguments).await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

/// Waits until something holds that the daemon does by itself every three hours.
async fn by_itself(party: &Party, what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    // A round that is under way ends first, and then sleeps three hours.
    while Instant::now() < deadline {
        party.clock.advance(SignedDuration::from_hours(3)).unwrap();
        let next = Instant::now() + Duration::from_secs(3);
        while Instant::now() < next {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("not yet: {what}");
}

/// Ada hands a mailing in; its number.
async fn submit(party: &Party, subject: &str) -> String {
    let message = format!(
        "From: office@party.example\r\nTo: {LIST}\r\nSubject: {subject}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n\
         See you at the town hall.\r\n"
    );
    let answer = party.submit(&[LIST], message.as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    let held = party
        .socket()
        .ask(List { current: true })
        .await
        .unwrap()
        .rows;
    held[0].id.to_string()
}

/// The selectors in a mail's signatures.
fn selectors(message: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(message).replace("\r\n ", " ");
    let parts = text.split(" s=hustings-").skip(1);
    parts
        .map(|part| format!("hustings-{}", part.split(';').next().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_waits_for_what_large_receivers_want() {
    let zone = Zone::start().await;
    let party = party(&zone).await;
    party
        .subscribe("jo@elector.example", "E14001323", &["news"])
        .await;
    let said = cli(&party, &["dns", "check"], 1).await;
    for needle in [
        "missing",
        "DMARC",
        "To be published",
        "party.example. IN MX 10",
    ] {
        assert!(said.contains(needle), "{needle}: {said}");
    }
    let status = cli(&party, &["status"], 0).await;
    assert!(status.contains("mailings are held back"), "{status}");

    publish(&zone, &wanted(&party)).await;
    let said = cli(&party, &["dns", "check"], 0).await;
    for needle in [
        "right",
        "not checked",
        "mail servers elsewhere answer",
        "lets this host send",
    ] {
        assert!(said.contains(needle), "{needle}: {said}");
    }
    assert!(
        !said.contains("missing") && !said.contains("different"),
        "{said}"
    );
    let status = cli(&party, &["status"], 0).await;
    assert!(!status.contains("mailings are held back"), "{status}");

    // What was right is relied on for a while; what is told to be wrong is looked at again.
    zone.remove(DMARC, RecordType::TXT).await;
    cli(&party, &["dns", "check"], 1).await;
    let first = submit(&party, "The first").await;
    let refused = cli(&party, &["mailing", "approve", &first, "--yes"], 1).await;
    assert!(
        refused.contains("DMARC") && refused.contains(DMARC),
        "{refused}"
    );
    cli(
        &party,
        &["mailing", "approve", &first, "--yes", "--anyway"],
        0,
    )
    .await;
    let log = cli(&party, &["audit", "show"], 0).await;
    assert!(log.contains("anyway: DNS is not in order (DMARC)"), "{log}");

    zone.txt(DMARC, "v=DMARC1; p=none").await;
    let second = submit(&party, "The second").await;
    cli(&party, &["mailing", "approve", &second, "--yes"], 0).await;
    // DNS is broken and the last look is old: nobody is kept back by what can't be known.
    for name in [DMARC, "party.example", "mail.party.example"] {
        zone.fault(name, Some(Fault::ServerFailure));
    }
    party.clock.advance(SignedDuration::from_hours(7)).unwrap();
    let third = submit(&party, "The third").await;
    cli(&party, &["mailing", "approve", &third, "--yes"], 0).await;
    party
        .mail("jo@elector.example", |mail| {
            mail.header("Subject").as_deref() == Some("The third")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_take_over_once_they_are_seen_and_old_ones_go_after_14_days() {
    let zone = Zone::start().await;
    let mut party = party(&zone).await;
    publish(&zone, &wanted(&party)).await;
    party
        .subscribe("jo@elector.example", "E14001323", &["news"])
        .await;
    let challenge = party
        .mail("jo@elector.example", |mail| link_in(mail, "/c/").is_some())
        .await;
    let service = ["hustings-rsa-service1", "hustings-ed-service1"];
    assert_eq!(selectors(&challenge.message()), service);
    let staff = party.submit(&["bo@elsewhere.example"], b"From: ada@party.example\r\nTo: bo@elsewhere.example\r\nSubject: hello\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n").await;
    assert_eq!(staff.code, 250, "{staff}");
    let staff = party.mail("bo@elsewhere.example", |_| true).await;
    assert_eq!(selectors(&staff.message())[0], "hustings-rsa-staff1");

    let said = cli(&party, &["dns", "rotate-dkim", "--stream", "list"], 0).await;
    assert!(
        said.contains("hustings-rsa-list2._domainkey.party.example. IN TXT"),
        "{said}"
    );
    let said = cli(&party, &["dns", "rotate-dkim", "--now"], 0).await;
    assert!(
        said.contains("Not yet") && said.contains("there is none"),
        "{said}"
    );
    // One of the two is not enough; a restart forgets nothing.
    let next = |party: &Party| -> Vec<Wanted> {
        let mut all = wanted(party);
        all.retain(|one| one.topic == Topic::Dkim && one.name.contains("-list2"));
        all
    };
    let both = next(&party);
    zone.publish(&both[0].name, &both[0].data).await;
    party.start_again().await;
    assert_eq!(next(&party), both);
    cli(&party, &["dns", "rotate-dkim", "--now"], 0).await;
    let signs = |party: &Party| {
        let keys = party.rooms().names.keys().into_iter();
        let live =
            keys.filter(|key| key.phase == Phase::Live && key.pair.stream == Some(Stream::List));
        live.map(|key| key.selector).collect::<Vec<_>>()
    };
    assert_eq!(signs(&party)[0], "hustings-rsa-list1");
    let status = cli(&party, &["status"], 0).await;
    assert!(status.contains("new DKIM keys wait"), "{status}");

    // The daily round does it by itself.
    zone.publish(&both[1].name, &both[1].data).await;
    let switched = || signs(&party)[0] == "hustings-rsa-list2";
    by_itself(&party, "the switch", switched).await;
    let mailing = submit(&party, "With new keys").await;
    cli(&party, &["mailing", "approve", &mailing, "--yes"], 0).await;
    let copy = party
        .mail("jo@elector.example", |mail| {
            mail.header("Subject").as_deref() == Some("With new keys")
        })
        .await;
    let list = ["hustings-rsa-list2", "hustings-ed-list2"];
    assert_eq!(selectors(&copy.message()), list);
    let verifier = Verifier::new("party.example", &party.rooms().names.keys()).unwrap();
    let checked = verifier.check(&copy.message()).await.unwrap();
    assert!(
        checked.len() == 2 && checked.iter().all(|(_, passes)| *passes),
        "{checked:?}"
    );

    // The old record stays for 14 days, and is missed if it doesn't.
    let old = "hustings-rsa-list1._domainkey.party.example";
    let records = cli(&party, &["dns", "records"], 0).await;
    assert!(records.contains("keep it until"), "{records}");
    party
        .clock
        .advance(SignedDuration::from_hours(13 * 24))
        .unwrap();
    let status = cli(&party, &["status"], 0).await;
    assert!(!status.contains("can be taken out"), "{status}");
    party.clock.advance(SignedDuration::from_hours(24)).unwrap();
    let status = cli(&party, &["status"], 0).await;
    assert!(
        status.contains("can be taken out of DNS") && status.contains(old),
        "{status}"
    );
    let check = cli(&party, &["dns", "check"], 0).await;
    assert!(check.contains("can be taken out"), "{check}");
    for name in [old, "hustings-ed-list1._domainkey.party.example"] {
        zone.remove(name, RecordType::TXT).await;
    }
    let gone = || {
        let keys = party.rooms().names.keys();
        keys.iter().all(|key| !key.selector.ends_with("-list1"))
    };
    by_itself(&party, "the old keys are forgotten", gone).await;
    let log = cli(&party, &["audit", "show"], 0).await;
    for verb in ["dns rotate-dkim", "dns switch-dkim", "dns forget-dkim"] {
        assert!(log.contains(verb), "{verb}: {log}");
    }
}

/// A resolver's answers, by name and kind: what a zone delegates is an answer there, and none at the zone itself.
struct Recursive(BTreeMap<String, Vec<RData>>);

impl RequestHandler for Recursive {
    fn handle_request<'a, 'b, 'c, R, T>(
        &'a self,
        request: &'b Request,
        mut response: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'c>>
    where
        R: ResponseHandler + 'c,
        T: Time + 'c,
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            let query = request.request_info().unwrap().query.clone();
            let name = query.name().to_string();
            let key = format!("{} {}", name.trim_end_matches('.'), query.query_type());
            let owner = Name::from_ascii(&name).unwrap();
            let found = self.0.get(&key).into_iter().flatten();
            let records: Vec<Record> = found
                .map(|data| Record::from_rdata(owner.clone(), 0, data.clone()))
                .collect();
            let metadata = Metadata::response_from_request(&request.metadata);
            let none = None::<&Record>;
            let answer = MessageResponseBuilder::from_message_request(request)
                .build(metadata, &records, none, none, none);
            response.send_response(answer).await.unwrap()
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zones_own_name_servers_are_found_from_any_name_in_it() {
    let ns = |name: &str| RData::NS(NS(Name::from_ascii(name).unwrap()));
    let own = vec![ns("ns1.hoster.example."), ns("ns2.hoster.example.")];
    let address = vec![RData::A(A("192.0.2.53".parse().unwrap()))];
    let names = BTreeMap::from([
        ("party.example NS".to_owned(), own),
        ("example NS".to_owned(), vec![ns("ns.registry.example.")]),
        ("ns1.hoster.example A".to_owned(), address.clone()),
        ("ns2.hoster.example A".to_owned(), address),
    ]);
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let mut server = Server::new(Recursive(names));
    server.register_socket(socket);
    let resolver = Resolver::new(ResolverSettings {
        servers: vec![at],
        ..ResolverSettings::default()
    });
    let resolver = resolver.unwrap();
    let names = async |name: &str| {
        let found = resolver.name_servers(name).await.unwrap();
        let mut names: Vec<_> = found.into_iter().map(|server| server.name).collect();
        names.sort();
        names
    };
    for name in [DMARC, "party.example", "a.b.party.example"] {
        assert_eq!(
            names(name).await,
            ["ns1.hoster.example", "ns2.hoster.example"]
        );
    }
    assert!(
        names("nobody.example").await.is_empty(),
        "a registry's are not ours"
    );
}
