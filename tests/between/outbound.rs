//! Mail on its way out: from a domain's MX records to an outside server, and what goes wrong between.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::outside::{Act, At, NAME, OutsideMta};
use crate::support::zone::{Fault, Zone};
use hustings::address::{Domain, EmailAddress};
use hustings::delivery::policy::TlsPolicy;
use hustings::delivery::route::{
    Origin, Ourselves, Reach, RouteError, Router, StaticRoutes, Target,
};
use hustings::dns::{Hitch, LookupError, Resolver, ResolverSettings};
use hustings::smtp::client::{
    Authentication, ClientError, Dialer, Encrypted, Envelope, HelloName, Next, Opened, Outcome,
    Phase, Ready, SessionLimits, Timeouts, TlsFailure, TlsSetup, WirePath,
};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

const BODY: &str = "Subject: hello\r\n\r\n.a line with a dot\r\nlast\r\n";

fn dialer(each: Duration) -> Dialer {
    Dialer {
        hello: HelloName::parse("mail.party.example").unwrap(),
        tls: TlsSetup::new(None).unwrap(),
        timeouts: Timeouts::all(each),
        limits: SessionLimits::default(),
        sources: Vec::new(),
    }
}

fn path(text: &str) -> WirePath {
    WirePath::new(&EmailAddress::parse(text).unwrap()).unwrap()
}

fn envelope(to: &str) -> Envelope {
    Envelope::new(Some(path("u+token@party.example")), path(to))
}

async fn dial(to: SocketAddr) -> Result<Encrypted<TcpStream>, ClientError> {
    let name = ServerName::try_from(NAME).unwrap();
    dialer(Duration::from_secs(5))
        .dial(to, &name, &TlsPolicy::Opportunistic)
        .await
}

async fn hasty(to: SocketAddr) -> Result<Encrypted<TcpStream>, ClientError> {
    let name = ServerName::try_from(NAME).unwrap();
    dialer(Duration::from_secs(4))
        .dial(to, &name, &TlsPolicy::Opportunistic)
        .await
}

async fn ready(session: Encrypted<TcpStream>, to: &str) -> Ready<TcpStream> {
    match session
        .begin(&envelope(to))
        .unwrap()
        .opened()
        .await
        .unwrap()
    {
        Opened::Ready(ready) => ready,
        Opened::Refused(_, answers) => panic!("refused: {answers:?}"),
    }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn router(zone: &Zone) -> Router {
    let settings = ResolverSettings {
        servers: vec![zone.address()],
        deadline: Duration::from_millis(1_500),
        ..ResolverSettings::default()
    };
    Router {
        resolver: Resolver::new(settings).unwrap(),
        secure: None,
        routes: StaticRoutes::default(),
        ourselves: Ourselves {
            names: vec![domain("mail.party.example")],
            addresses: vec!["192.0.2.25".parse().unwrap()],
        },
        port: 25,
        reach: Reach::Public,
    }
}

fn shown(targets: &[Target]) -> Vec<String> {
    let one = |target: &Target| {
        let addresses: Vec<_> = target.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", target.host, addresses.join(" "))
    };
    targets.iter().map(one).collect()
}

#[tokio::test]
async fn the_next_dns_server_stands_in_for_one_that_is_silent() {
    let zone = Zone::start().await;
    zone.mx("party.test", 10, "first.test").await;
    zone.address_of("first.test", "192.0.2.1").await;
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut router = router(&zone);
    router.resolver = Resolver::new(ResolverSettings {
        servers: vec![silent.local_addr().unwrap(), zone.address()],
        ..ResolverSettings::default()
    })
    .unwrap();
    let targets = router.targets(&domain("party.test")).await.unwrap();
    assert_eq!(shown(&targets), ["first.test 192.0.2.1:25"]);
}

#[tokio::test]
async fn mx_hosts_come_by_preference_with_both_families() {
    let zone = Zone::start().await;
    zone.mx("party.test", 20, "second.test").await;
    zone.mx("party.test", 10, "First.Test").await;
    zone.address_of("first.test", "192.0.2.1").await;
    zone.address_of("first.test", "2001:db8::1").await;
    zone.address_of("second.test", "192.0.2.2").await;
    let targets = router(&zone).targets(&domain("party.test")).await.unwrap();
    assert_eq!(
        shown(&targets),
        [
            "first.test [2001:db8::1]:25 192.0.2.1:25",
            "second.test 192.0.2.2:25"
        ]
    );
    assert!(targets.iter().all(|target| target.origin == Origin::Mx));
    // Records can change while it runs.
    zone.remove("party.test", hickory_server::proto::rr::RecordType::MX)
        .await;
    zone.address_of("party.test", "192.0.2.3").await;
    let targets = router(&zone).targets(&domain("party.test")).await.unwrap();
    assert_eq!(shown(&targets), ["party.test 192.0.2.3:25"]);
    assert_eq!(targets[0].origin, Origin::Implicit);
}

#[tokio::test]
async fn cnames_are_followed_on_both_sides() {
    let zone = Zone::start().await;
    zone.cname("alias.test", "real.test").await;
    zone.mx("real.test", 10, "mxalias.test").await;
    zone.cname("mxalias.test", "mx.test").await;
    zone.address_of("mx.test", "192.0.2.1").await;
    let targets = router(&zone).targets(&domain("alias.test")).await.unwrap();
    assert_eq!(shown(&targets), ["mxalias.test 192.0.2.1:25"]);
}

#[tokio::test]
async fn domains_without_mail_say_why() {
    let zone = Zone::start().await;
    zone.mx("null.test", 0, ".").await;
    zone.txt("bare.test", "no mail here").await;
    zone.mx("dangling.test", 10, "gone.test").await;
    zone.mx("literal.test", 10, "192.0.2.1").await;
    zone.mx("inside.test", 10, "inside-mx.test").await;
    zone.address_of("inside-mx.test", "127.0.0.1").await;
    zone.mx("loop.test", 10, "mail.party.example").await;
    zone.mx("loop.test", 20, "other.test").await;
    zone.address_of("other.test", "192.0.2.9").await;
    zone.mx("alias-loop.test", 10, "also-us.test").await;
    zone.address_of("also-us.test", "192.0.2.25").await;
    let router = router(&zone);
    let table = [
        ("null.test", LookupError::NullMx.into()),
        ("bare.test", LookupError::NoAddress.into()),
        ("dangling.test", LookupError::NoAddress.into()),
        ("literal.test", LookupError::NoAddress.into()),
        ("nowhere.test", LookupError::NoSuchDomain.into()),
        ("inside.test", RouteError::Unreachable),
        ("loop.test", RouteError::Ourselves),
        ("alias-loop.test", RouteError::Ourselves),
    ];
    for (name, expected) in table {
        let error = router.targets(&domain(name)).await.unwrap_err();
        assert_eq!(error, expected, "{name}");
        assert!(!error.is_temporary(), "{name}");
    }
}

#[tokio::test]
async fn a_sick_name_server_is_a_temporary_failure_and_silence_has_an_end() {
    let zone = Zone::start().await;
    zone.mx("half.test", 10, "sick.test").await;
    zone.mx("half.test", 20, "well.test").await;
    zone.address_of("well.test", "192.0.2.1").await;
    for fault in [Fault::ServerFailure, Fault::Silence] {
        zone.fault("sick.test", Some(fault));
        let router = router(&zone);
        let error = router.targets(&domain("sick.test")).await.unwrap_err();
        let hitch = if fault == Fault::Silence {
            Hitch::TimedOut
        } else {
            Hitch::ServerFailure
        };
        assert_eq!(error, LookupError::Temporary(hitch).into());
        let targets = router.targets(&domain("half.test")).await.unwrap();
        assert_eq!(shown(&targets), ["well.test 192.0.2.1:25"], "{fault:?}");
    }
}

#[tokio::test]
async fn from_mx_to_inbox() {
    let (zone, outside) = (Zone::start().await, OutsideMta::start().await);
    zone.mx("example.net", 10, NAME).await;
    zone.address_of(NAME, "127.0.0.1").await;
    let router = Router {
        port: outside.address().port(),
        reach: Reach::Anywhere,
        ..router(&zone)
    };
    let target = router
        .targets(&domain("example.net"))
        .await
        .unwrap()
        .remove(0);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(outside.certificate().clone()).unwrap();
    let tls = TlsSetup::new(Some(roots)).unwrap();
    let dialer = Dialer {
        tls,
        ..dialer(Duration::from_secs(5))
    };
    let name = target.server_name().unwrap();
    let session = dialer
        .dial(target.addresses[0], &name, &TlsPolicy::Opportunistic)
        .await
        .unwrap();
    assert_eq!(session.tls().authentication, Authentication::Verified);
    let (outcome, session) = ready(session, "ada@example.net")
        .await
        .send_body([BODY])
        .await
        .unwrap()
        .finish()
        .await;
    assert!(matches!(outcome, Outcome::Accepted(_)));
    session.unwrap().quit().await;
    let mail = outside
        .inbox()
        .wait_for(|mail| mail.is_to("ada@example.net"))
        .await;
    assert_eq!(mail.message(), BODY.as_bytes());
    assert_eq!(mail.reverse_path, "u+token@party.example");
    assert_eq!(mail.tls, "TLSv1.3");
    assert_eq!(outside.counters().handshakes(), 1);
}

#[tokio::test]
async fn many_copies_on_one_connection_arrive_once_each_and_in_order() {
    let outside = OutsideMta::start().await;
    let mut ready = ready(dial(outside.address()).await.unwrap(), "r0@example.net").await;
    for n in 0..500 {
        let waiting = ready
            .send_body([format!("Subject: {n}\r\n\r\n"), BODY.repeat(n % 7)])
            .await
            .unwrap();
        let (outcome, next) = waiting
            .finish_and_begin(&envelope(&format!("r{}@example.net", n + 1)))
            .await;
        assert!(matches!(outcome, Outcome::Accepted(_)));
        let Next::Opening(opening) = next else {
            panic!("no next after {n}")
        };
        let Opened::Ready(next) = opening.opened().await.unwrap() else {
            panic!("refused")
        };
        ready = next;
    }
    ready
        .send_body(["never finished\r\n"])
        .await
        .unwrap()
        .abandon();
    let mails = outside.inbox().all();
    assert_eq!(mails.len(), 500);
    for (n, mail) in mails.iter().enumerate() {
        assert_eq!(mail.recipients, [format!("r{n}@example.net")]);
        assert_eq!(mail.header("subject").unwrap(), n.to_string());
    }
    assert_eq!(
        (
            outside.counters().connections(),
            outside.counters().messages()
        ),
        (1, 500)
    );
}

#[tokio::test]
async fn an_abandoned_message_leaves_no_mail_even_when_all_of_it_was_sent() {
    let outside = OutsideMta::start().await;
    let large = vec![BODY; 10_000];
    ready(dial(outside.address()).await.unwrap(), "ada@example.net")
        .await
        .send_body(large)
        .await
        .unwrap()
        .abandon();
    while outside.counters().open() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(outside.inbox().count(), 0);
}

#[tokio::test]
async fn no_starttls_no_mail() {
    let outside = OutsideMta::start().await;
    outside.without_starttls();
    assert_eq!(
        dial(outside.address()).await.unwrap_err(),
        TlsFailure::NotOffered.into()
    );
    outside.behave();
    assert!(dial(outside.address()).await.is_ok());
    outside.refuse(At::StartTls, "454 4.7.0 not now");
    assert!(matches!(
        dial(outside.address()).await,
        Err(ClientError::Tls(TlsFailure::Refused(_)))
    ));
    outside.behave();
    outside.always(
        At::StartTls,
        Act::SayAndClose("220 go on\r\n250 2.0.0 injected\r\n".to_owned()),
    );
    assert_eq!(
        dial(outside.address()).await.unwrap_err(),
        TlsFailure::Injected.into()
    );
    outside.behave();
    outside.always(At::Handshake, Act::Stall);
    assert_eq!(
        hasty(outside.address()).await.unwrap_err(),
        TlsFailure::Stalled.into()
    );
    outside.behave();
    outside.always(At::Handshake, Act::Close);
    assert_eq!(
        dial(outside.address()).await.unwrap_err(),
        TlsFailure::Closed.into()
    );
    assert_eq!(outside.counters().plaintext(), 0);
    assert_eq!(outside.inbox().count(), 0);
}

#[tokio::test]
async fn the_outside_stalls_at_each_step() {
    let table = [
        (At::Greeting, Phase::Greeting),
        (At::Hello, Phase::Hello),
        (At::StartTls, Phase::StartTls),
        (At::Mail, Phase::Mail),
        (At::Recipient, Phase::Recipient),
        (At::Data, Phase::Data),
        (At::Dot, Phase::FinalDot),
        (At::Kept, Phase::FinalDot),
    ];
    let outside = OutsideMta::start().await;
    for (at, phase) in table {
        outside.behave();
        outside.always(at, Act::Stall);
        let error = match hasty(outside.address()).await {
            Err(error) => error,
            Ok(session) => match session
                .begin(&envelope("ada@example.net"))
                .unwrap()
                .opened()
                .await
            {
                Err(error) => error,
                Ok(Opened::Refused(..)) => panic!("refused"),
                Ok(Opened::Ready(ready)) => {
                    match ready.send_body([BODY]).await.unwrap().finish().await.0 {
                        Outcome::InDoubt(error) => error,
                        other => panic!("{other:?}"),
                    }
                }
            },
        };
        let timed_out = ClientError::TimedOut(phase);
        // Silence at STARTTLS is no TLS.
        let expected = match phase {
            Phase::StartTls => ClientError::Tls(TlsFailure::Unanswered(Box::new(timed_out))),
            _ => timed_out,
        };
        assert_eq!(error, expected, "{at:?}");
    }
    assert_eq!(
        outside.inbox().count(),
        1,
        "only the one that stalled behind keeping it"
    );
}

#[tokio::test]
async fn closing_after_the_dot_is_doubt_whether_it_was_kept_or_not() {
    let outside = OutsideMta::start().await;
    for (at, kept) in [(At::Dot, 0), (At::Kept, 1)] {
        outside.behave();
        outside.always(at, Act::Close);
        let ready = ready(dial(outside.address()).await.unwrap(), "ada@example.net").await;
        let (outcome, session) = ready.send_body([BODY]).await.unwrap().finish().await;
        assert!(
            matches!(
                outcome,
                Outcome::InDoubt(ClientError::Closed(Phase::FinalDot))
            ),
            "{outcome:?}"
        );
        assert!(session.is_none());
        assert_eq!(outside.inbox().count(), kept);
    }
}

#[tokio::test]
async fn one_address_refused_and_the_first_two_mails_put_off() {
    let outside = OutsideMta::start().await;
    outside.for_address(
        At::Recipient,
        "bob@example.net",
        Act::Reply("550 5.1.1 no such user".to_owned()),
    );
    let three = envelope("ada@example.net")
        .and(path("bob@example.net"))
        .and(path("cyd@example.net"));
    let session = dial(outside.address()).await.unwrap();
    let Opened::Ready(ready) = session.begin(&three).unwrap().opened().await.unwrap() else {
        panic!("refused")
    };
    assert_eq!(ready.answers().recipient(1).unwrap().code(), 550);
    let (outcome, session) = ready.send_body([BODY]).await.unwrap().finish().await;
    assert!(matches!(outcome, Outcome::Accepted(_)));
    assert_eq!(
        outside.inbox().all()[0].recipients,
        ["ada@example.net", "cyd@example.net"]
    );

    outside.behave();
    outside.tempfail_first(2);
    let mut session = session.unwrap();
    for _ in 0..2 {
        let Opened::Refused(again, answers) =
            session.begin(&three).unwrap().opened().await.unwrap()
        else {
            panic!("taken")
        };
        assert_eq!(answers.recipient(0).unwrap().code(), 451);
        session = again;
    }
    assert!(matches!(
        session.begin(&three).unwrap().opened().await.unwrap(),
        Opened::Ready(_)
    ));
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_it() {
    let outside = OutsideMta::start().await;
    let ready = ready(dial(outside.address()).await.unwrap(), "ada@example.net").await;
    outside.always(At::Read, Act::Wait(Duration::from_millis(1)));
    let message = BODY.repeat(20_000);
    let (outcome, _) = ready
        .send_body([message.as_bytes()])
        .await
        .unwrap()
        .finish()
        .await;
    assert!(matches!(outcome, Outcome::Accepted(_)));
    assert_eq!(outside.inbox().all()[0].message(), message.as_bytes());
}
