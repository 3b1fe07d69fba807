//! Sections of stored messages, held against the bytes of the whole.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::id::{MailboxId, MessageId};
use crate::mailbox::{Appended, Mailboxes};
use crate::message::mime::Limits;
use crate::message::mime::tree::Part;
use crate::message::outline::{Outline, outline};
use crate::store::testing;
use crate::store::{CHUNK, Files, LockedStore, Marks, Store};
use crate::vault::Vault;

struct World {
    store: Store,
    boxes: Mailboxes,
    directory: TempDir,
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let locked = LockedStore::open(Files::in_directory(directory.path())).await;
    let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
    let store = store.unwrap();
    let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
    let boxes = Mailboxes::new(store.clone(), clock);
    World {
        store,
        boxes,
        directory,
    }
}

impl World {
    /// Stores a message, so much of it as a first chunk of its own.
    async fn keep(&self, message: &[u8], head: usize) -> (MessageId, Outline) {
        let inbox = self.boxes.folders(MailboxId::random()).await.unwrap()[0].clone();
        let mut writer = self.store.begin_body().await.unwrap();
        let body = match head {
            0 => {
                writer.write(message).await.unwrap();
                writer.finish()
            }
            _ => {
                writer.head_comes_last();
                writer.write(&message[head..]).await.unwrap();
                writer.finish_behind(&message[..head])
            }
        };
        let id = body.id();
        let (marks, received_at) = (Marks::default(), None);
        let appended = Appended {
            outline: None,
            body,
            marks,
            received_at,
        };
        self.boxes.append(&inbox, appended, u64::MAX).await.unwrap();
        (id, outline(message))
    }

    async fn read(
        &self,
        (id, outline): &(MessageId, Outline),
        section: &Section,
        partial: Option<Partial>,
    ) -> Option<Vec<u8>> {
        let opened = self.boxes.section(*id, outline, section, partial).await;
        Some(whole(opened.unwrap()?).await)
    }

    async fn decoded(&self, message: &(MessageId, Outline), part: &[u32]) -> Option<Vec<u8>> {
        let opened = self.boxes.binary(message.0, &message.1, part, None).await;
        Some(whole(opened.unwrap()?).await)
    }
}

async fn whole(mut opened: Opened) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = opened.next().await.unwrap() {
        assert!(
            !piece.is_empty() && piece.len() <= CHUNK + 4,
            "{}",
            piece.len()
        );
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(opened.size(), bytes.len() as u64);
    bytes
}

fn section(part: &[u32], wanted: Wanted) -> Section {
    let part = part.to_vec();
    Section { part, wanted }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const HEADER: &str = "From: a@example.org\r\nReceived: by\r\n\tx\r\nsubject: a\r\n b\r\nX-Empty:\r\n\
    Content-Type: multipart/mixed; boundary=o\r\n\r\n";
const INNER_HEADER: &str =
    "Subject: within\r\nReceived: y\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n";
const INNER_BODY: &str = "--i\r\n\r\nplain\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--";
const SINGLE: &str =
    "Subject: one\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A9\r\n";

/// A mail that holds all kinds of parts, and its body.
fn mixed() -> (String, String) {
    let body = format!(
        "preamble\r\n--o\r\nContent-Type: text/plain\r\nX-Part: 1\r\n\r\none\r\n--o\r\n\
         Content-Type: message/rfc822\r\n\r\n{INNER_HEADER}{INNER_BODY}\r\n--o\r\n\
         Content-Type: message/rfc822\r\n\r\n{SINGLE}\r\n--o\r\n\
         Content-Type: application/pdf\r\nX-Long: {}\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n--o\r\n\
         Content-Transfer-Encoding: x-own\r\n\r\n???\r\n--o--\r\n",
        "y".repeat(4_000)
    );
    (format!("{HEADER}{body}"), body)
}

#[tokio::test]
async fn each_section_is_what_the_standard_says() {
    use Wanted::{Fields, Header, Mime, OtherFields, Text, Whole};
    let world = world().await;
    let (message, body) = mixed();
    let kept = world.keep(message.as_bytes(), 0).await;
    let inner = format!("{INNER_HEADER}{INNER_BODY}");
    let listed = names(&["SUBJECT", "From", "cc"]);
    let unlisted = names(&["Received", "x-empty"]);
    for (part, wanted, expected) in [
        (&[][..], Whole, Some(message.as_str())),
        (&[], Header, Some(HEADER)),
        (&[], Text, Some(&*body)),
        (&[], Mime, None),
        (
            &[],
            Fields(listed.clone()),
            Some("From: a@example.org\r\nsubject: a\r\n b\r\n\r\n"),
        ),
        (
            &[],
            Fields(unlisted.clone()),
            Some("Received: by\r\n\tx\r\nX-Empty:\r\n\r\n"),
        ),
        (&[], Fields(Vec::new()), Some("\r\n")),
        (
            &[],
            OtherFields(names(&["received", "content-type"])),
            Some("From: a@example.org\r\nsubject: a\r\n b\r\nX-Empty:\r\n\r\n"),
        ),
        (&[1], Whole, Some("one")),
        (
            &[1],
            Mime,
            Some("Content-Type: text/plain\r\nX-Part: 1\r\n\r\n"),
        ),
        (&[1], Header, None),
        (&[1], Text, None),
        (&[1, 1], Whole, None),
        (&[2], Whole, Some(&inner)),
        (&[2], Mime, Some("Content-Type: message/rfc822\r\n\r\n")),
        (&[2], Header, Some(INNER_HEADER)),
        (&[2], Text, Some(INNER_BODY)),
        (&[2], Fields(unlisted), Some("Received: y\r\n\r\n")),
        (&[2], Fields(listed), Some("Subject: within\r\n\r\n")),
        (&[2, 1], Whole, Some("plain")),
        (&[2, 1], Mime, Some("\r\n")),
        (&[2, 2], Whole, Some("<p>")),
        (&[2, 3], Whole, None),
        (&[2, 1, 1], Whole, None),
        // A message that is no multipart has one part, and its header is that part's.
        (&[3], Whole, Some(SINGLE)),
        (&[3, 1], Whole, Some("h=C3=A9\r\n")),
        (&[3, 1], Mime, Some(SINGLE.split_at(SINGLE.len() - 9).0)),
        (&[3, 2], Whole, None),
        (&[0], Whole, None),
        (&[6], Whole, None),
        (&[u32::MAX], Whole, None),
    ] {
        let asked = section(part, wanted);
        let read = world.read(&kept, &asked, None).await;
        let read = read.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(read.as_deref(), expected, "{asked:?}");
    }
    for (part, expected) in [
        (&[][..], Some(message.as_str())),
        (&[1], Some("one")),
        (&[2], Some(&inner)),
        (&[3, 1], Some("h\u{e9}\r\n")),
        // Its encoding stands behind what the outline keeps of its header.
        (&[4], Some("hello")),
        (&[7], None),
    ] {
        let read = world.decoded(&kept, part).await;
        let read = read.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(read.as_deref(), expected, "{part:?}");
    }
    let error = world.boxes.binary(kept.0, &kept.1, &[5], None).await;
    assert!(matches!(
        error.err().unwrap(),
        SectionError::UnknownEncoding
    ));
}

#[tokio::test]
async fn a_message_alone_has_one_part() {
    let world = world().await;
    let kept = world.keep(SINGLE.as_bytes(), 0).await;
    for (part, wanted, expected) in [
        (&[1][..], Wanted::Whole, Some("h=C3=A9\r\n")),
        (&[1], Wanted::Header, None),
        (&[1, 1], Wanted::Whole, None),
        (&[2], Wanted::Whole, None),
    ] {
        let read = world.read(&kept, &section(part, wanted), None).await;
        assert_eq!(read.as_deref(), expected.map(str::as_bytes), "{part:?}");
    }
    assert_eq!(
        world.decoded(&kept, &[1]).await.unwrap(),
        "h\u{e9}\r\n".as_bytes()
    );
    for message in [
        "",
        "\r\n",
        "Subject: x",
        "Subject: x\r\n",
        "no field\r\n\r\nx",
    ] {
        let kept = world.keep(message.as_bytes(), 0).await;
        let read = world.read(&kept, &Section::ALL, None).await.unwrap();
        assert_eq!(read, message.as_bytes());
        let fields = section(&[], Wanted::Fields(names(&["x-none"])));
        assert_eq!(world.read(&kept, &fields, None).await.unwrap(), b"\r\n");
    }
}

/// A mail with a large attachment, whose header came last or didn't: any piece of any section is the piece of the whole.
#[tokio::test]
async fn pieces_of_long_sections_are_what_stands_there() {
    let world = world().await;
    let file: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let mut coded = Vec::new();
    crate::message::mime::encode::base64_lines(&mut coded, &file);
    let coded = String::from_utf8(coded).unwrap();
    let header = format!(
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=o\r\nX-Long: {}\r\n\r\n",
        "z".repeat(90_000)
    );
    let message = format!(
        "{header}--o\r\nContent-Type: text/plain\r\n\r\none\r\n--o\r\n\
         Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}\r\n--o--\r\n"
    );
    for head in [0, 12, 5_000] {
        let kept = world.keep(message.as_bytes(), head).await;
        let long = Wanted::Fields(names(&["x-long"]));
        for asked in [
            Section::ALL,
            section(&[], long),
            section(&[], Wanted::Text),
            section(&[2], Wanted::Whole),
        ] {
            let all = world.read(&kept, &asked, None).await.unwrap();
            for first in [0, 1, 65_536, 65_548, 150_000, 400_000] {
                for most in [0, 1, 5, 70_000, 1 << 40] {
                    let partial = Some(Partial { first, most });
                    let read = world.read(&kept, &asked, partial).await.unwrap();
                    let from = all.len().min(usize::try_from(first).unwrap());
                    let to = all.len().min(from + usize::try_from(most).unwrap());
                    assert!(read == all[from..to], "{asked:?} {partial:?} {head}");
                }
            }
        }
        assert!(world.decoded(&kept, &[2]).await.unwrap() == file);
        let end = Some(Partial {
            first: 199_990,
            most: 100,
        });
        let opened = world.boxes.binary(kept.0, &kept.1, &[2], end).await;
        assert_eq!(whole(opened.unwrap().unwrap()).await, file[199_990..]);
    }
}

/// What is damaged elsewhere is in nobody's way: only the chunks that are needed are opened.
#[tokio::test]
async fn nothing_else_is_opened() {
    let world = world().await;
    let message = format!(
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n{}\r\n--o\r\n\r\nsecond\r\n--o--\r\n",
        "long line\r\n".repeat(20_000)
    );
    let kept = world.keep(message.as_bytes(), 0).await;
    testing::spoil_first_chunks(&Files::in_directory(world.directory.path())).await;
    let second = section(&[2], Wanted::Whole);
    assert_eq!(world.read(&kept, &second, None).await.unwrap(), b"second");
    let listed = section(&[], Wanted::Fields(names(&["Subject"])));
    let read = world.read(&kept, &listed, None).await.unwrap();
    assert_eq!(read, b"Subject: x\r\n\r\n");
    let opened = world
        .boxes
        .section(kept.0, &kept.1, &Section::ALL, None)
        .await;
    assert!(opened.unwrap().unwrap().next().await.is_err());
}

/// A multipart with parts down to some depth, none of whose lines is a boundary by chance.
fn any_part(depth: u32) -> BoxedStrategy<String> {
    let leaf = "[a-z \r\n]{0,20}".prop_map(|text| format!("X-A: b\r\n\r\n{text}"));
    if depth == 0 {
        return leaf.boxed();
    }
    let many = prop::collection::vec(any_part(depth - 1), 1..4).prop_map(move |parts| {
        let parts = parts.iter().map(|part| format!("\r\n--b{depth}\r\n{part}"));
        format!(
            "Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n{}\r\n--b{depth}--\r\n",
            parts.collect::<String>()
        )
    });
    prop_oneof![1 => leaf, 3 => many].boxed()
}

/// Every part with its number, by a parser that has the whole message.
fn numbered<'m>(part: &Part<'m>, path: &[u32], found: &mut Vec<(Vec<u32>, &'m [u8], &'m [u8])>) {
    for (number, child) in (1..).zip(&part.children) {
        let path = [path, &[number]].concat();
        let header = &child.raw[..child.raw.len() - child.body.len()];
        found.push((path.clone(), header, child.body));
        numbered(child, &path, found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn parts_are_numbered_as_a_parser_of_the_whole_finds_them(message in any_part(3)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            let kept = world.keep(message.as_bytes(), 0).await;
            let part = Part::parse_leniently(message.as_bytes(), &Limits::default()).unwrap();
            let mut found = Vec::new();
            numbered(&part, &[], &mut found);
            for (path, header, body) in found {
                let read = world.read(&kept, &section(&path, Wanted::Whole), None).await;
                assert_eq!(read.as_deref(), Some(body), "{path:?}");
                let read = world.read(&kept, &section(&path, Wanted::Mime), None).await;
                assert_eq!(read.as_deref(), Some(header), "{path:?}");
            }
        });
    }

    #[test]
    fn fields_are_picked_alike_in_any_pieces(
        header in "([A-C]{1,2}(:[ a\t]{0,3}(\r\n [a:]{0,2}){0,2}){0,1}\r\n){0,6}(\r\n){0,1}",
        size in 1..9_usize,
        others: bool,
    ) {
        let asked = names(&["a", "BC"]);
        let pick = |size: usize| {
            let (mut fields, mut out) = (super::fields::Fields::new(&asked, others), Vec::new());
            header.as_bytes().chunks(size).for_each(|piece| fields.take(piece, &mut out));
            fields.finish(&mut out);
            String::from_utf8(out).unwrap()
        };
        let picked = pick(size);
        prop_assert_eq!(&picked, &pick(1000));
        let raw = crate::message::mime::field::raw_fields(header.as_bytes());
        let wanted = raw.filter(|raw| {
            let end = raw.iter().position(|byte| matches!(byte, b':' | b'\r')).unwrap();
            asked.iter().any(|name| raw[..end].eq_ignore_ascii_case(name.as_bytes())) != others
        });
        let expected = [wanted.collect::<Vec<_>>().concat(), b"\r\n".to_vec()].concat();
        prop_assert_eq!(picked.as_bytes(), expected);
    }
}
