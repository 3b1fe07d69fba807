//! Time, places and ends, over a pipe instead of a socket.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::id::{MailboxId, StaffId};
use crate::imap::host::{Account, Credentials, LoginOutcome};
use crate::mailbox::Mailboxes;
use crate::staff::Tried;
use crate::staff::scram::Verifier;
use crate::store::{Files, LockedStore};
use crate::tls::{Certificates, Door as TlsDoor, server_config};
use crate::vault::Vault;

/// A house with one member, until they are revoked.
struct House {
    ada: StaffId,
    mailboxes: Mailboxes,
    revoked: AtomicBool,
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
            revoked: AtomicBool::new(false),
            _directory: directory,
        })
    }
}

impl Host for House {
    async fn credentials(&self, _: IpAddr, user: &str) -> Result<Credentials, Refusal> {
        Ok(Credentials {
            verifier: Verifier::new("secret").unwrap(),
            tried: Tried::pretended((user == "ada").then_some(self.ada)),
        })
    }

    async fn login(&self, _: IpAddr, outcome: LoginOutcome) -> Result<Option<Account>, Refusal> {
        Ok(outcome.is_proven().then(|| Account {
            staff: self.ada,
            mailbox: MailboxId::from(self.ada),
            mailboxes: self.mailboxes.clone(),
            room: 1 << 20,
        }))
    }

    fn still_lets_in(&self, _: StaffId) -> bool {
        !self.revoked.load(Ordering::Relaxed)
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
        let wire = Wire::new(theirs, door.timeouts);
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
    let timeouts = Timeouts {
        look: Duration::from_millis(20),
        ..Timeouts::default()
    };
    let mut member = Call::log_in(&door(&house, timeouts, Limits::default())).await;
    assert_eq!(member.say("b idle\r\n").await, "+ Idling\r\n");
    house.revoked.store(true, Ordering::Relaxed);
    assert!(
        member
            .end()
            .await
            .starts_with("* BYE [UNAVAILABLE] The account")
    );
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
