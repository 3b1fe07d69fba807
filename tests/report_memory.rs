//! What a stranger's report takes in memory while it is read: little, whatever it says.

#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use hustings::report::dmarc::DmarcReceived;
use hustings::report::tls::TlsReceived;
use hustings::report::unpack::{attached, gunzip};

/// What a report may unpack to, and the most that reading it may take beside that.
const MOST: usize = 2 << 20;
const ROOM: usize = 32 << 20;

/// The most memory that this process had since it was last asked, in octets.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

fn begin() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn filled(head: &str, with: &str, end: &str) -> Vec<u8> {
    let times = (MOST - head.len() - end.len()) / with.len();
    format!("{head}{}{end}", with.repeat(times)).into_bytes()
}

fn part(packed: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(packed);
    format!(
        "--b\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
    )
}

fn mail(parts: &str) -> Vec<u8> {
    format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n{parts}--b--\r\n"
    )
    .into_bytes()
}

#[test]
fn the_worst_report_takes_no_more_than_there_is_room_for() {
    let head = "<feedback><report_metadata></report_metadata><policy_published></policy_published>";
    let auth = "<record><auth_results>";
    let xml = [
        filled(head, "<record></record>", "</feedback>"),
        filled(
            &format!("{head}{auth}"),
            "<dkim></dkim>",
            "</auth_results></record></feedback>",
        ),
        filled(head, "<a/>", "</feedback>"),
    ];
    let json = [
        filled("[\"\",[],\"\",\"1\",[[]", ",[]", "]]"),
        filled("{\"policies\":[{},{}", ",{}", "]}"),
        filled("{\"policies\":[{\"mx-host\":[\"\"", ",\"\"", "]}]}"),
        filled("[[", "[", ""),
    ];
    let mut tried: Vec<(usize, String)> = Vec::new();
    let mut measure = |what: String, read: &mut dyn FnMut()| {
        let before = begin();
        read();
        tried.push((peak().saturating_sub(before), what));
    };
    for (n, xml) in xml.iter().enumerate() {
        let packed = gzip(xml);
        let one = mail(&part(&packed));
        let many = mail(&part(&packed).repeat((2 << 20) / (packed.len() * 4 / 3 + 99)));
        for (mail, what) in [(one, "one"), (many, "many")] {
            measure(format!("XML {n}, {what}"), &mut || {
                let _ = attached(&mail, MOST, |file| {
                    DmarcReceived::read(file, |_| true, |_| false).ok()
                });
            });
        }
    }
    for (n, json) in json.iter().enumerate() {
        let packed = gzip(json);
        measure(format!("JSON {n}"), &mut || {
            let json = gunzip(&packed, MOST).unwrap();
            let _ = TlsReceived::read(&json, |_| true);
        });
    }
    let pieces = [
        mail(&"--b\n\n".repeat(400_000)),
        mail(&"a:\n".repeat(600_000)),
    ];
    for (n, mail) in pieces.iter().enumerate() {
        measure(format!("mail {n}"), &mut || {
            let _ = attached(mail, MOST, |_| None::<()>);
        });
    }
    tried.sort();
    let (most, what) = tried.last().unwrap();
    assert!(*most < ROOM, "{what}: {most} octets; {tried:?}");
}
