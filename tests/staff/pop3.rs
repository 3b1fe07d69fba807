//! Mail that is fetched (POP3 on 995), by the programs that people have and by raw sockets: what is there comes whole, what
//! was fetched once is known the next time, and nothing goes before its QUIT, whatever happens in between.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::imap::Imap;
use crate::support::mailbox::{curl, files_in, fill, mail, mails, number_of, python, run};
use crate::support::party::{Party, Spawned, needs, said};
use crate::support::pop::Pop;
use hustings::daemon::sandbox::stage::{HOST, free_ports};
use hustings::store::{AcceptMessage, Delivery, MessageRecord, SpecialUse};
use jiff::SignedDuration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A party in whose INBOX Ada has mails.
async fn party(mails: &[Vec<u8>]) -> Party {
    let party = Party::start().await;
    give(&party, mails).await;
    party
}

async fn give(party: &Party, mails: &[Vec<u8>]) {
    let rooms = party.rooms();
    let ada = rooms.staff.roll().by_name(party.sender.name).unwrap().id;
    fill(&rooms.store, ada, mails).await;
}

async fn ada(party: &Party) -> Pop {
    let (door, trust) = (party.door("pop3s"), party.stage.trust());
    Pop::log_in(door, trust, party.sender.name, &party.sender.password).await
}

fn lines_of(mail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mail).into_owned();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_comes_whole() {
    let mut all = mails(10);
    all.push(format!("Subject: large\r\n\r\n{}", ".long line\r\n".repeat(30_000)).into_bytes());
    let party = party(&all).await;
    let mut pop = ada(&party).await;
    let octets: usize = all.iter().map(Vec::len).sum();
    assert_eq!(pop.command("STAT").await, format!("+OK 11 {octets}"));
    for (number, mail) in (1..).zip(&all) {
        let size = format!("+OK {number} {}", mail.len());
        assert_eq!(pop.command(&format!("LIST {number}")).await, size);
        assert_eq!(
            pop.lines(&format!("RETR {number}")).await,
            lines_of(mail),
            "{number}"
        );
        let header = String::from_utf8_lossy(mail).find("\r\n\r\n").unwrap() + 4;
        let top: Vec<_> = lines_of(mail)
            .into_iter()
            .take(lines_of(&mail[..header]).len() + 1)
            .collect();
        assert_eq!(pop.lines(&format!("TOP {number} 1")).await, top, "{number}");
    }
    let ids = pop.lines("UIDL").await;
    assert_eq!(pop.command("QUIT").await, "+OK Good bye");
    // The next time they are the same, and what is new has another.
    give(&party, &mails(1)).await;
    let mut pop = ada(&party).await;
    let again = pop.lines("UIDL").await;
    assert_eq!(again[..ids.len()], ids[..]);
    let ids: BTreeSet<_> = again
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(ids.len(), 12);
    pop.command("QUIT").await;
    assert_eq!(party.kept().await, 12);
}

/// Who fetches hears of what they don't see: the real log-in, and the house's daily work.
#[tokio::test(flavor = "multi_thread")]
async fn who_fetches_is_told_of_what_waits() {
    let party = party(&[]).await;
    let rooms = party.rooms();
    let whose = rooms.staff.roll().by_name(party.sender.name).unwrap().id;
    let mut writer = rooms.store.begin_body().await.unwrap();
    writer.write(&mail(1)).await.unwrap();
    let (body, at) = (writer.finish(), party.clock.now());
    let record = MessageRecord {
        received_at: at,
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    };
    let delivery = Delivery::new(whose.into(), SpecialUse::Unconfirmed, body.id(), at);
    let message = AcceptMessage::new(rooms.store.vault(), body, record).keep_in(delivery);
    rooms.store.accept(message).await.unwrap();
    let mut pop = ada(&party).await;
    assert_eq!(pop.command("STAT").await, "+OK 0 0");
    pop.command("QUIT").await;
    party.clock.advance(SignedDuration::from_hours(24)).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let mut pop = ada(&party).await;
        let there = pop.command("STAT").await.starts_with("+OK 1 ");
        if there {
            let note = pop.lines("RETR 1").await.join("\n");
            assert!(
                note.contains("Subject: Mail waits in Unconfirmed"),
                "{note}"
            );
            return;
        }
        pop.command("QUIT").await;
        assert!(Instant::now() < until, "nobody is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_python_read_it() {
    if !(needs("curl") && needs("python3")) {
        return;
    }
    let all = mails(8);
    let party = party(&all).await;
    let (authority, port) = (party.stage.authority_file(), party.door("pop3s").port());
    let (user, password) = (party.sender.name, party.sender.password.as_str());
    let output = run(curl("pop3s:", &authority, port, user, password)).await;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        8,
        "{}",
        said(&output)
    );
    let output = run(curl("pop3s:4", &authority, port, user, password)).await;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&all[3])
    );
    let output = run(curl("pop3s:4", &authority, port, user, "wrong")).await;
    assert!(!output.status.success(), "{}", said(&output));

    let script = "
import poplib
pop = poplib.POP3_SSL(HOST, PORT, context=tls)
capabilities = pop.capa()
assert 'UIDL' in capabilities and 'SCRAM-SHA-256' in capabilities['SASL'], capabilities
try:
    pop.user(LOGIN); pop.pass_('wrong'); assert False
except poplib.error_proto as no:
    assert b'[AUTH]' in no.args[0], no
pop.user(LOGIN); pop.pass_(PASSWORD)
count, octets = pop.stat()
assert count == 8 and octets == sum(pop.list(n + 1) and int(pop.list(n + 1).split()[2]) for n in range(8))
for number in range(count):
    lines = pop.retr(number + 1)[1]
    assert b'X-Number: %d' % number in lines and lines[-1] == b'end of %d' % number, lines
    assert pop.top(number + 1, 0)[1] == lines[:lines.index(b'') + 1]
assert len(set(line.split()[1] for line in pop.uidl()[1])) == 8
pop.dele(1); pop.rset(); pop.dele(2); pop.dele(8)
assert pop.stat()[0] == 6
pop.quit()
pop = poplib.POP3_SSL(HOST, PORT, context=tls)
pop.user(LOGIN); pop.pass_(PASSWORD)
print(*(line.split()[1].decode() for n in range(6) for line in pop.retr(n + 1)[1] if line.startswith(b'X-Number')))
pop.close()
";
    let output = run(python(script, &authority, port, user, password)).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0 2 3 4 5 6"
    );
    assert_eq!(party.kept().await, 6);
}

/// The numbers of the mails in a directory, each of which must be whole.
fn fetched(directory: &Path) -> Vec<usize> {
    let read = |kept: &Vec<u8>| {
        let number = number_of(kept).unwrap();
        let text = String::from_utf8_lossy(kept).replace("\r\n", "\n");
        let original = String::from_utf8(mail(number))
            .unwrap()
            .replace("\r\n", "\n");
        let body = original.split_once("\n\n").unwrap().1;
        assert!(text.ends_with(body), "{number}: {text}");
        number
    };
    let mut numbers: Vec<_> = files_in(directory).iter().map(read).collect();
    numbers.sort_unstable();
    numbers
}

/// Writes a file that holds a password.
fn secret_file(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mpop_fetches_what_is_new_and_keeps_the_rest() {
    if !needs("mpop") {
        return;
    }
    let party = party(&mails(30)).await;
    let here = tempfile::tempdir().unwrap();
    for below in ["mail", "mail/cur", "mail/new", "mail/tmp"] {
        std::fs::create_dir(here.path().join(below)).unwrap();
    }
    let (mailbox, config) = (here.path().join("mail"), here.path().join("mpoprc"));
    let fetch = async |auth: &str, keep: &str| {
        let text = format!(
            "account default\nhost 127.0.0.1\nport {}\nuser {}\npassword {}\nauth {auth}\ntls on\ntls_starttls off\n\
             tls_trust_file {}\ntls_host_override {HOST}\ndelivery maildir {}\nuidls_file {}\nkeep {keep}\n\
             received_header off\ntimeout 100\n",
            party.door("pop3s").port(),
            party.sender.name,
            party.sender.password,
            party.stage.authority_file().display(),
            mailbox.display(),
            here.path().join("uidls").display(),
        );
        secret_file(&config, &text);
        let mut mpop = std::process::Command::new("mpop");
        mpop.arg("-C").arg(&config).env("HOME", here.path());
        let output = run(mpop).await;
        assert!(output.status.success(), "{auth}: {}", said(&output));
    };
    fetch("scram-sha-256", "on").await;
    assert_eq!(fetched(&mailbox), (0..30).collect::<Vec<_>>());
    give(&party, &mails(32)[30..]).await;
    fetch("plain", "on").await;
    assert_eq!(fetched(&mailbox), (0..32).collect::<Vec<_>>());
    assert_eq!(party.kept().await, 32);
    fetch("user", "off").await;
    assert_eq!(fetched(&mailbox), (0..32).collect::<Vec<_>>());
    assert_eq!(party.kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fetchmail_fetches_all_and_empties() {
    if !needs("fetchmail") {
        return;
    }
    let party = party(&mails(30)).await;
    let here = tempfile::tempdir().unwrap();
    let (mailbox, config) = (here.path().join("mail"), here.path().join("fetchmailrc"));
    std::fs::create_dir(&mailbox).unwrap();
    let keeper = here.path().join("keep.sh");
    let file = mailbox.join("XXXXXXXX");
    std::fs::write(&keeper, format!("cat > \"$(mktemp {})\"\n", file.display())).unwrap();
    let fetch = async |more: &str| {
        let text = format!(
            "set no bouncemail\npoll {HOST} via 127.0.0.1 protocol POP3 port {} uidl timeout 100\n\
             user \"{}\" password \"{}\" ssl sslcertck sslcertfile \"{}\" sslcommonname \"{HOST}\"\n\
             mda \"sh {}\" no dropdelivered {more}\n",
            party.door("pop3s").port(),
            party.sender.name,
            party.sender.password,
            party.stage.authority_file().display(),
            keeper.display(),
        );
        secret_file(&config, &text);
        let mut fetchmail = std::process::Command::new("fetchmail");
        let at = |name: &str| here.path().join(name);
        fetchmail
            .args(["--nodetach", "--nosyslog", "--fetchmailrc"])
            .arg(&config)
            .arg("--idfile")
            .arg(at("ids"))
            .arg("--pidfile")
            .arg(at("pid"))
            .env("HOME", here.path())
            .env("FETCHMAILHOME", here.path());
        run(fetchmail).await
    };
    let output = fetch("keep").await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        fetched(&mailbox),
        (0..30).collect::<Vec<_>>(),
        "{}",
        said(&output)
    );
    // 1 is: nothing new.
    let output = fetch("keep").await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!((fetched(&mailbox).len(), party.kept().await), (30, 30));
    let output = fetch("fetchall no keep").await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!((fetched(&mailbox).len(), party.kept().await), (60, 0));
}

/// Killed between DELE and QUIT, everything is there; after QUIT was answered, what was to go is gone.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_before_its_quit_and_all_after() {
    let ports = free_ports().unwrap();
    let party = Party::start_as(|plan| plan.ports = ports).await;
    give(&party, &mails(20)).await;
    let (user, password) = (party.sender.name, party.sender.password.clone());
    let mut party = party.into_spawned().await;
    let log_in = async |party: &Spawned| {
        Pop::log_in(party.door(6), party.stage.trust(), user, &password).await
    };
    party.run(&[]).await;
    let mut pop = log_in(&party).await;
    for number in 1..=20 {
        assert!(
            pop.command(&format!("DELE {number}"))
                .await
                .starts_with("+OK")
        );
    }
    party.kill();
    party.run(&[]).await;
    let mut pop = log_in(&party).await;
    assert!(pop.command("STAT").await.starts_with("+OK 20 "));
    for number in [2, 4, 20] {
        assert!(
            pop.command(&format!("DELE {number}"))
                .await
                .starts_with("+OK")
        );
    }
    assert_eq!(pop.command("QUIT").await, "+OK Good bye");
    party.kill();
    party.run(&[]).await;
    let mut pop = log_in(&party).await;
    let mut left = Vec::new();
    for number in 1..=17 {
        let lines = pop.lines(&format!("RETR {number}")).await;
        left.extend(number_of(lines.join("\n").as_bytes()));
    }
    let gone = [1, 3, 19];
    assert_eq!(
        left,
        (0..20)
            .filter(|number| !gone.contains(number))
            .collect::<Vec<_>>()
    );
    drop(pop);
    party.verify().await;
    party.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildrop_is_one_sessions_at_a_time() {
    let party = party(&mails(3)).await;
    let (door, trust) = (party.door("pop3s"), party.stage.trust());
    let (user, password) = (party.sender.name, party.sender.password.as_str());
    let mut first = ada(&party).await;
    let mut second = Pop::connect(door, trust).await;
    let answer = second.try_log_in(user, password).await;
    assert!(answer.starts_with("-ERR [IN-USE] "), "{answer}");
    // Somebody else's is free, and mail goes on coming.
    let ben = party.stage.approver();
    let mut other = Pop::log_in(door, trust, ben.name, &ben.password).await;
    assert_eq!(other.command("STAT").await, "+OK 0 0");
    give(&party, &mails(1)).await;
    assert!(first.command("STAT").await.starts_with("+OK 3 "));
    assert!(first.command("DELE 1").await.starts_with("+OK"));
    // It went without a word: nothing goes, and the place is free.
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while !second.try_log_in(user, password).await.starts_with("+OK") {
        assert!(Instant::now() < deadline, "the place isn't free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(second.command("STAT").await.starts_with("+OK 4 "));
    second.command("QUIT").await;
}

/// What one program fetches and removes, another sees go.
#[tokio::test(flavor = "multi_thread")]
async fn who_idles_hears_what_is_fetched() {
    let party = party(&mails(3)).await;
    let (door, trust) = (party.door("imaps"), party.stage.trust());
    let (user, password) = (party.sender.name, party.sender.password.as_str());
    let mut imap = Imap::log_in(door, trust, user, password).await;
    assert_eq!(
        imap.say("select INBOX").await.with("EXISTS"),
        ["* 3 EXISTS"]
    );
    let tag = imap.begin("IDLE").await;
    assert_eq!(imap.response().await.unwrap(), "+ Idling");
    let mut pop = ada(&party).await;
    assert!(pop.command("DELE 2").await.starts_with("+OK"));
    assert_eq!(pop.command("QUIT").await, "+OK Good bye");
    assert_eq!(imap.response().await.unwrap(), "* 2 EXPUNGE");
    imap.send(b"DONE\r\n").await;
    assert!(imap.hear(&tag).await.end.starts_with("OK"));
    // And a maildrop is of what is there when it is opened.
    let heard = imap.say("MOVE 1 Archive").await;
    assert!(heard.end.starts_with("OK"), "{heard:?}");
    let mut pop = ada(&party).await;
    assert_eq!(pop.lines("LIST").await.len(), 1);
    assert_eq!(pop.lines("RETR 1").await, lines_of(&mail(2)));
    pop.command("QUIT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_as_at_the_other_doors() {
    let party = Party::start_with(vec![("staff", "wrong_passwords = 3".to_owned())]).await;
    let (door, trust) = (party.door("pop3s"), party.stage.trust());
    let mut guesser = Pop::connect(door, trust).await;
    for _ in 0..2 {
        let answer = guesser.try_log_in(party.sender.name, "guess").await;
        assert!(answer.starts_with("-ERR [AUTH] User"), "{answer}");
    }
    let answer = guesser.try_log_in("nobody", "guess").await;
    assert!(answer.starts_with("-ERR [AUTH] Too many"), "{answer}");
    guesser.ended().await;
    let mut late = Pop::connect(door, trust).await;
    let answer = late.try_log_in("nobody", "guess").await;
    assert!(answer.starts_with("-ERR [SYS/TEMP] "), "{answer}");
}

/// A line without an end, a handshake without an end, ten thousand commands in one go: each is bounded, and the others are
/// served meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_clients_are_in_nobodys_way() {
    let party = party(&mails(5)).await;
    let (door, trust) = (party.door("pop3s"), party.stage.trust());
    let mut half_open = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(door).await.unwrap();
        stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        half_open.push(stream);
    }
    let mut endless = Pop::connect(door, trust).await;
    endless.send(&"x".repeat(100_000)).await;
    assert!(
        endless
            .line()
            .await
            .starts_with("-ERR The line is too long")
    );
    endless.ended().await;
    let mut chatty = Pop::connect(door, trust).await;
    chatty.send(&"NOOP\r\n".repeat(10_000)).await;
    chatty.ended().await;

    let mut pop = ada(&party).await;
    pop.send(&"NOOP\r\n".repeat(9_000)).await;
    pop.send(&"RETR 1\r\n".repeat(1_000)).await;
    for _ in 0..9_000 {
        assert_eq!(pop.line().await, "+OK Here");
    }
    for _ in 0..1_000 {
        assert!(pop.line().await.starts_with("+OK "));
        assert_eq!(pop.rest().await, lines_of(&mail(0)));
    }
    pop.send(&"XYZ\r\n".repeat(1_000)).await;
    pop.ended().await;
    let mut http = Pop::connect(door, trust).await;
    assert!(http.command("POST / HTTP/1.1").await.starts_with("-ERR"));
    http.ended().await;
    assert_eq!(party.kept().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_mails_are_fetched_and_removed() {
    // More than are listed at once.
    const MANY: usize = 600;
    let party = party(&mails(MANY)).await;
    let mut pop = ada(&party).await;
    let ids: BTreeSet<_> = pop.lines("UIDL").await.into_iter().collect();
    assert_eq!(ids.len(), MANY);
    assert_eq!(pop.lines("LIST").await.len(), MANY);
    for first in (1..=MANY).step_by(100) {
        let asked: String = (first..first + 100)
            .map(|number| format!("RETR {number}\r\nDELE {number}\r\n"))
            .collect();
        pop.send(&asked).await;
        for number in first..first + 100 {
            assert!(pop.line().await.starts_with("+OK"));
            let lines = pop.rest().await;
            assert_eq!(number_of(lines.join("\n").as_bytes()), Some(number - 1));
            assert!(pop.line().await.starts_with("+OK"));
        }
    }
    assert_eq!(pop.command("STAT").await, "+OK 0 0");
    assert_eq!(pop.command("QUIT").await, "+OK Good bye");
    assert_eq!(party.kept().await, 0);
}
