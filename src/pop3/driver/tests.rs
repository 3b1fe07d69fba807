//! How a session ends that doesn't end by itself, over a pipe instead of a socket.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::clock::Clock;
use crate::id::{MailboxId, PasswordId, StaffId};
use crate::mailbox::{Appended, Mailboxes};
use crate::pop3::host::Account;
use crate::staff::scram::Verifier;
use crate::staff::{Entrant, Knocked, LoginOutcome, Proof, Tried};
use crate::store::{Files, LockedStore, Marks, Store, testing};
use crate::tls::{Certificates, Door as TlsDoor, server_config};
use crate::vault::Vault;

const PATIENCE: Duration = Duration::from_secs(20);

/// A house with one member, until they are revoked.
struct House {
    ada: StaffId,
    store: Store,
    revoked: watch::Sender<bool>,
    /// Nobody is told that they are, unless they ask.
    silent: bool,
    _directory: TempDir,
}

impl House {
    async fn new(silent: bool) -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
        Arc::new(Self {
            ada: StaffId::random(),
            store: store.unwrap(),
            revoked: watch::Sender::new(false),
            silent,
            _directory: directory,
        })
    }

    fn boxes(&self) -> Mailboxes {
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        Mailboxes::new(self.store.clone(), clock)
    }

    async fn keep(&self, message: &[u8]) {
        let boxes = self.boxes();
        let inbox = boxes.folders(self.ada.into()).await.unwrap()[0].clone();
        let mut writer = boxes.begin().await.unwrap();
        writer.write(message).await.unwrap();
        let appended = Appended {
            body: writer.finish(),
            outline: None,
            marks: Marks::default(),
            received_at: None,
        };
        boxes.append(&inbox, appended, 1 << 30).await.unwrap();
    }
}

impl Host for House {
    async fn credentials(&self, _: IpAddr, _: &str, _: Proof) -> Result<Knocked, Refusal> {
        Ok(Knocked {
            verifier: Verifier::new("secret").unwrap(),
            tried: Tried::pretended(Some(self.ada)),
        })
    }

    async fn login(&self, _: IpAddr, outcome: LoginOutcome) -> Result<Option<Account>, Refusal> {
        Ok(outcome.is_proven().then(|| Account {
            entrant: Entrant {
                staff: self.ada,
                password: PasswordId::random(),
            },
            mailbox: MailboxId::from(self.ada),
            mailboxes: self.boxes(),
        }))
    }

    fn still_lets_in(&self, _: Entrant) -> bool {
        !*self.revoked.borrow()
    }

    async fn shut_out(&self, _: Entrant) {
        if self.silent {
            std::future::pending::<()>().await;
        }
        let mut revoked = self.revoked.subscribe();
        let _ = revoked.wait_for(|is_revoked| *is_revoked).await;
    }
}

/// Somebody logs in and says this.
async fn call(house: &Arc<House>, said: &str) -> DuplexStream {
    dial(house, said).await.0
}

async fn dial(house: &Arc<House>, said: &str) -> (DuplexStream, JoinHandle<()>) {
    enter(&door(house), said).await
}

fn door(house: &Arc<House>) -> Arc<Door<House>> {
    door_with(house, Timeouts::default())
}

fn door_with(house: &Arc<House>, timeouts: Timeouts) -> Arc<Door<House>> {
    let tls = server_config(Certificates::fixed(Vec::new()), TlsDoor::Submission);
    let door = Door::new(house.clone(), TlsAcceptor::from(tls));
    Arc::new(door.with_limits(Limits::default(), timeouts))
}

async fn enter(door: &Arc<Door<House>>, said: &str) -> (DuplexStream, JoinHandle<()>) {
    let (mut pipe, served) = knock(door, CancellationToken::new());
    let said = format!("USER ada\r\nPASS secret\r\n{said}");
    pipe.write_all(said.as_bytes()).await.unwrap();
    (pipe, served)
}

/// Somebody connects, and TLS is done.
fn knock(door: &Arc<Door<House>>, stop: CancellationToken) -> (DuplexStream, JoinHandle<()>) {
    let door = door.clone();
    let (pipe, theirs) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(async move {
        let mut wire = Wire::new(theirs, door.timeouts.waits, BUFFERS);
        let client = "192.0.2.1".parse().unwrap();
        let ended = door.converse(&mut wire, TlsInfo::pretended(), client, &stop);
        let last = ended.await.unwrap_or_else(|gone| gone.last());
        let _ = wire.close(&last).await;
    });
    (pipe, served)
}

/// What is said up to here.
async fn until(pipe: &mut DuplexStream, end: &str) {
    let mut heard = String::new();
    while !heard.ends_with(end) {
        let mut octets = [0; 1000];
        let read = timeout(Duration::from_secs(20), pipe.read(&mut octets));
        let read = read.await.unwrap().unwrap();
        assert_ne!(read, 0, "{heard}");
        heard.push_str(std::str::from_utf8(&octets[..read]).unwrap());
    }
}

async fn heard(mut pipe: DuplexStream) -> String {
    let mut heard = String::new();
    let reading = pipe.read_to_string(&mut heard);
    let read = timeout(Duration::from_secs(20), reading).await;
    read.unwrap().unwrap();
    heard
}

#[tokio::test]
async fn who_was_revoked_is_out() {
    let house = House::new(false).await;
    let mut pipe = call(&house, "STAT\r\n").await;
    until(&mut pipe, "+OK 0 0\r\n").await;
    house.revoked.send_replace(true);
    let heard = heard(pipe).await;
    assert!(heard.starts_with("-ERR [AUTH] This account"), "{heard}");
}

/// What somebody sent before they could hear that they are out is not done any more.
#[tokio::test]
async fn nothing_is_done_for_who_is_out() {
    let house = House::new(true).await;
    for _ in 0..2 {
        house.keep(b"Subject: x\r\n\r\nbody\r\n").await;
    }
    for command in ["LIST", "RETR 2", "QUIT"] {
        house.revoked.send_replace(false);
        let mut pipe = call(&house, "DELE 1\r\nSTAT\r\n").await;
        until(&mut pipe, "+OK 1 20\r\n").await;
        house.revoked.send_replace(true);
        pipe.write_all(format!("{command}\r\n").as_bytes())
            .await
            .unwrap();
        let heard = heard(pipe).await;
        assert!(
            heard.starts_with("-ERR [AUTH] This account"),
            "{command}: {heard}"
        );
    }
    let maildrop = house.boxes().maildrop(house.ada.into()).await.unwrap();
    assert_eq!(maildrop.messages.len(), 2);
}

/// What can't be read to its end doesn't look as if it were whole.
#[tokio::test]
async fn half_a_message_has_no_end() {
    let house = House::new(false).await;
    let message = format!("Subject: x\r\n\r\n{}", "a line\r\n".repeat(30_000));
    house.keep(message.as_bytes()).await;
    testing::cut_bodies(house.store.files()).await;
    let heard = heard(call(&house, "RETR 1\r\nNOOP\r\n").await).await;
    assert!(heard.contains("\r\n+OK 240014 octets\r\nSubject: x\r\n"));
    let end = &heard[heard.len() - 20..];
    assert!(
        !heard.contains("\r\n.\r\n") && heard.len() > 100_000,
        "{end}"
    );
    assert!(!end.contains("+OK"), "{end}");
}

/// Only QUIT removes what was marked (RFC 1939 §6).
#[tokio::test]
async fn a_connection_that_breaks_removes_nothing() {
    let house = House::new(false).await;
    house.keep(b"Subject: x\r\n\r\nbody\r\n").await;
    let (mut pipe, served) = dial(&house, "DELE 1\r\nSTAT\r\n").await;
    until(&mut pipe, "+OK 0 0\r\n").await;
    drop(pipe);
    timeout(Duration::from_secs(20), served)
        .await
        .unwrap()
        .unwrap();
    let left = async || house.boxes().maildrop(house.ada.into()).await.unwrap();
    assert_eq!(left().await.messages.len(), 1);
    let heard = heard(call(&house, "DELE 1\r\nQUIT\r\n").await).await;
    assert!(heard.contains("+OK"), "{heard}");
    assert_eq!(left().await.messages.len(), 0);
}

/// RFC 1939 §8: nobody else changes a maildrop while somebody fetches from it.
#[tokio::test]
async fn a_maildrop_is_fetched_by_one_at_a_time() {
    let house = House::new(false).await;
    let door = door(&house);
    let (mut first, served) = enter(&door, "STAT\r\n").await;
    until(&mut first, "+OK 0 0\r\n").await;
    let (mut second, _served) = enter(&door, "").await;
    until(&mut second, "again when it's done\r\n").await;
    drop(first);
    timeout(Duration::from_secs(20), served)
        .await
        .unwrap()
        .unwrap();
    let (mut third, _served) = enter(&door, "STAT\r\n").await;
    until(&mut third, "+OK 0 0\r\n").await;
}

const SOON: Duration = Duration::from_millis(200);
const WAITED: &str = "-ERR [SYS/TEMP] Waited too long\r\n";

#[tokio::test]
async fn nobody_waits_for_ever() {
    let house = House::new(false).await;
    let usual = Timeouts::default();
    let log_in = Timeouts {
        log_in: SOON,
        ..usual
    };
    let door = door_with(&house, log_in);
    let (pipe, _served) = knock(&door, CancellationToken::new());
    assert!(heard(pipe).await.ends_with(WAITED));
    // Whoever says something now and then has no longer for it.
    let (mut pipe, served) = knock(&door, CancellationToken::new());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let slow = async {
        while !served.is_finished() {
            assert!(tokio::time::Instant::now() < deadline, "it waits");
            tokio::time::sleep(SOON / 8).await;
            let _ = pipe.write_all(b"NOOP\r\n").await;
        }
    };
    slow.await;
    assert!(heard(pipe).await.ends_with(WAITED));
    let idle = Timeouts {
        idle: SOON,
        ..usual
    };
    for said in ["", "RETR"] {
        let (pipe, _served) = enter(&door_with(&house, idle), said).await;
        // RFC 1939 §3
        let last = heard(pipe).await;
        assert!(
            last.contains("+OK") && !last.contains("-ERR"),
            "{said}: {last}"
        );
    }
}

/// A handshake that doesn't end, and a member who doesn't read.
#[tokio::test]
async fn nobody_is_waited_for_who_does_nothing() {
    let house = House::new(false).await;
    let message = format!("Subject: x\r\n\r\n{}", "a line\r\n".repeat(50_000));
    house.keep(message.as_bytes()).await;
    let mut timeouts = Timeouts {
        handshake: SOON,
        ..Timeouts::default()
    };
    timeouts.waits.write = SOON;
    timeouts.waits.linger = SOON;
    let door = door_with(&house, timeouts);
    let long = Duration::from_secs(20);
    let (mut half_open, theirs) = tokio::io::duplex(1 << 16);
    let begun = b"\x16\x03\x01\x02\x00\x01\x00";
    half_open.write_all(begun).await.unwrap();
    let client = "192.0.2.1".parse().unwrap();
    let served = door.serve(theirs, client, CancellationToken::new());
    let ended = timeout(long, served).await;
    ended.expect("it ends before the client does");
    let (deaf, served) = enter(&door, "RETR 1\r\n").await;
    let ended = timeout(long, served).await;
    ended.expect("it ends before the client does").unwrap();
    let heard = heard(deaf).await;
    assert!(heard.contains("+OK 400014 octets\r\n") && heard.len() < 200_000);
    assert!(!heard.contains("\r\n.\r\n"), "it doesn't look whole");
}

#[tokio::test]
async fn who_stops_says_so() {
    let house = House::new(false).await;
    let (door, stop) = (door(&house), CancellationToken::new());
    let (pipe, _served) = knock(&door, stop.clone());
    stop.cancel();
    let last = heard(pipe).await;
    assert!(last.contains("-ERR [SYS/TEMP] The service stops"), "{last}");
}

/// The client's end of a connection, and the server's.
struct Call {
    pipe: DuplexStream,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Call {
    async fn log_in(house: &Arc<House>) -> Self {
        let door = door(house);
        let (pipe, theirs) = tokio::io::duplex(1 << 16);
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let served = tokio::spawn(async move {
            let wire = Wire::new(theirs, door.timeouts.waits, BUFFERS);
            let client = "192.0.2.1".parse().unwrap();
            door.talk(wire, TlsInfo::pretended(), client, &stopping)
                .await;
        });
        let mut call = Self { pipe, stop, served };
        call.hear().await;
        call.say("USER ada").await;
        let heard = call.say("PASS secret").await;
        assert!(heard.starts_with("+OK"), "{heard}");
        call
    }

    async fn hear(&mut self) -> String {
        let mut octets = vec![0; 1 << 16];
        let read = timeout(PATIENCE, self.pipe.read(&mut octets)).await;
        String::from_utf8(octets[..read.unwrap().unwrap()].to_vec()).unwrap()
    }

    async fn say(&mut self, line: &str) -> String {
        let line = format!("{line}\r\n");
        self.pipe.write_all(line.as_bytes()).await.unwrap();
        self.hear().await
    }
}

/// Who takes little of a long message gets no more of it, and doesn't hold the maildrop.
#[tokio::test]
async fn a_long_message_ends_with_its_right_to_be_heard() {
    let mail = format!("Subject: x\r\n\r\n{}", "y".repeat(700_000));
    let house = House::new(false).await;
    house.keep(mail.as_bytes()).await;
    for revoked in [true, false] {
        let mut member = Call::log_in(&house).await;
        let begun = member.say("RETR 1").await;
        assert!(begun.starts_with("+OK"), "{begun:.80}");
        match revoked {
            true => drop(house.revoked.send_replace(true)),
            false => member.stop.cancel(),
        }
        timeout(PATIENCE, member.served)
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
async fn many_commands_at_once_leave_others_their_turn() {
    let house = House::new(false).await;
    let mut member = Call::log_in(&house).await;
    let turns = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = turns.clone();
    let counting = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let all = ["STAT\r\n".repeat(10_000), "QUIT\r\n".to_owned()].concat();
    member.pipe.write_all(all.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let read = member.pipe.read_to_string(&mut heard);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    counting.abort();
    assert_eq!(heard.lines().count(), 10_001);
    let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
    assert!(turns > 70, "{turns}");
}

/// What was removed is no more; what was damaged stays, and whoever runs the house hears of it.
#[tokio::test]
async fn a_damaged_message_is_not_said_to_be_gone() {
    let house = House::new(false).await;
    for _ in 0..2 {
        house.keep(b"Subject: x\r\n\r\nx\r\n").await;
    }
    let mut member = Call::log_in(&house).await;
    let maildrop = house.boxes().maildrop(house.ada.into()).await.unwrap();
    let first = [maildrop.messages[0].uid];
    house.boxes().empty(&maildrop, &first).await.unwrap();
    assert!(member.say("TOP 2 0").await.starts_with("+OK"));
    testing::delete_first_chunks(house.store.files()).await;
    let gone = "-ERR It is gone: another program has removed it\r\n";
    let damaged = "-ERR [SYS/PERM] The message is damaged\r\n";
    assert_eq!(member.say("RETR 2").await, damaged);
    assert_eq!(member.say("RETR 1").await, gone);
}
