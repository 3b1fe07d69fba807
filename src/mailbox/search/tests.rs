//! Questions to folders, by hand and at random, held against an evaluation that has all of each message in memory.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::id::MailboxId;
use crate::mailbox::{Appended, Mailboxes, View};
use crate::message::mime::Limits;
use crate::message::mime::text;
use crate::message::mime::tree::Part;
use crate::store::{
    Files, Flags, Folder, Keyword, LockedStore, Marks, ModSeq, Store, Uid, Uids, testing,
};
use crate::vault::Vault;

struct World {
    store: Store,
    boxes: Mailboxes,
    folder: Folder,
    directory: TempDir,
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let locked = LockedStore::open(Files::in_directory(directory.path())).await;
    let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
    let store = store.unwrap();
    let boxes = Mailboxes::new(store.clone(), Clock::frozen(now()));
    let folder = boxes.folders(MailboxId::random()).await.unwrap()[0].clone();
    World {
        store,
        boxes,
        folder,
        directory,
    }
}

impl World {
    async fn keep(&self, mail: &Mail) {
        let mut writer = self.store.begin_body().await.unwrap();
        writer.write(mail.text.as_bytes()).await.unwrap();
        let appended = Appended {
            outline: None,
            body: writer.finish(),
            marks: mail.marks.clone(),
            received_at: Some(mail.received_at),
        };
        let kept = self.boxes.append(&self.folder, appended, u64::MAX).await;
        kept.unwrap();
    }

    async fn open(&self) -> View {
        self.boxes.open(self.folder.id).await.unwrap()
    }

    async fn search(&self, view: &View, key: &Key) -> Vec<u32> {
        let query = Query::new(key).unwrap();
        let found = self.boxes.search(view, &query).await.unwrap();
        found.iter().map(|uid| uid.0).collect()
    }
}

#[derive(Debug, Clone)]
struct Mail {
    text: String,
    marks: Marks,
    received_at: Timestamp,
}

impl Mail {
    fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            marks: Marks::default(),
            received_at: now(),
        }
    }
}

fn header(name: &str, text: &str) -> Key {
    let (name, text) = (name.to_owned(), text.to_owned());
    Key::Header { name, text }
}

fn body(text: &str) -> Key {
    Key::Body(text.to_owned())
}

fn everything(text: &str) -> Key {
    Key::Text(text.to_owned())
}

fn not(key: Key) -> Key {
    Key::Not(Box::new(key))
}

const NEWSLETTER: &str = "From: =?utf-8?q?G=C5=B5yl?= <a@example.org>\r\nReceived: from relay\r\n\
    Subject: =?iso-8859-1?q?Caf=E9?=\r\n =?iso-8859-1?q?_news?=\r\nDate: Fri, 20 Nov 2026 23:30:00 -0500\r\n\
    Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble oak\r\n--o\r\n\
    Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    The t=F4wn=\r\n hall is\r\nopen\r\n--o\r\n\
    Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    PHA+SHVzPGI+dGluZ3M8L2I+ICZlYWN1dGU7dMOpPC9wPg==\r\n--o\r\n\
    Content-Type: application/pdf; name=minutes.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--o\r\n\
    Content-Type: message/rfc822\r\n\r\nSubject: inner words\r\n\r\nlast line\r\n--o--\r\nepilogue elm\r\n";

#[tokio::test]
async fn text_is_found_as_a_reader_sees_it() {
    let world = world().await;
    world.keep(&Mail::of(NEWSLETTER)).await;
    world
        .keep(&Mail::of(
            "Subject: plain\r\nX-Own: yes\r\n\r\nAn oak & aGVsbG8=\r\n",
        ))
        .await;
    let view = world.open().await;
    for (key, expected) in [
        (header("subject", "CAF\u{c9} NEWS"), &[1][..]),
        (header("From", "g\u{175}yl"), &[1]),
        (header("From", "example.org"), &[1]),
        (header("Subject", ""), &[1, 2]),
        (header("X-Own", ""), &[2]),
        (header("Received", "relay"), &[1]),
        (header("Received", "café"), &[]),
        (header("X-None", ""), &[]),
        (body("t\u{f4}wn hall is open"), &[1]),
        (body("hustings \u{e9}t\u{e9}"), &[1]),
        (body("last LINE"), &[1]),
        (body("inner"), &[1]),
        (body("minutes.pdf"), &[1]),
        (body("<p>"), &[]),
        // What is attached, what stands between parts, and the header are no text of the body.
        (body("hello"), &[]),
        (body("aGVsbG8"), &[2]),
        (body("oak"), &[2]),
        (body("elm"), &[]),
        (body("news"), &[]),
        (body("plain"), &[1]),
        (everything("news"), &[1]),
        (everything("relay"), &[1]),
        (everything("x-own: YES"), &[2]),
        (everything("oak"), &[2]),
        (body(""), &[1, 2]),
        (not(everything("oak")), &[1]),
        (Key::Any(vec![body("oak"), body("inner")]), &[1, 2]),
        (Key::Every(vec![body("open"), header("to", "")]), &[]),
        (Key::Every(Vec::new()), &[1, 2]),
        (Key::Any(Vec::new()), &[]),
        // By the day that the writer's clock showed.
        (Key::Sent(Day::On(date(2026, 11, 20))), &[1]),
        (Key::Sent(Day::Since(date(2026, 11, 21))), &[]),
        (not(Key::Sent(Day::Before(date(2026, 11, 21)))), &[2]),
    ] {
        assert_eq!(
            world.search(&view, &key).await,
            expected,
            "{key:?} {expected:?}"
        );
    }
}

#[tokio::test]
async fn what_can_be_known_without_it_opens_no_message() {
    let world = world().await;
    let long = "word ".repeat(30_000);
    world
        .keep(&Mail::of(&format!(
            "Subject: x\r\nDate: 1 Nov 2026 00:00:00 +0000\r\n\r\n{long}"
        )))
        .await;
    world.keep(&Mail::of("Subject: y\r\n\r\ny\r\n")).await;
    let first = [Uid(1), Uid(2)];
    let ids = world
        .store
        .entries_of(world.folder.id, &Uids::of(first))
        .await
        .unwrap();
    let ids: Vec<_> = ids.iter().map(|entry| entry.message).collect();
    for id in ids {
        assert!(world.boxes.outline(id).await.unwrap().is_some());
    }
    testing::spoil_first_chunks(&Files::in_directory(world.directory.path())).await;
    let view = world.open().await;
    for (key, expected) in [
        (Key::Larger(1_000), &[1][..]),
        (header("Subject", "x"), &[1]),
        (not(header("Subject", "x")), &[2]),
        (Key::Sent(Day::On(date(2026, 11, 1))), &[1]),
        (Key::Any(vec![Key::All, body("word")]), &[1, 2]),
        (Key::Every(vec![Key::Smaller(10), body("word")]), &[]),
        (
            Key::Every(vec![header("Subject", "z"), everything("word")]),
            &[],
        ),
        // What can't be read is not found, whatever was asked.
        (body("word"), &[]),
        (not(body("word")), &[]),
        (header("Received", ""), &[]),
    ] {
        assert_eq!(
            world.search(&view, &key).await,
            expected,
            "{key:?} {expected:?}"
        );
    }
    // Who left meanwhile isn't found, unless nothing had to be looked up.
    world
        .boxes
        .expunge(world.folder.id, &[Uid(2)], false)
        .await
        .unwrap();
    assert_eq!(world.search(&view, &Key::Smaller(1_000)).await, [0; 0]);
    assert_eq!(world.search(&view, &Key::All).await, [1, 2]);
}

#[test]
fn there_are_limits() {
    let deep = |depth: usize| (0..depth).fold(Key::All, |key, _| not(key));
    assert!(Query::new(&deep(32)).is_ok());
    assert_eq!(Query::new(&deep(33)).err(), Some(QueryError::TooDeep));
    let many = |count: usize| Key::Any(vec![body("x"); count]);
    assert!(Query::new(&many(499)).is_ok());
    assert_eq!(Query::new(&many(500)).err(), Some(QueryError::TooMany));
    assert!(Query::new(&body(&"x".repeat(1024))).is_ok());
    let long = body(&"x".repeat(1025));
    assert_eq!(Query::new(&long).err(), Some(QueryError::TooLong));
    assert!(
        !format!("{:?}", Key::Any(vec![body("bevan"), header("To", "bevan")])).contains("bevan")
    );
}

/// A search over everything lets others have their turn, and ends when nobody wants it any more.
#[tokio::test]
async fn a_long_search_gives_way_and_can_be_given_up() {
    let world = world().await;
    for _ in 0..40 {
        world.keep(&Mail::of("Subject: x\r\n\r\nword\r\n")).await;
    }
    let view = world.open().await;
    let query = Query::new(&body("nothing")).unwrap();
    let turns = std::cell::Cell::new(0);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        found = world.boxes.search(&view, &query) => assert_eq!(found.unwrap(), []),
        () = others => {}
    }
    assert!(turns.get() >= 40, "{}", turns.get());
}

// The naive evaluation.

fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    words::Folding::default().fold(text, &mut out);
    out
}

fn holds(text: &str, needle: &str) -> bool {
    let (text, needle) = (folded(text), folded(needle));
    needle.is_empty() || text.windows(needle.len()).any(|window| window == needle)
}

/// All texts of a body, whole.
fn body_texts(part: &Part<'_>, texts: &mut Vec<String>) {
    for child in &part.children {
        field_texts(child, texts);
        body_texts(child, texts);
    }
    if part.is("message/rfc822") {
        let inner = Part::parse_leniently(part.body, &Limits::default()).unwrap();
        field_texts(&inner, texts);
        body_texts(&inner, texts);
    } else if !part.is_multipart() && part.content_type.value.starts_with("text/") {
        let decoded = text::decode_leniently(part);
        if part.is("text/html") {
            let (mut plain, mut out) = (plain::Plain::default(), String::new());
            plain.take(&decoded, &mut out);
            plain.finish(&mut out);
            texts.push(out);
        } else {
            texts.push(decoded);
        }
    }
}

fn field_texts(part: &Part<'_>, texts: &mut Vec<String>) {
    for field in &part.fields {
        texts.push(format!("{}: {}", field.name(), field.text().trim_start()));
    }
}

fn naive(key: &Key, mail: &Mail, uid: u32, modseq: ModSeq) -> bool {
    let part = Part::parse_leniently(mail.text.as_bytes(), &Limits::default()).unwrap();
    let age = now().as_second() - mail.received_at.as_second();
    let in_body = |needle: &str| {
        let mut texts = Vec::new();
        body_texts(&part, &mut texts);
        texts.iter().any(|text| holds(text, needle)) || needle.is_empty()
    };
    let size = mail.text.len() as u64;
    match key {
        Key::All => true,
        Key::Uids(uids) => uids.contains(Uid(uid)),
        Key::Flags(flags) => mail.marks.flags.has(*flags),
        Key::Keyword(keyword) => mail.marks.keywords.contains(keyword),
        Key::ModSeq(least) => modseq >= *least,
        Key::Larger(than) => size > *than,
        Key::Smaller(than) => size < *than,
        Key::Received(day) => day.holds(mail.received_at.to_zoned(TimeZone::UTC).date()),
        Key::Older(seconds) => age >= i64::from(*seconds),
        Key::Younger(seconds) => age <= i64::from(*seconds),
        Key::Sent(day) => {
            let written: Option<Date> = part.field("Date").map(|field| {
                let text = field.text();
                let day: i8 = text.trim()[..2].trim().parse().unwrap();
                date(2026, 11, day)
            });
            written.is_some_and(|written| day.holds(written))
        }
        Key::Header { name, text } => {
            let named = part.fields.iter().filter(|field| field.is(name));
            named.into_iter().any(|field| holds(&field.text(), text))
        }
        Key::Body(text) => in_body(text),
        Key::Text(text) => {
            let mut texts = Vec::new();
            field_texts(&part, &mut texts);
            texts.iter().any(|one| holds(one, text)) || in_body(text)
        }
        Key::Not(key) => !naive(key, mail, uid, modseq),
        Key::Any(keys) => keys.iter().any(|key| naive(key, mail, uid, modseq)),
        Key::Every(keys) => keys.iter().all(|key| naive(key, mail, uid, modseq)),
    }
}

fn any_word() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("ash"),
        Just("Oak"),
        Just("ELM"),
        Just("g\u{175}yl"),
        Just("Caf\u{c9}"),
        Just("ash oak"),
        Just("")
    ]
}

fn any_words() -> impl Strategy<Value = String> {
    prop::collection::vec(any_word(), 0..4).prop_map(|words| words.join(" "))
}

fn any_leaf() -> impl Strategy<Value = String> {
    use base64::Engine as _;
    (any_words(), 0..5_u8).prop_map(|(words, form)| match form {
        0 => format!("\r\n{words}\r\n"),
        1 => {
            let coded = base64::engine::general_purpose::STANDARD.encode(&words);
            format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}\r\n")
        }
        2 => {
            let mut coded = Vec::new();
            crate::message::mime::encode::QuotedPrintable::default().text(&mut coded, &words);
            let coded = String::from_utf8(coded).unwrap();
            format!("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{coded}")
        }
        3 => format!("Content-Type: image/png; name=\"{}\"\r\n\r\n{words}", words.replace(|c: char| !c.is_ascii(), "")),
        _ => format!("Content-Type: message/rfc822\r\n\r\nSubject: {}\r\n\r\n{words}", words.replace(|c: char| !c.is_ascii(), "")),
    })
}

fn any_mail() -> impl Strategy<Value = Mail> {
    let body = prop_oneof![
        any_leaf(),
        prop::collection::vec(any_leaf(), 1..4).prop_map(|parts| {
            let parts: String = parts
                .iter()
                .map(|part| format!("--o\r\n{part}\r\n"))
                .collect();
            format!("Content-Type: multipart/mixed; boundary=o\r\n\r\n{parts}--o--\r\n")
        }),
    ];
    let subject = "[a-z]{0,2}( ash| oak| ELM){0,2}";
    let day = prop::option::of(1..28_u8);
    (body, subject, day, 0..32_u8, any::<bool>(), 0..100_i64).prop_map(
        |(body, subject, day, bits, keyword, hours)| {
            let date = day.map(|day| format!("Date: {day} Nov 2026 12:00:00 +0000\r\n"));
            let date = date.unwrap_or_default();
            let mut marks = Marks::from(flags(bits));
            if keyword {
                marks.keywords.insert(work());
            }
            Mail {
                text: format!("Subject: {subject}\r\nX-Own: {subject}\r\n{date}{body}"),
                marks,
                received_at: now() - SignedDuration::from_hours(hours),
            }
        },
    )
}

fn work() -> Keyword {
    Keyword::parse("work").unwrap()
}

fn flags(bits: u8) -> Flags {
    let all = [
        Flags::SEEN,
        Flags::ANSWERED,
        Flags::FLAGGED,
        Flags::DELETED,
        Flags::DRAFT,
    ];
    let set = all.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    set.fold(Flags::NONE, |all, (_, one)| all.with(*one))
}

fn any_day() -> impl Strategy<Value = Day> {
    (15..22_i8, 0..3_u8).prop_map(|(day, side)| {
        let day = date(2026, 11, day);
        match side {
            0 => Day::Before(day),
            1 => Day::On(day),
            _ => Day::Since(day),
        }
    })
}

fn any_key() -> impl Strategy<Value = Key> {
    let name = prop_oneof![
        Just("subject"),
        Just("X-OWN"),
        Just("To"),
        Just("Content-Type")
    ];
    let one = prop_oneof![
        Just(Key::All),
        (1..6_u32, 1..6_u32).prop_map(|range| Key::Uids(Uids::of_ranges([range]).into())),
        (0..32_u8).prop_map(|bits| Key::Flags(flags(bits))),
        Just(Key::Keyword(work())),
        (0..9_u64).prop_map(|modseq| Key::ModSeq(ModSeq(modseq))),
        (20..200_u64).prop_map(Key::Larger),
        (20..200_u64).prop_map(Key::Smaller),
        any_day().prop_map(Key::Received),
        any_day().prop_map(Key::Sent),
        (0..360_000_u32).prop_map(Key::Older),
        (0..360_000_u32).prop_map(Key::Younger),
        (name, any_word()).prop_map(|(name, text)| header(name, text)),
        any_word().prop_map(body),
        any_word().prop_map(body),
        any_word().prop_map(everything),
    ];
    one.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Key::Any),
            prop::collection::vec(inner, 0..3).prop_map(Key::Every),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 40, ..ProptestConfig::with_cases(32) })]
    #[test]
    fn it_finds_what_an_evaluation_of_the_whole_finds(
        mails in prop::collection::vec(any_mail(), 1..6),
        keys in prop::collection::vec(any_key(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            for mail in &mails {
                world.keep(mail).await;
            }
            let view = world.open().await;
            for key in &keys {
                let each = (1..).zip(&mails).zip(view.known());
                let expected = each.filter(|((uid, mail), known)| naive(key, mail, *uid, known.modseq));
                let expected: Vec<u32> = expected.map(|((uid, _), _)| uid).collect();
                assert_eq!(world.search(&view, key).await, expected, "{}", shown(key));
            }
        });
    }
}

/// A key with its words.
fn shown(key: &Key) -> String {
    match key {
        Key::Header { name, text } => format!("Header({name}, {text})"),
        Key::Body(text) => format!("Body({text})"),
        Key::Text(text) => format!("Text({text})"),
        Key::Sent(day) => format!("Sent({day:?})"),
        Key::Not(key) => format!("Not({})", shown(key)),
        Key::Any(keys) => format!("Any({:?})", keys.iter().map(shown).collect::<Vec<_>>()),
        Key::Every(keys) => format!("Every({:?})", keys.iter().map(shown).collect::<Vec<_>>()),
        _ => format!("{key:?}"),
    }
}
