//! `Authentication-Results` (RFC 8601): ours goes first into a mail, and those that claim to be ours go out of it. With it
//! goes one line for people, [`SENDER`], which says what is proven of this very mail.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::author::comment_end;
use super::{Iprev, Verdict};
use crate::message::mime::field::raw_fields;

/// The field that says to people what is proven of a mail. Nobody but us writes it.
pub const SENDER: &str = "Hustings-Sender";

/// That field with its CRLF: whether whoever has the author's address wrote this. It is the same whoever that is, and
/// whatever is known of them.
pub fn sender_field(proven: bool) -> String {
    let said = match proven {
        true => {
            "proven (whoever has the address in From wrote this;\r\n\twho that is isn't proven)"
        }
        false => "unproven (anybody may have written this)",
    };
    format!("{SENDER}: {said}\r\n")
}

/// The field with its CRLF. Addresses of people aren't in it: domains are enough.
pub fn results_field(verdict: &Verdict, host: &str, client: IpAddr) -> String {
    let arrived = &verdict.arrived;
    let mut out = format!("Authentication-Results: {host}");
    let (result, name) = match &arrived.iprev {
        Iprev::Pass(name) => ("pass", format!(" ({})", comment(name))),
        Iprev::Fail => ("fail", String::new()),
        Iprev::TempError => ("temperror", String::new()),
    };
    let client = value(&client.to_canonical().to_string());
    let _ = write!(out, ";\r\n\tiprev={result}{name} policy.iprev={client}");
    let helo = (arrived.helo.as_str(), value(&arrived.helo_name));
    let _ = write!(out, ";\r\n\tspf={} smtp.helo={}", helo.0, helo.1);
    if !arrived.is_null {
        let sender = (arrived.sender.as_str(), value(&arrived.sender_domain));
        let _ = write!(out, ";\r\n\tspf={} smtp.mailfrom={}", sender.0, sender.1);
    }
    if verdict.dkim.is_empty() {
        out.push_str(";\r\n\tdkim=none");
    }
    for check in &verdict.dkim {
        let _ = write!(out, ";\r\n\tdkim={}", check.result.as_str());
        if !check.note.is_empty() {
            let _ = write!(out, " ({})", comment(&check.note));
        }
        if !check.domain.is_empty() {
            let (domain, selector) = (value(&check.domain), value(&check.selector));
            let _ = write!(out, " header.d={domain}\r\n\t header.s={selector}");
            let beginning = value(&check.beginning);
            let _ = write!(out, " header.a={} header.b={beginning}", check.algorithm);
        }
    }
    match &verdict.dmarc {
        None => out.push_str(";\r\n\tdmarc=none"),
        Some(dmarc) => {
            let _ = write!(out, ";\r\n\tdmarc={}", dmarc.result.as_str());
            if !dmarc.policy_of.is_empty() {
                let (policy, of) = (dmarc.policy.as_str(), comment(&dmarc.policy_of));
                let _ = write!(out, " (p={policy} of {of})");
            }
            let _ = write!(out, " header.from={}", value(&dmarc.author));
        }
    }
    out.push_str("\r\n");
    out
}

/// A value as a token if it is one, or else in quotes; what fits into neither becomes `?`.
fn value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let quoted = text.chars().take(255).map(|c| match c {
        '"' | '\\' => '?',
        c if c == ' ' || c.is_ascii_graphic() => c,
        _ => '?',
    });
    format!("\"{}\"", quoted.collect::<String>())
}

/// Text inside a comment.
fn comment(text: &str) -> String {
    let fits = |c: char| (c == ' ' || c.is_ascii_graphic()) && !"()\\".contains(c);
    text.chars()
        .take(255)
        .map(|c| if fits(c) { c } else { '?' })
        .collect()
}

/// A header without the `Authentication-Results` that name one of `ours` as their author, or nobody who can be read
/// (RFC 8601 §5), and without [`SENDER`]. It reads any octets: a line that is no field stays as it is.
pub fn without_forged(header: &[u8], ours: &[&str]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(header.len());
    let mut fields_end = 0;
    for field in raw_fields(header) {
        fields_end += field.len();
        let forged = is_named(field, "Authentication-Results") && is_forged(unfolded(field), ours);
        if !(forged || is_named(field, SENDER)) {
            kept.extend_from_slice(field);
        }
    }
    kept.extend_from_slice(&header[fields_end..]);
    kept
}

fn is_named(field: &[u8], wanted: &str) -> bool {
    let name = field.split(|&b| b == b':').next().unwrap_or_default();
    name.len() < field.len()
        && name
            .trim_ascii_end()
            .eq_ignore_ascii_case(wanted.as_bytes())
}

/// A field's value, its folds taken for spaces.
fn unfolded(field: &[u8]) -> Vec<u8> {
    let value = field.splitn(2, |&b| b == b':').nth(1).unwrap_or_default();
    let spaced = |b: &u8| if b"\r\n\t".contains(b) { b' ' } else { *b };
    value.iter().map(spaced).collect()
}

fn is_forged(value: Vec<u8>, ours: &[&str]) -> bool {
    match written_by(&value) {
        Some(id) => {
            let id = id.trim_end_matches('.');
            ours.iter().any(|own| own.eq_ignore_ascii_case(id))
        }
        None => true,
    }
}

/// The authserv-id: a token or a quoted string, with comments around it.
fn written_by(value: &[u8]) -> Option<String> {
    let mut rest = value.trim_ascii_start();
    while rest.first() == Some(&b'(') {
        rest = rest[comment_end(rest)?..].trim_ascii_start();
    }
    let mut id = Vec::new();
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut bytes = quoted.iter();
        loop {
            match bytes.next()? {
                b'"' => break,
                b'\\' => id.push(*bytes.next()?),
                byte => id.push(*byte),
            }
        }
    } else {
        let ends = |b: &u8| b.is_ascii_whitespace() || b";(/".contains(b);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        id.extend_from_slice(&rest[..end]);
    }
    let id = String::from_utf8(id).ok()?;
    (!id.trim().is_empty()).then(|| id.trim().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OURS: [&str; 2] = ["mail.party.example", "party.example"];

    fn kept(field: &str) -> bool {
        let header = format!("From: a@b.example\r\n{field}\r\nTo: c@d.example\r\n\r\n");
        let left = without_forged(header.as_bytes(), &OURS);
        let all = left == header.as_bytes();
        let none = left == b"From: a@b.example\r\nTo: c@d.example\r\n\r\n";
        assert!(all || none, "{field}");
        all
    }

    #[test]
    fn results_in_our_name_go() {
        for field in [
            "Authentication-Results: mail.party.example; spf=pass",
            "AUTHENTICATION-results : Mail.Party.Example; spf=pass",
            "Authentication-Results: (a (b) \\) c) mail.party.example 1; none",
            "Authentication-Results:\r\n\tparty.example;\r\n dkim=pass",
            "Authentication-Results: \"mail.party.example\"/1; none",
            "Authentication-Results: \"mail\\.party.example\"; none",
            "Authentication-Results: mail.party.example.; none",
            "Authentication-Results:",
            "Authentication-Results: (never closed mail.other.example; none",
            "Hustings-Sender: proven",
            "HUSTINGS-sender :\r\n\tproven (by me)",
        ] {
            assert!(!kept(field), "{field}");
        }
    }

    #[test]
    fn those_of_others_stay() {
        for field in [
            "Authentication-Results: mail.other.example; spf=pass",
            "Authentication-Results: mail.party.example.other.example; spf=pass",
            "ARC-Authentication-Results: i=1; mail.party.example; spf=pass",
            "X-Authentication-Results: mail.party.example; spf=pass",
            "Subject: x\r\n Authentication-Results: mail.party.example; spf=pass",
            "Hustings-Senders: proven",
        ] {
            assert!(kept(field), "{field}");
        }
    }

    #[test]
    fn strangers_can_write_nothing_into_the_field() {
        assert_eq!(
            value("a\"; dmarc=pass x=\"\r\nX: y"),
            "\"a?; dmarc=pass x=???X: y\""
        );
        assert_eq!(value(""), "\"\"");
        assert_eq!(
            comment("a) dmarc=pass (\r\nX: \u{e9}"),
            "a? dmarc=pass ???X: ?"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_header_can_be_cleaned(header: Vec<u8>, field in "[ -~\\r\\n\\t]{0,60}") {
            let _ = without_forged(&header, &OURS);
            let _ = kept_bytes(&field);
        }
    }

    fn kept_bytes(field: &str) -> Vec<u8> {
        without_forged(format!("Authentication-Results:{field}").as_bytes(), &OURS)
    }
}
