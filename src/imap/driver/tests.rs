//! Time, places and ends, over a pipe instead of a socket.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::clock::Clock;
use crate::id::{MailboxId, PasswordId, StaffId};
use crate::imap::host::Account;
use crate::mailbox::{Allowance, Mailboxes};
use crate::net::Loads;
use crate::net::wire::Waits;
use crate::staff::scram::Verifier;
use crate::staff::{Entrant, Knocked, LetIn, LoginOutcome, Proof, Tried};
use crate::store::{Files, LockedStore};
use crate::tls::{Certificates, Door as TlsDoor, TlsInfo, server_config};
use crate::vault::Vault;

mod slow;

/// A house with one member, until they are revoked.
struct House {
    ada: StaffId,
    mailboxes: Mailboxes,
    revoked: watch::Sender<bool>,
    /// Nobody is told that they are, unless they ask.
    silent: AtomicBool,
    _directory: TempDir,
}

impl House {
    async fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        Arc::new(Self {
            ada: StaffId::random(),
            mailboxes: Mailboxes::new(store.unwrap(), clock),
            revoked: watch::Sender::new(false),
            silent: AtomicBool::new(false),
            _directory: directory,
        })
    }
}

impl Host for House {
    async fn credentials(&self, _: IpAddr, user: &str, _: Proof) -> Result<Knocked, Refusal> {
        Ok(Knocked {
            verifier: Verifier::new("secret").unwrap(),
            tried: Tried::pretended((user == "ada").then_some(self.ada)),
        })
    }

    async fn login(&self, _: IpAddr, outcome: LoginOutcome) -> Result<Option<Account>, Refusal> {
        Ok(outcome.is_proven().then(|| Account {
            entrant: Entrant {
                staff: self.ada,
                password: PasswordId::random(),
            },
            mailbox: MailboxId::from(self.ada),
            let_in: LetIn::nowhere(),
            mailboxes: self.mailboxes.clone(),
            room: Allowance::new(4 << 20),
            under_way: Loads::new(u64::MAX, 0),
        }))
    }

    fn still_lets_in(&self, _: Entrant) -> bool {
        !*self.revoked.borrow()
    }

    async fn shut_out(&self, _: Entrant) {
        if self.silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let mut revoked = self.revoked.subscribe();
        let _ = revoked.wait_for(|is_revoked| *is_revoked).await;
    }
}

fn door(house: &Arc<House>, timeouts: Timeouts, limits: Limits) -> Arc<Door<House>> {
    let tls = server_config(Certificates::fixed(Vec::new()), TlsDoor::Submission);
    let door = Door::new(house.clone(), TlsAcceptor::from(tls))
        .with_timeouts(timeouts)
        .with_shared_limits(Arc::new(ArcSwap::from_pointee(limits)));
    Arc::new(door)
}

/// The client's end of a connection, and the server's.
struct Call {
    pipe: DuplexStream,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

fn call(door: &Arc<Door<House>>) -> Call {
    let (pipe, theirs) = tokio::io::duplex(1 << 16);
    let stop = CancellationToken::new();
    let (door, stopping) = (door.clone(), stop.clone());
    let served = tokio::spawn(async move {
        let wire = Wire::new(theirs, door.timeouts.waits, BUFFERS);
        let client = "192.0.2.1".parse().unwrap();
        door.talk(wire, TlsInfo::pretended(), client, &stopping)
            .await;
    });
    Call { pipe, stop, served }
}

impl Call {
    async fn hear(&mut self) -> String {
        let mut octets = vec![0; 1 << 16];
        let read = timeout(Duration::from_secs(20), self.pipe.read(&mut octets)).await;
        String::from_utf8(octets[..read.unwrap().unwrap()].to_vec()).unwrap()
    }

    async fn say(&mut self, said: &str) -> String {
        self.pipe.write_all(said.as_bytes()).await.unwrap();
        self.hear().await
    }

    async fn log_in(door: &Arc<Door<House>>) -> Self {
        let mut call = call(door);
        call.hear().await;
        let heard = call.say("a login ada secret\r\n").await;
        assert!(heard.starts_with("a OK [CAPABILITY "), "{heard}");
        call
    }

    /// What is said last, to the end.
    async fn end(mut self) -> String {
        let mut said = String::new();
        let read = self.pipe.read_to_string(&mut said);
        timeout(Duration::from_secs(20), read)
            .await
            .unwrap()
            .unwrap();
        drop(self.pipe);
        self.served.await.unwrap();
        said
    }
}

const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn nobody_waits_for_ever() {
    let house = House::new().await;
    let timeouts = Timeouts {
        log_in: SOON,
        ..Timeouts::default()
    };
    let mut stranger = call(&door(&house, timeouts, Limits::default()));
    stranger.hear().await;
    stranger.pipe.write_all(b"a login {9}\r\n").await.unwrap();
    assert_eq!(stranger.end().await, "+ Go on\r\n* BYE Waited too long\r\n");

    for (timeouts, said) in [
        (
            Timeouts {
                idle: SOON,
                ..Timeouts::default()
            },
            "",
        ),
        (
            Timeouts {
                idle: SOON,
                ..Timeouts::default()
            },
            "b idle\r\n",
        ),
        (
            Timeouts {
                command: SOON,
                ..Timeouts::default()
            },
            "b fetch 1 fla",
        ),
        (
            Timeouts {
                data: SOON,
                ..Timeouts::default()
            },
            "b append INBOX {9+}\r\nhalf",
        ),
    ] {
        let mut member = Call::log_in(&door(&house, timeouts, Limits::default())).await;
        member.pipe.write_all(said.as_bytes()).await.unwrap();
        let last = member.end().await;
        assert!(
            last.ends_with("* BYE Waited too long\r\n"),
            "{said}: {last}"
        );
    }
}

/// A handshake that doesn't end, and a member who doesn't read.
#[tokio::test]
async fn nobody_is_waited_for_who_does_nothing() {
    let house = House::new().await;
    let timeouts = Timeouts {
        handshake: SOON,
        waits: Waits {
            write: SOON,
            ..Waits::default()
        },
        ..Timeouts::default()
    };
    let door = door(&house, timeouts, Limits::default());
    let (mut half_open, theirs) = tokio::io::duplex(1 << 16);
    let begun = b"\x16\x03\x01\x02\x00\x01\x00";
    half_open.write_all(begun).await.unwrap();
    let client = "192.0.2.1".parse().unwrap();
    let served = door.serve(theirs, client, CancellationToken::new());
    let served = timeout(Duration::from_secs(20), served).await;
    served.expect("it ends before the client does");

    let mut deaf = Call::log_in(&door).await;
    // More is answered than stands between the two.
    let asked = "b noop\r\nc list \"\" *\r\nd capability\r\n".repeat(1_000);
    let (mut reads, mut writes) = tokio::io::split(deaf.pipe);
    let _ = timeout(SOON * 10, writes.write_all(asked.as_bytes())).await;
    timeout(Duration::from_secs(20), &mut deaf.served)
        .await
        .expect("it ends before the client does")
        .unwrap();
    let mut heard = Vec::new();
    reads.read_to_end(&mut heard).await.unwrap();
    assert!(heard.starts_with(b"b OK"));
}

#[tokio::test]
async fn an_account_has_so_many_connections() {
    let house = House::new().await;
    let limits = Limits {
        per_account: 1,
        ..Limits::default()
    };
    let door = door(&house, Timeouts::default(), limits);
    let first = Call::log_in(&door).await;
    let mut second = call(&door);
    second.hear().await;
    let heard = second.say("a login ada secret\r\n").await;
    assert!(heard.starts_with("a NO [LIMIT]"), "{heard}");
    first.stop.cancel();
    assert!(
        first
            .end()
            .await
            .starts_with("* BYE [UNAVAILABLE] Service stops")
    );
    let heard = second.say("a login ada secret\r\n").await;
    assert!(heard.starts_with("a OK"), "{heard}");
    let heard = second.say("b logout\r\n").await;
    assert_eq!(heard, "* BYE Good bye\r\nb OK Done\r\n");
}

#[tokio::test]
async fn who_was_revoked_is_out() {
    let house = House::new().await;
    let door = door(&house, Timeouts::default(), Limits::default());
    let mut member = Call::log_in(&door).await;
    assert_eq!(member.say("b idle\r\n").await, "+ Idling\r\n");
    house.revoked.send_replace(true);
    assert!(
        member
            .end()
            .await
            .starts_with("* BYE [EXPIRED] This account")
    );
}

/// What somebody sent before they could hear that they are out is not done any more.
#[tokio::test]
async fn nothing_is_done_for_who_is_out() {
    let house = House::new().await;
    house.silent.store(true, Ordering::Relaxed);
    let door = door(&house, Timeouts::default(), Limits::default());
    for command in ["c create new\r\n", "c append INBOX {5+}\r\nhello\r\n"] {
        house.revoked.send_replace(false);
        let mut member = Call::log_in(&door).await;
        assert_eq!(member.say("b noop\r\n").await, "b OK Done\r\n");
        house.revoked.send_replace(true);
        member.pipe.write_all(command.as_bytes()).await.unwrap();
        let last = member.end().await;
        assert!(last.starts_with("* BYE [EXPIRED] This account"), "{last}");
    }
    let folders = house.mailboxes.folders(house.ada.into()).await.unwrap();
    assert!(
        folders
            .iter()
            .all(|one| one.record.messages == 0 && one.record.name.as_str() != "new")
    );
}

#[tokio::test]
async fn who_is_idle_hears_what_comes() {
    let house = House::new().await;
    let door = door(&house, Timeouts::default(), Limits::default());
    let (mut idle, mut other) = (Call::log_in(&door).await, Call::log_in(&door).await);
    idle.say("b select INBOX\r\n").await;
    assert_eq!(idle.say("c idle\r\n").await, "+ Idling\r\n");
    other.say("b append INBOX {5+}\r\nhello\r\n").await;
    let heard = idle.hear().await;
    assert!(heard.starts_with("* 1 EXISTS\r\n"), "{heard}");
}

/// Who takes little of a long answer gets no more of it, and holds no place for it.
#[tokio::test]
async fn a_long_answer_ends_with_its_right_to_be_heard() {
    let house = House::new().await;
    let door = door(&house, Timeouts::default(), Limits::default());
    for revoked in [true, false] {
        let mut member = Call::log_in(&door).await;
        let mail = format!("Subject: x\r\n\r\n{}", "y".repeat(700_000));
        let append = format!("b append INBOX {{{}+}}\r\n{mail}\r\n", mail.len());
        member.pipe.write_all(append.as_bytes()).await.unwrap();
        assert!(member.hear().await.starts_with("b OK"));
        member.pipe.write_all(b"c select INBOX\r\n").await.unwrap();
        member.hear().await;
        let fetch = b"d fetch * body.peek[]\r\ne noop\r\n";
        member.pipe.write_all(fetch).await.unwrap();
        let begun = member.hear().await;
        assert!(begun.contains(" FETCH (BODY[] {"), "{begun:.80}");
        match revoked {
            true => drop(house.revoked.send_replace(true)),
            false => member.stop.cancel(),
        }
        timeout(Duration::from_secs(20), member.served)
            .await
            .expect("it is cut short")
            .unwrap();
        house.revoked.send_replace(false);
        let mut rest = String::new();
        member.pipe.read_to_string(&mut rest).await.unwrap();
        assert!(rest.len() < 300_000, "{}", rest.len());
        assert_eq!(rest.trim_start_matches('y'), "", "no word of ours is in it");
    }
}

#[tokio::test]
async fn commands_that_come_together_are_answered_together() {
    let house = House::new().await;
    let mut member = Call::log_in(&door(&house, Timeouts::default(), Limits::default())).await;
    let heard = member
        .say("b noop\r\nc status INBOX (MESSAGES)\r\nd append INBOX {5+}\r\nhello\r\ne noop\r\n")
        .await;
    let ends: Vec<&str> = heard.lines().map(|line| &line[..4]).collect();
    assert_eq!(ends, ["b OK", "* ST", "c OK", "d OK", "e OK"], "{heard}");
}

/// The time that a message takes is not the time of the line behind it.
#[tokio::test]
async fn a_long_message_is_kept_to_its_end() {
    let house = House::new().await;
    let timeouts = Timeouts {
        command: SOON * 20,
        ..Timeouts::default()
    };
    let mut member = Call::log_in(&door(&house, timeouts, Limits::default())).await;
    assert_eq!(member.say("b append {5}\r\n").await, "+ Go on\r\n");
    assert_eq!(member.say("INBOX {10}\r\n").await, "+ Go on\r\n");
    for octets in ["half", " and ", "r"] {
        tokio::time::sleep(SOON * 8).await;
        member.pipe.write_all(octets.as_bytes()).await.unwrap();
    }
    let _ = member.pipe.write_all(b"\r\n").await;
    let heard = member.hear().await;
    assert!(heard.starts_with("b OK [APPENDUID "), "{heard}");
}

/// Whoever sends an octet now and then holds nothing for ever.
#[tokio::test]
async fn a_message_has_its_time_as_a_whole() {
    let house = House::new().await;
    let timeouts = Timeouts {
        data: SOON * 2,
        ..Timeouts::default()
    };
    let mut member = Call::log_in(&door(&house, timeouts, Limits::default())).await;
    let begun = b"b append INBOX {200+}\r\n";
    member.pipe.write_all(begun).await.unwrap();
    let mut heard = String::new();
    for _ in 0..40 {
        let _ = member.pipe.write_all(b"x").await;
        if let Ok(said) = timeout(SOON / 2, member.hear()).await {
            heard = said;
            break;
        }
    }
    assert_eq!(heard, "* BYE Waited too long\r\n");
}

/// Whoever hangs up while a search goes on, or waits for its turn, has searched enough.
#[tokio::test]
async fn a_search_ends_with_who_asked() {
    let house = House::new().await;
    let door = door(&house, Timeouts::default(), Limits::default());
    let turns = door.searches.clone().acquire_many_owned(4).await.unwrap();
    let mut member = Call::log_in(&door).await;
    member.say("b select INBOX\r\n").await;
    // What comes behind it meanwhile is kept.
    let more = "c search text x\r\nd noop\r\n";
    member.pipe.write_all(more.as_bytes()).await.unwrap();
    let mut other = Call::log_in(&door).await;
    other.say("b select INBOX\r\n").await;
    other.pipe.write_all(b"c search text x\r\n").await.unwrap();
    drop(other.pipe);
    timeout(Duration::from_secs(10), other.served)
        .await
        .expect("it ends with who asked")
        .unwrap();
    drop(turns);
    let heard = member.hear().await;
    assert_eq!(heard, "* SEARCH\r\nc OK Done\r\nd OK Done\r\n");
}
