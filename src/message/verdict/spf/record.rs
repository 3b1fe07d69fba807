//! The grammar of an SPF record (RFC 7208 §12): strict, since a record that can't be read is a permanent error.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::expand::Template;

/// What a directive says if its mechanism matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// Leading bits that must be alike, of an IPv4 and of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

/// When a directive matches. A missing name is the current domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Template),
    A(Option<Template>, Prefixes),
    Mx(Option<Template>, Prefixes),
    Ptr(Option<Template>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Template),
}

/// A record. Explanations (`exp=`) are read for their syntax alone: nobody is shown a stranger's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub(super) directives: Vec<(Qualifier, Mechanism)>,
    pub(super) redirect: Option<Template>,
}

/// Whether a TXT record is an SPF record (RFC 7208 §4.5).
pub(super) fn is_spf(text: &[u8]) -> bool {
    let version = text.get(..6);
    version.is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"))
        && matches!(text.get(6), None | Some(b' '))
}

/// Reads a record; nothing if it breaks the grammar anywhere.
pub(super) fn read(text: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.is_ascii())?;
    let mut record = Record::default();
    let mut explained = false;
    for term in text.get(6..)?.split(' ').filter(|term| !term.is_empty()) {
        match modifier(term) {
            Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                let target = Template::domain(value)?;
                if record.redirect.replace(target).is_some() {
                    return None;
                }
            }
            Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                Template::domain(value)?;
                if std::mem::replace(&mut explained, true) {
                    return None;
                }
            }
            Some((_, value)) => drop(Template::text(value)?),
            None => record.directives.push(directive(term)?),
        }
    }
    Some(record)
}

/// `name=value`, where the name is one.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits);
    good.then_some((name, value))
}

fn directive(term: &str) -> Option<(Qualifier, Mechanism)> {
    let (qualifier, term) = match term.as_bytes().first()? {
        b'+' => (Qualifier::Pass, &term[1..]),
        b'-' => (Qualifier::Fail, &term[1..]),
        b'~' => (Qualifier::SoftFail, &term[1..]),
        b'?' => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let mechanism = match (name.to_ascii_lowercase().as_str(), rest) {
        ("all", "") => Mechanism::All,
        ("include", _) => Mechanism::Include(Template::domain(rest.strip_prefix(':')?)?),
        ("exists", _) => Mechanism::Exists(Template::domain(rest.strip_prefix(':')?)?),
        ("a", _) => {
            let (target, prefixes) = target(rest)?;
            Mechanism::A(target, prefixes)
        }
        ("mx", _) => {
            let (target, prefixes) = target(rest)?;
            Mechanism::Mx(target, prefixes)
        }
        ("ptr", "") => Mechanism::Ptr(None),
        ("ptr", _) => Mechanism::Ptr(Some(Template::domain(rest.strip_prefix(':')?)?)),
        ("ip4", _) => {
            let (address, bits) = network(rest, 32)?;
            Mechanism::Ip4(address, bits)
        }
        ("ip6", _) => {
            let (address, bits) = network(rest, 128)?;
            Mechanism::Ip6(address, bits)
        }
        _ => return None,
    };
    Some((qualifier, mechanism))
}

/// `[:domain][/bits][//bits]`.
fn target(rest: &str) -> Option<(Option<Template>, Prefixes)> {
    let (rest, v6) = match rest.rsplit_once("//") {
        Some((before, digits)) if is_number(digits) => (before, bits(digits, 128)?),
        _ => (rest, 128),
    };
    let (rest, v4) = match rest.rsplit_once('/') {
        Some((before, digits)) if is_number(digits) => (before, bits(digits, 32)?),
        _ => (rest, 32),
    };
    let target = match rest {
        "" => None,
        _ => Some(Template::domain(rest.strip_prefix(':')?)?),
    };
    Some((target, Prefixes { v4, v6 }))
}

/// `:address[/bits]`.
fn network<A: FromStr>(rest: &str, most: u8) -> Option<(A, u8)> {
    let rest = rest.strip_prefix(':')?;
    let (address, length) = match rest.split_once('/') {
        Some((address, digits)) => (address, bits(digits, most)?),
        None => (rest, most),
    };
    Some((address.parse().ok()?, length))
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A prefix length, without leading zeros.
fn bits(digits: &str, most: u8) -> Option<u8> {
    let plain = is_number(digits) && (digits == "0" || !digits.starts_with('0'));
    let value: u8 = digits.parse().ok()?;
    (plain && value <= most).then_some(value)
}
