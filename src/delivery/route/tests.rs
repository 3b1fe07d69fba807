//! Tests of routes: which one a domain takes, and never to ourselves.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::dns::{Hitch, ResolverSettings};

fn host(preference: u16, name: &str) -> MxHost {
    MxHost {
        preference,
        name: name.into(),
    }
}

fn ips(text: &str) -> Vec<IpAddr> {
    text.split(' ').map(|ip| ip.parse().unwrap()).collect()
}

fn found_at(text: &str) -> ProvenAddresses {
    ips(text).into()
}

fn us() -> Ourselves {
    Ourselves {
        names: vec![Domain::parse("mail.party.example").unwrap()],
        addresses: ips("192.0.2.25 2001:db8::25"),
    }
}

fn names(targets: &[Target]) -> Vec<&str> {
    targets.iter().map(|target| &*target.host).collect()
}

#[test]
fn mail_for_ourselves_comes_home_unless_it_is_sent_elsewhere_by_name() {
    let mut routes = StaticRoutes::parse([
        ("*", "127.0.0.1:2525"),
        ("moved.example", "relay.example.org:25"),
        ("*.sub.example", "relay.example.org:25"),
    ])
    .unwrap();
    let named = |name: &str| Domain::parse(name).unwrap();
    let ours = ["party.example", "moved.example", "a.sub.example"].map(named);
    let door = "127.0.0.1:25".parse().unwrap();
    routes.bring_home(&ours, door);
    let found: Vec<_> = ours.iter().map(|one| routes.find(one).cloned()).collect();
    let relay = Some(Via::Host("relay.example.org".into(), 25));
    assert_eq!(found, [Some(Via::Address(door)), relay.clone(), relay]);
    let other = routes.find(&named("elsewhere.example")).cloned();
    assert_eq!(other, Some(Via::Address("127.0.0.1:2525".parse().unwrap())));
}

#[test]
fn settings() {
    let routes = StaticRoutes::parse([
        ("*", "127.0.0.1:2525"),
        ("Bücher.example", "relay.example.org:2525"),
        ("v6.example", "[::1]:25"),
    ])
    .unwrap();
    let via = |name: &str| routes.find(&Domain::parse(name).unwrap()).cloned().unwrap();
    assert_eq!(
        via("xn--bcher-kva.example"),
        Via::Host("relay.example.org".into(), 2525)
    );
    assert_eq!(via("v6.example"), Via::Address("[::1]:25".parse().unwrap()));
    assert_eq!(
        via("other.example"),
        Via::Address("127.0.0.1:2525".parse().unwrap())
    );
    assert_eq!(
        via("sub.v6.example"),
        Via::Address("127.0.0.1:2525".parse().unwrap())
    );

    for value in [
        "",
        "127.0.0.1",
        "host",
        "host:",
        "host:0",
        "host:70000",
        "127.0.0.1:0",
        ":25",
        "a b:25",
        "::1:25",
    ] {
        let error = StaticRoutes::parse([("*", value)]).unwrap_err();
        assert!(matches!(error, RouteSettingError::Value(..)), "{value}");
    }
    for key in [
        "",
        "**",
        "a b",
        "*.",
        "*.*",
        "*.*.example",
        "a.*.example",
        "127.0.0.1",
    ] {
        assert!(
            matches!(
                StaticRoutes::parse([(key, "h.example:25")]),
                Err(RouteSettingError::Key(_))
            ),
            "{key}"
        );
    }
}

#[test]
fn the_longest_suffix_wins_and_the_route_for_all_comes_last() {
    let routes = StaticRoutes::parse([
        ("*", "127.0.0.1:1"),
        ("*.example.org", "127.0.0.1:2"),
        ("*.Bücher.example.org", "127.0.0.1:3"),
        ("exact.example.org", "127.0.0.1:4"),
    ])
    .unwrap();
    for (domain, port) in [
        ("example.org", 1),
        ("badexample.org", 1),
        ("org", 1),
        ("a.example.org", 2),
        ("b.a.example.org", 2),
        ("bücher.example.org", 2),
        ("mail.bücher.example.org", 3),
        ("exact.example.org", 4),
        ("below.exact.example.org", 2),
    ] {
        let found = routes.find(&Domain::parse(domain).unwrap());
        let wanted = Via::Address(SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(found, Some(&wanted), "{domain}");
    }
    let few = StaticRoutes::parse([("*.example.org", "127.0.0.1:2")]).unwrap();
    assert_eq!(few.find(&Domain::parse("example.org").unwrap()), None);
}

#[test]
fn our_own_name_and_what_is_no_better_are_left_out() {
    let all = vec![
        host(5, "a"),
        host(10, "b"),
        host(10, "mail.party.example"),
        host(20, "c"),
    ];
    assert_eq!(before_ourselves(all, &us()).unwrap(), [host(5, "a")]);
    let best = vec![host(10, "mail.party.example"), host(20, "c")];
    assert_eq!(before_ourselves(best, &us()), Err(RouteError::Ourselves));
}

#[test]
fn our_own_address_under_another_name_too() {
    let found = |own: &str| {
        vec![
            (host(5, "a"), Ok(found_at("198.51.100.1"))),
            (host(10, "alias"), Ok(found_at(own))),
            (host(10, "b"), Ok(found_at("198.51.100.2"))),
            (host(20, "c"), Ok(found_at("198.51.100.3"))),
        ]
    };
    for own in [
        "192.0.2.25",
        "198.51.100.9 2001:db8::25",
        "::ffff:192.0.2.25",
    ] {
        assert_eq!(
            names(&choose(found(own), &us(), Reach::Public, 25).unwrap()),
            ["a"],
            "{own}"
        );
    }
    let only = vec![(host(10, "alias"), Ok(found_at("192.0.2.25")))];
    assert_eq!(
        choose(only, &us(), Reach::Public, 25),
        Err(RouteError::Ourselves)
    );
}

#[test]
fn private_addresses_are_for_static_routes() {
    let found = || {
        vec![
            (
                host(10, "a"),
                Ok(found_at("127.0.0.1 198.51.100.1 10.0.0.1 ::1")),
            ),
            (host(20, "b"), Ok(found_at("::1"))),
        ]
    };
    let targets = choose(found(), &us(), Reach::Public, 25).unwrap();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].addresses, ["198.51.100.1:25".parse().unwrap()]);
    let inside = vec![(host(10, "a"), Ok(found_at("127.0.0.1")))];
    assert_eq!(
        choose(inside, &us(), Reach::Public, 25),
        Err(RouteError::Unreachable)
    );
    assert_eq!(
        choose(found(), &us(), Reach::Anywhere, 2525).unwrap()[0]
            .addresses
            .len(),
        4
    );
}

#[test]
fn one_host_that_can_not_be_found_does_not_hide_another() {
    let temporary = || Err(LookupError::Temporary(Hitch::ServerFailure));
    let gone = || Err(LookupError::NoSuchDomain);
    let good = || Ok(found_at("198.51.100.1"));
    let found = vec![
        (host(10, "a"), temporary()),
        (host(20, "b"), gone()),
        (host(30, "c"), good()),
    ];
    assert_eq!(
        names(&choose(found, &us(), Reach::Public, 25).unwrap()),
        ["c"]
    );
    for order in [
        [gone(), temporary()],
        [temporary(), gone()],
        [Ok(found_at("::1")), temporary()],
    ] {
        let [first, second] = order;
        let error = choose(
            vec![(host(10, "a"), first), (host(20, "b"), second)],
            &us(),
            Reach::Public,
            25,
        );
        assert!(error.unwrap_err().is_temporary());
    }
    let error = choose(vec![(host(10, "a"), gone())], &us(), Reach::Public, 25).unwrap_err();
    assert_eq!(error, LookupError::NoAddress.into());
    assert_eq!(error.enhanced(), (5, 4, 4));
}

#[tokio::test]
async fn a_static_route_asks_no_dns() {
    let settings = ResolverSettings {
        servers: vec!["127.0.0.1:1".parse().unwrap()],
        ..ResolverSettings::default()
    };
    let router = Router {
        resolver: Resolver::new(settings).unwrap(),
        secure: None,
        routes: StaticRoutes::parse([("*", "127.0.0.1:2525")]).unwrap(),
        ourselves: us(),
        port: SMTP_PORT,
        reach: Reach::Public,
    };
    let targets = router
        .targets(&Domain::parse("any.example").unwrap())
        .await
        .unwrap();
    assert_eq!(targets[0].addresses, ["127.0.0.1:2525".parse().unwrap()]);
    assert_eq!(targets[0].origin, Origin::Static);
    assert!(matches!(
        targets[0].server_name(),
        Some(ServerName::IpAddress(_))
    ));
}
