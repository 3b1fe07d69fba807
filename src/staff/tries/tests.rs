//! Tests of the book of wrong passwords.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A book whose clock is in the test's hand.
struct World {
    book: Book,
    now: Instant,
}

impl World {
    fn new(trusted: &[&str]) -> Self {
        let trusted = trusted.iter().map(|one| one.parse().expect("a network"));
        let rules = TryRules {
            most: 3,
            trusted: trusted.collect(),
            ..TryRules::default()
        };
        Self {
            book: Book {
                rules,
                ..Book::default()
            },
            now: Instant::now(),
        }
    }

    fn may(&mut self, client: &str, tried: Tried) -> Result<Duration, HeldUp> {
        self.book
            .may_try(ip(client), tried, Proof::Hashed, self.now)
    }

    fn may_talk(&mut self, client: &str, tried: Tried) -> Result<Duration, HeldUp> {
        self.book
            .may_try(ip(client), tried, Proof::Dialogue, self.now)
    }

    fn wrong(&mut self, client: &str, tried: Tried, times: u32) {
        for _ in 0..times {
            self.book.wrong(ip(client), Some(tried), self.now);
        }
    }

    fn right(&mut self, client: &str, tried: Tried) {
        self.book.right(ip(client), tried, self.now);
    }
}

fn somebody(name: u64) -> Tried {
    let staff = Some(StaffId::random());
    Tried { name, staff }
}

fn nobody(name: u64) -> Tried {
    Tried { name, staff: None }
}

#[test]
fn a_network_waits_after_too_many_and_others_do_not() {
    let mut world = World::new(&[]);
    let ada = somebody(1);
    for (n, host) in ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"]
        .iter()
        .enumerate()
    {
        assert!(world.may(host, ada).is_ok());
        world.wrong(host, nobody(10 + n as u64), 1);
    }
    let held = world.may("192.0.2.77", ada).expect_err("it waits");
    assert_eq!(
        held.to_string(),
        "Too many wrong passwords from your network 192.0.2.0/24; wait 15 minutes, or have an admin lift it: hustings \
         staff unlock 192.0.2.0/24"
    );
    assert!(world.may("192.0.3.1", ada).is_ok() && world.may("2001:db8::1", ada).is_ok());
    world.now += 14 * MINUTE;
    assert!(world.may("192.0.2.77", ada).is_err());
    world.now += MINUTE;
    assert!(world.may("192.0.2.77", ada).is_ok());
}

#[test]
fn ipv6_counts_by_the_64() {
    let mut world = World::new(&[]);
    world.wrong("2001:db8:1:2::1", nobody(1), 2);
    world.wrong("2001:db8:1:2:ffff::9", nobody(2), 1);
    assert!(world.may("2001:db8:1:2::7", nobody(3)).is_err());
    assert!(world.may("2001:db8:1:3::1", nobody(3)).is_ok());
}

/// Who was given a /48 has 65,536 networks of a household each.
#[test]
fn an_ipv6_site_waits_as_well() {
    let mut world = World::new(&[]);
    let ada = somebody(1);
    world.right("2001:db8:1:aaaa::1", ada);
    let most = 3 * SITE;
    for n in 0..most {
        let client = format!("2001:db8:1:{n:x}::1");
        assert!(world.may(&client, nobody(0)).is_ok(), "{n}");
        world.wrong(&client, nobody(u64::from(n)), 1);
    }
    let held = world.may_talk("2001:db8:1:ffff::1", nobody(0));
    let text = held.expect_err("it waits").to_string();
    assert!(text.contains("your network 2001:db8:1::/48"), "{text}");
    assert!(world.may("2001:db8:2::1", nobody(0)).is_ok());
    assert!(
        world.may("2001:db8:1:aaaa::1", ada).is_ok(),
        "it's her home"
    );
    world.now += 15 * MINUTE;
    assert!(world.may("2001:db8:1:ffff::1", nobody(0)).is_ok());
}

/// The whole point: a stranger beside her, or many anywhere, keep nobody out.
#[test]
fn the_owner_gets_in_whatever_others_do() {
    let mut world = World::new(&["198.51.100.0/24"]);
    let (ada, ben) = (somebody(1), somebody(2));
    world.right("192.0.2.1", ada);
    world.wrong("192.0.2.66", ben, 50);
    world.wrong("192.0.2.66", nobody(3), 50);
    assert!(world.may("192.0.2.66", ben).is_err(), "the guesser waits");
    assert!(world.may("192.0.2.66", nobody(3)).is_err());
    assert_eq!(
        world.may("192.0.2.1", ada),
        Ok(Duration::ZERO),
        "she doesn't"
    );
    world.wrong("198.51.100.7", ben, 50);
    assert_eq!(
        world.may("198.51.100.9", ben),
        Ok(Duration::ZERO),
        "trusted"
    );

    // From anywhere else her name is answered late, and never refused.
    for network in 0..40 {
        world.wrong(&format!("203.0.{network}.1"), ada, 1);
    }
    let strange = world.may("203.0.113.200", ada).expect("no refusal");
    assert_eq!(strange, LONGEST_DELAY);
    assert_eq!(world.may("192.0.2.1", ada), Ok(Duration::ZERO));
    world.now += HOME;
    assert!(
        world.may("192.0.2.1", ada).is_ok(),
        "the guesses are long ago"
    );
}

#[test]
fn a_known_name_and_an_unknown_one_are_answered_as_late() {
    let mut world = World::new(&[]);
    let (ada, none) = (somebody(1), nobody(2));
    for network in 0..8 {
        world.wrong(&format!("203.0.{network}.1"), ada, 1);
        world.wrong(&format!("203.0.{network}.1"), none, 1);
        let of = |world: &mut World, tried| world.may("198.51.100.1", tried).expect("no refusal");
        assert_eq!(of(&mut world, ada), of(&mut world, none));
    }
    assert!(world.may("198.51.100.1", none).expect("no refusal") > DELAY);
}

/// A telephone with an old password holds up nobody in its house, but may not guess without end.
#[test]
fn an_old_password_at_home_harms_nobody() {
    let mut world = World::new(&[]);
    let (ada, ben) = (somebody(1), somebody(2));
    world.right("192.0.2.1", ada);
    world.wrong("192.0.2.2", ada, 100);
    assert!(world.may("192.0.2.3", ben).is_ok());
    assert_eq!(world.may("192.0.2.1", ada), Ok(Duration::ZERO));
    // Beyond that somebody guesses: the house waits, and she is answered late, but never kept out of her own.
    world.wrong("192.0.2.2", ada, HOME_TRIES);
    assert!(world.may("192.0.2.3", ben).is_err());
    assert_eq!(world.may("192.0.2.1", ada), Ok(LONGEST_DELAY));
    world.right("192.0.2.1", ada);
    assert_eq!(world.may("192.0.2.1", ada), Ok(Duration::ZERO));
}

fn may_ben(book: &WrongPasswords) -> Result<Duration, HeldUp> {
    book.may_try(ip("192.0.2.1"), book.tried("ben", None), Proof::Hashed)
}

#[test]
fn an_admin_lifts_what_is_left() {
    let book = WrongPasswords::new(TryRules {
        most: 3,
        ..TryRules::default()
    });
    let staff = Some(StaffId::random());
    let (ada, here) = (book.tried("ada", staff), ip("192.0.2.1"));
    for _ in 0..5 {
        book.wrong(here, Some(ada));
    }
    assert!(book.may_try(here, ada, Proof::Hashed).is_err());
    assert_eq!(book.wrong_for(ada), 5);
    let held = HeldUpNow {
        networks: 1,
        names: 1,
    };
    assert_eq!(book.held_up(), held);
    book.pardon(ada);
    assert_eq!(book.may_try(here, ada, Proof::Hashed), Ok(Duration::ZERO));
    book.right(here, ada);
    assert!(may_ben(&book).is_err());
    assert_eq!(
        book.lift_networks("198.51.100.0/24".parse().expect("a network")),
        0
    );
    assert_eq!(
        book.lift_networks("192.0.2.9".parse().expect("a network")),
        1
    );
    assert!(may_ben(&book).is_ok());
    assert_eq!(book.held_up(), HeldUpNow::default());
}

#[test]
fn other_rules_hold_at_once_and_forget_nothing() {
    let book = WrongPasswords::new(TryRules::default());
    let (ada, here) = (book.tried("ada", None), ip("192.0.2.1"));
    book.wrong(here, Some(ada));
    book.wrong(here, None);
    assert!(book.may_try(here, ada, Proof::Hashed).is_ok());
    let stricter = TryRules {
        most: 2,
        ..TryRules::default()
    };
    book.set(stricter.clone());
    assert!(book.may_try(here, ada, Proof::Hashed).is_err());
    book.set(TryRules {
        trusted: vec!["192.0.2.0/24".parse().expect("a network")],
        ..stricter
    });
    assert!(book.may_try(here, ada, Proof::Hashed).is_ok());
}

/// However many networks strangers have, what they make us hash is bounded, and members don't wait for it.
#[test]
fn strangers_share_one_measure() {
    let mut world = World::new(&[]);
    let ada = somebody(1);
    world.right("192.0.2.1", ada);
    let mut refused = 0;
    for n in 0..400u32 {
        let client = format!("203.{}.{}.1", n / 250, n % 250);
        match world.may(&client, nobody(u64::from(n))) {
            Ok(wait) if n < BURST => assert_eq!(wait, Duration::ZERO, "{n}"),
            Ok(wait) => assert!(wait <= LONGEST_DELAY),
            Err(held) => {
                assert_eq!(held, HeldUp::Busy);
                refused += 1;
            }
        }
    }
    assert!((200..240).contains(&refused), "{refused}");
    assert_eq!(world.may("192.0.2.1", ada), Ok(Duration::ZERO));
    // Who makes us hash nothing neither waits for them nor is in their way.
    assert_eq!(world.may_talk("203.0.113.1", nobody(0)), Ok(Duration::ZERO));
    world.now += MINUTE;
    assert_eq!(world.may("203.0.113.1", nobody(0)), Ok(Duration::ZERO));
}

/// SCRAM dialogues that are opened and left half done.
#[test]
fn half_a_dialogue_keeps_nobody_out() {
    let mut world = World::new(&[]);
    for n in 0..4000u32 {
        let client = format!("203.{}.{}.1", n / 250, n % 250);
        let wait = world.may_talk(&client, nobody(u64::from(n)));
        assert_eq!(wait, Ok(Duration::ZERO), "{n}");
    }
    assert_eq!(world.may("198.51.100.1", somebody(1)), Ok(Duration::ZERO));
    // One that ends with a wrong proof counts as any wrong password does.
    for _ in 0..3 {
        assert!(world.may_talk("198.51.100.1", nobody(1)).is_ok());
        world.wrong("198.51.100.1", nobody(1), 1);
    }
    assert!(world.may_talk("198.51.100.1", nobody(2)).is_err());
    assert!(
        world.may_talk("192.0.2.1", nobody(1)).expect("no refusal") >= DELAY,
        "a name that is guessed at is answered late"
    );
}

#[test]
fn memory_is_bounded() {
    let mut world = World::new(&[]);
    for n in 0..12_000u64 {
        let client = format!("10.{}.{}.1", n / 250, n % 250);
        world.wrong(&client, nobody(n), 1);
        if n % 2 == 0 {
            world.right(&client, somebody(n));
        }
    }
    let book = &world.book;
    assert!(book.sites.is_empty());
    assert!(book.networks.len() <= MOST && book.names.len() <= MOST && book.homes.len() <= MOST);
}

/// Who has ten thousand networks frees none that waits.
#[test]
fn of_too_many_only_the_oldest_is_forgotten() {
    let mut world = World::new(&[]);
    for n in 0..MOST {
        if n == 1 {
            world.wrong("192.0.2.1", nobody(0), 3);
        }
        let client = format!("10.{}.{}.1", n / 250, n % 250);
        world.wrong(&client, nobody(1), 1);
        world.now += Duration::from_millis(1);
    }
    assert_eq!(world.book.networks.len(), MOST);
    assert!(world.may("192.0.2.1", nobody(0)).is_err(), "it still waits");
    assert!(
        !world
            .book
            .networks
            .contains_key(&Network::of_household(ip("10.0.0.1")))
    );
}

/// Whoever types the name of somebody who was let in has us hash no oftener than strangers may.
#[test]
fn a_pardon_is_no_way_to_keep_us_busy() {
    let mut world = World::new(&["198.51.100.0/24"]);
    let (ada, wait) = (somebody(1), world.book.rules.wait);
    let staff = ada.staff.expect("an account");
    world.book.pardoned.insert(staff, world.now + wait);
    let mut busy = 0;
    for _ in 0..4 * BURST {
        match world.may("192.0.2.1", ada) {
            Ok(wait) => assert!(wait <= LONGEST_DELAY),
            Err(held) => {
                assert_eq!(held, HeldUp::Busy);
                busy += 1;
            }
        }
        world.wrong("192.0.2.1", ada, 1);
    }
    assert!((200..240).contains(&busy), "{busy}");
    assert_eq!(world.may("198.51.100.1", ada), Ok(Duration::ZERO));
    world.now += MINUTE;
    assert_eq!(world.may("192.0.2.1", ada), Ok(Duration::ZERO));
}

/// Who has an account can't guess at others' by logging in between.
#[test]
fn a_log_in_between_wipes_out_no_guesses() {
    let mut world = World::new(&[]);
    let (eve, ben) = (somebody(1), somebody(2));
    world.right("192.0.2.1", eve);
    world.wrong("192.0.2.1", ben, 2);
    world.right("192.0.2.1", eve);
    world.wrong("192.0.2.1", ben, 1);
    assert!(world.may("192.0.2.1", ben).is_err());
    assert_eq!(world.may("192.0.2.1", eve), Ok(Duration::ZERO));
}

#[test]
fn whom_an_admin_lets_in_is_let_in_for_a_time() {
    let mut world = World::new(&[]);
    let (ada, wait) = (somebody(1), world.book.rules.wait);
    let staff = ada.staff.expect("an account");
    world.book.pardoned.insert(staff, world.now + wait);
    world.now += wait - MINUTE;
    world.wrong("192.0.2.1", nobody(2), 3);
    assert_eq!(world.may("192.0.2.1", ada), Ok(Duration::ZERO));
    world.now += MINUTE;
    assert!(world.may("192.0.2.1", ada).is_err());
}
