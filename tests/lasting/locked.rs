//! A vault under a passphrase: what each door says while it's locked, that nothing of anybody is in the memory then, and
//! that whoever leaves meanwhile has left when it opens.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

use crate::support::factor;
use crate::support::party::{Spawned, said};
use base64::Engine as _;
use hustings::control::SecretText;
use hustings::control::api::Count;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::control::api::service::LockState;
use hustings::daemon::sandbox::peer::{Dialogue, Trust};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use hustings::store::MailingState;
use memchr::memmem::Finder;

const PASSPHRASE: &str = "seven purple otters vote in Heptonstall";
const LEAVER: &str = "Leaver.Quixotic@elsewhere.example";
const STAYER: &str = "Stayer.Zephyrine@elsewhere.example";
/// The cap of the file that withdrawals wait in.
const CAP: u64 = 16 << 20;

/// Where bytes stand in a process's memory: how often each pattern is found, and how much was looked through.
fn scan(pid: u32, patterns: &[Vec<u8>]) -> (Vec<usize>, u64) {
    let maps = || fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let finders: Vec<_> = patterns.iter().map(Finder::new).collect();
    let (mut found, mut looked) = (vec![0; patterns.len()], 0);
    let mut bytes = Vec::new();
    for line in maps()
        .lines()
        .filter(|line| line.split(' ').nth(1).unwrap().starts_with('r'))
    {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        bytes.clear();
        // The kernel's own pages can't be read, and hold nothing of ours.
        let read = memory
            .seek(SeekFrom::Start(from))
            .and_then(|_| memory.by_ref().take(to - from).read_to_end(&mut bytes));
        if read.is_err() && !line.contains("[v") && bytes.is_empty() {
            // It may have been given back since.
            let still = maps().lines().any(|now| now == line);
            assert!(!still, "can't read {line}");
        }
        looked += bytes.len() as u64;
        for (count, finder) in found.iter_mut().zip(&finders) {
            *count += finder.find_iter(&bytes).count();
        }
    }
    (found, looked)
}

/// An address as it may stand in memory.
fn written(address: &str) -> Vec<Vec<u8>> {
    let utf16 = address.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![address.into(), address.to_lowercase().into(), utf16]
}

/// The keys of a recovery sheet but for the public one, by name, as bytes.
fn keys(sheet: &str) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<(String, Vec<u8>)> = Vec::new();
    for line in sheet
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
    {
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, half) = (format!("{} {}", words[1], words[2]), words[3]);
        let digits = words[4..words.len() - 1].concat();
        if words[1].ends_with("public") {
            continue;
        }
        match half {
            "a" => keys.push((name, base32(&digits))),
            _ => keys.last_mut().unwrap().1.extend(base32(&digits)),
        }
    }
    assert!(
        keys.iter().all(|(_, key)| key.len() == 32),
        "sixteen bytes a half"
    );
    keys
}

fn base32(digits: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit => digit - b'2' + 26,
        };
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

async fn unlock(party: &Spawned, passphrase: &str) -> std::process::Output {
    party
        .cli_told(&["unlock"], &format!("{passphrase}\n"))
        .await
}

async fn locked(party: &mut Spawned) {
    party.launch(&[]);
    party
        .wait_for(|status| status.state == LockState::Locked)
        .await;
}

fn mailing(subject: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: {OFFICE}\r\nTo: news@party.example\r\nSubject: {subject}\r\nDate: {date}\r\n\r\n{subject}.\r\n"
    )
}

async fn release(party: &Spawned) {
    let socket = party.stage.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let mailing = held.first().expect("a held mailing").id.to_string();
    let preview = Preview {
        mailing: mailing.clone(),
    };
    let digest = Some(socket.ask(preview).await.unwrap().answer.digest);
    socket
        .ask(Approve {
            mailing,
            digest,
            anyway: false,
        })
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        if all.iter().all(|row| row.state == MailingState::Done) {
            return;
        }
        assert!(Instant::now() < deadline, "the mailing doesn't end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All doors while the vault is locked.
async fn says_so(party: &Spawned, trust: &Trust) {
    for door in [0, 2] {
        let (_, greeting) = Dialogue::connect(party.door(door)).await.unwrap();
        assert_eq!(greeting.code, 421, "{greeting}");
    }
    let secured = Dialogue::connect_secured(party.door(1), trust, HOST).await;
    assert_eq!(secured.unwrap().1.code, 421);
    for path in ["/", "/privacy", "/c/abc"] {
        let page = party.browser().get(path).await.unwrap();
        assert_eq!(page.status, 503, "{path}");
        assert!(page.headers.contains_key("retry-after"), "{path}");
        assert!(
            !page.heading().is_empty() && page.text.contains("</html>"),
            "{}",
            page.text
        );
    }
    for command in [
        &["subscriber", "stats"][..],
        &["mailing", "list"],
        &["store", "verify"],
        &["audit", "verify"],
    ] {
        let output = party.cli(command).await;
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let text = said(&output);
        assert!(
            text.contains("locked") && text.contains("hustings unlock"),
            "{text}"
        );
    }
    let output = party.cli(&["status"]).await;
    assert!(
        output.status.success() && said(&output).contains("locked"),
        "{}",
        said(&output)
    );
}

/// The memory of the locked daemon holds nobody and no key.
fn knows_nobody(party: &Spawned, secrets: &[Vec<u8>]) {
    let (found, looked) = scan(party.pid(), secrets);
    assert!(looked > 1 << 20, "{looked} bytes");
    assert!(
        found.iter().all(|count| *count == 0),
        "{found:?} in {looked} bytes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_it_knows_nobody_and_whoever_left_meanwhile_has_left() {
    let mut party =
        Spawned::set(|plan| plan.passphrase = Some(SecretText::new(PASSPHRASE.to_owned()))).await;
    let trust = party.stage.trust().clone();
    locked(&mut party).await;
    says_so(&party, &trust).await;
    let output = unlock(&party, PASSPHRASE).await;
    assert!(output.status.success(), "{}", said(&output));
    party.wait_open().await;

    // Two people, a mailing, and the way out of one of them; another mailing waits for its approval.
    let ada = party.stage.sender().await.unwrap();
    tokio::join!(
        party.subscribe(LEAVER, &["news"]),
        party.subscribe(STAYER, &["news"])
    );
    let answer = party
        .submit(
            &ada,
            &["news@party.example"],
            mailing("The first").as_bytes(),
        )
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    release(&party).await;
    let copy = party.mail(LEAVER, |mail| mail.contains("The first.")).await;
    let header = copy.header("List-Unsubscribe").unwrap();
    let way_out = header
        .split(['<', '>'])
        .find(|part| part.starts_with("https:"))
        .unwrap()
        .to_owned();
    let answer = party
        .submit(
            &ada,
            &["news@party.example"],
            mailing("The second").as_bytes(),
        )
        .await;
    assert_eq!(answer.code, 250, "{answer}");

    // The scanner finds them while the vault is open and they were just looked at.
    let sheet = party
        .cli_told(&["key", "backup"], &format!("{PASSPHRASE}\n"))
        .await;
    assert!(sheet.status.success(), "{}", said(&sheet));
    let keys = keys(&String::from_utf8(sheet.stdout).unwrap());
    assert!(keys.len() > 3);
    let mut secrets: Vec<_> = [LEAVER, STAYER]
        .iter()
        .flat_map(|address| written(address))
        .collect();
    let addresses = secrets.len();
    secrets.extend(keys.iter().map(|(_, key)| key.clone()));
    let find = ["subscriber", "find", "-", "--reason", "to see"];
    let found = party.cli_told(&find, &format!("{LEAVER}\n")).await;
    assert!(found.status.success(), "{}", said(&found));
    let (found, _) = scan(party.pid(), &secrets);
    assert!(
        found[..addresses].iter().any(|count| *count > 0),
        "the scanner works: {found:?}"
    );
    assert!(
        found[addresses..].iter().any(|count| *count > 0),
        "for keys too: {found:?}"
    );

    let output = party
        .cli(&["lock", "--yes", "--reason", "the host moves"])
        .await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(party.ended().await.success());
    locked(&mut party).await;
    says_so(&party, &trust).await;
    knows_nobody(&party, &secrets);

    // One click, twice, as mail programs do.
    for _ in 0..2 {
        let page = party
            .browser()
            .post(&way_out, &[("List-Unsubscribe", "One-Click")])
            .await
            .unwrap();
        assert_eq!(page.status, 200, "{}", page.heading());
    }
    // The link in the mail's foot: a page with a button, which says what became of it.
    let page = party.browser().get(&way_out).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.heading());
    assert_eq!(page.heading(), "Stop these emails");
    let pressed = [("lang", "en"), ("scope", "list")];
    let page = party.browser().post(&way_out, &pressed).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.heading());
    assert_eq!(page.heading(), "Your request to stop is kept");
    let status = party.wait_for(|_| true).await;
    // Who may read the file they wait in sees how many.
    let may_read = !rustix::process::geteuid().is_root();
    let three = Count::for_eyes(3, may_read);
    assert_eq!(status.waiting_withdrawals, three);
    // A link that is not ours: nobody can tell yet, so it's kept as well.
    let (front, last) = way_out.split_at(way_out.len() - 1);
    let foreign = format!("{front}{}", if last == "a" { "b" } else { "a" });
    let one_click = [("List-Unsubscribe", "One-Click")];
    let page = party.browser().post(&foreign, &one_click).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.heading());
    // The file fills up: the next is told to come again, and what was kept stays.
    let file = party.data().join("locked-withdrawals");
    let kept = fs::read(&file).unwrap();
    let frame = [&1000_u32.to_be_bytes()[..], &[7; 1000]].concat();
    let room = usize::try_from(CAP).unwrap() - kept.len();
    fs::write(
        &file,
        [kept.as_slice(), &frame.repeat(room / frame.len())].concat(),
    )
    .unwrap();
    let full = fs::metadata(&file).unwrap().len();
    let mut last = 200;
    for _ in 0..20 {
        let page = party
            .browser()
            .post(&way_out, &[("List-Unsubscribe", "One-Click")])
            .await
            .unwrap();
        last = page.status.as_u16();
        if last != 200 {
            assert!(page.headers.contains_key("retry-after"));
            break;
        }
    }
    assert_eq!(last, 503);
    assert!(fs::metadata(&file).unwrap().len() >= full);

    // A wrong passphrase harms nothing, says what it is, and takes its time; two at once don't help.
    let before = fs::read(party.data().join("hustings.db")).unwrap();
    let began = Instant::now();
    for _ in 0..2 {
        let output = unlock(&party, "seven purple otters vote in Todmorden").await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let text = said(&output);
        assert!(
            text.contains("does not open") && !text.contains("otters"),
            "{text}"
        );
    }
    assert!(
        began.elapsed() > Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let [one, other] = [unlock(&party, "one wrong"), unlock(&party, "another wrong")];
    let (one, other) = tokio::join!(one, other);
    let both = said(&one) + &said(&other);
    assert!(both.contains("already"), "the second has to wait: {both}");
    assert!(fs::read(party.data().join("hustings.db")).unwrap() == before);
    knows_nobody(&party, &secrets);

    // An unlock that fails behind the right passphrase leaves no key, and nothing in the way of the next.
    let obstacle = party.data().join("locked-withdrawals.taken-0");
    fs::create_dir(&obstacle).unwrap();
    let output = unlock(&party, PASSPHRASE).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("taken-0"), "{}", said(&output));
    party
        .wait_for(|status| status.state == LockState::Locked)
        .await;
    assert!(party.browser().get("/").await.unwrap().status == 503);
    knows_nobody(&party, &secrets[addresses..]);
    fs::remove_dir(&obstacle).unwrap();

    let output = unlock(&party, PASSPHRASE).await;
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("took effect") && text.contains("can't be read"),
        "{text}"
    );
    assert!(
        text.contains("1 withdrawal that came while it was locked named nobody"),
        "{text}"
    );
    party.wait_open().await;
    let found = party.cli_told(&find, &format!("{LEAVER}\n")).await;
    assert!(said(&found).contains("No subscriber"), "{}", said(&found));
    release(&party).await;
    party
        .mail(STAYER, |mail| mail.contains("The second."))
        .await;
    let copies = party.outside.inbox().to(LEAVER);
    assert!(
        !copies.iter().any(|mail| mail.contains("The second.")),
        "he left before the vault opened"
    );
    let acts = party.cli(&["audit", "show"]).await;
    assert!(said(&acts).contains("unlock"), "{}", said(&acts));
    // What could not be read is not forgotten.
    let status = party.cli(&["status"]).await;
    assert!(
        said(&status).contains("locked-withdrawals.unreadable-"),
        "{}",
        said(&status)
    );
    let log = fs::read_to_string(party.log()).unwrap();
    assert!(
        !log.contains("panicked") && !log.contains("otters"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_holds_over_a_restart_with_a_key_file_too() {
    let mut party = Spawned::start().await;
    let output = party.cli(&["lock", "--yes"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(party.ended().await.success());
    for _ in 0..2 {
        locked(&mut party).await;
        let trust = party.stage.trust().clone();
        says_so(&party, &trust).await;
        party.signal(rustix::process::Signal::TERM);
        assert!(party.ended().await.success());
    }
    locked(&mut party).await;
    let output = party.cli(&["unlock"]).await;
    assert!(output.status.success(), "{}", said(&output));
    party.wait_open().await;
    assert_eq!(party.browser().get("/").await.unwrap().status, 200);
    party.stop().await;
    party.run(&[]).await;

    // The log tells the same: what began, what opened, what ended it.
    let log = fs::read_to_string(party.log()).unwrap();
    let mut lines = log.lines();
    for told in [
        "the service starts version=",
        "unlocked",
        "a door is open door=\"smtp\"",
        "a door is open door=\"https\"",
        "lock: stops, and starts locked",
        "stopping: as asked on the control socket",
        "stopped",
        "the service starts version=",
        "locked: waits for hustings unlock",
        "a door is open",
        "stopping: a signal asked for it",
        "stopped",
        "locked: waits",
        "unlocked",
        "stopping: a signal",
        "stopped",
        "the service starts",
        "unlocked",
    ] {
        assert!(lines.any(|line| line.contains(told)), "{told}\n{log}");
    }
    assert!(log.contains(" config="), "{log}");
}

/// Waits until a code that is made now is good for a while: the machine may be slow, and its clock goes on.
async fn half_a_minute_is_young() {
    while jiff::Timestamp::now().as_second() % 30 >= 15 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The passphrase alone opens nothing to who has a second factor, and what was opened for the look at the code is shut.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_second_factor_unlocks_with_a_code_of_it() {
    let mut party =
        Spawned::set(|plan| plan.passphrase = Some(SecretText::new(PASSPHRASE.to_owned()))).await;
    locked(&mut party).await;
    let output = unlock(&party, PASSPHRASE).await;
    assert!(output.status.success(), "{}", said(&output));
    party.wait_open().await;
    half_a_minute_is_young().await;
    // By the code of the half minute before: those of this one and the next are good still.
    let half_a_minute = jiff::SignedDuration::from_secs(30);
    let (app, _, _) = factor::enrol(
        |arguments, answer| party.cli_asked(arguments, answer),
        move || jiff::Timestamp::now() - half_a_minute,
    )
    .await;
    let with_code = async |command: &[&str], code: &str| {
        let input = format!("{PASSPHRASE}\n{code}\n");
        let command = [command, &["--code", "-"]].concat();
        party.cli_told(&command, &input).await
    };
    let refused = party
        .cli_told(&["key", "backup"], &format!("{PASSPHRASE}\n"))
        .await;
    assert!(said(&refused).contains("--code -"), "{}", said(&refused));
    half_a_minute_is_young().await;
    let half_minute = || jiff::Timestamp::now().as_second() / 30;
    let used_in = half_minute();
    let used = app.code_at(jiff::Timestamp::now());
    let sheet = with_code(&["key", "backup"], &used).await;
    assert!(sheet.status.success(), "{}", said(&sheet));
    let mut secrets: Vec<_> = keys(&String::from_utf8(sheet.stdout).unwrap())
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    assert!(secrets.len() > 3);
    let text = app.base32();
    let raw = base32(&text);
    let kept = base64::engine::general_purpose::STANDARD.encode(&raw);
    secrets.extend([raw, text.as_bytes().to_vec(), kept.into_bytes()]);
    let output = party.cli(&["lock", "--yes"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(party.ended().await.success());
    locked(&mut party).await;

    let with_code = async |code: &str| {
        let input = format!("{PASSPHRASE}\n{code}\n");
        party.cli_told(&["unlock", "--code", "-"], &input).await
    };
    let old = app.code_at(jiff::Timestamp::now() - half_a_minute * 100);
    let again = with_code(&used).await;
    // On a slow machine it's older than any code that is looked for.
    let too_old = half_minute() > used_in + 1 && said(&again).contains("the code is wrong");
    let why = if too_old { "wrong" } else { "used already" };
    for (output, why) in [
        (again, why),
        (unlock(&party, PASSPHRASE).await, "--code -"),
        (with_code(&old).await, "the code is wrong"),
    ] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "{why}: {}", said(&output));
        let status = party.cli(&["status", "--json"]).await;
        assert!(said(&status).contains("\"locked\""), "{}", said(&status));
        assert_eq!(party.browser().get("/").await.unwrap().status, 503);
        knows_nobody(&party, &secrets);
    }
    let next = app.code_at(jiff::Timestamp::now() + half_a_minute);
    let output = with_code(&next).await;
    assert!(output.status.success(), "{}", said(&output));
    party.wait_open().await;
    let acts = said(&party.cli(&["audit", "show"]).await);
    assert!(acts.contains("staff second-factor wrong code"), "{acts}");
    let log = fs::read_to_string(party.log()).unwrap();
    assert!(!log.contains(text.as_str()) && !log.contains(used.as_str()));
}
