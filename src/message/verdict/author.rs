//! Who a header says wrote the mail: the one domain that DMARC asks about. It knows no DNS and no policy.
//!
//! What the reader is shown must be what was judged, and mail programs read a damaged `From:` each in its own way. So the
//! field is read by the letter (RFC 5322 §3.4), and where that fails, whatever any program could take for the author's
//! domain has to be the same one. A header's other lines don't matter: a broken one neither hides the author nor
//! costs an honest mail.

use crate::address::{Domain, EmailAddress};
use crate::message::mime::field::{self, text_of};

/// The domain in `From:`.
#[derive(Clone, PartialEq, Eq)]
pub enum Author {
    /// One domain, as A-labels in lower case.
    One(String),
    /// Several fields, or several domains in one: mail programs show one of them, and we can't know which.
    Several,
    /// A field that names somebody, and nobody can say whom; or a group.
    Unreadable,
    /// No field, or one without any address: `MAILER-DAEMON`, as reports of deliveries have it.
    Missing,
}

/// Says nothing of who writes.
impl std::fmt::Debug for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One(..)",
            Self::Several => "Several",
            Self::Unreadable => "Unreadable",
            Self::Missing => "Missing",
        })
    }
}

/// The longest value that is read. Nobody's is longer, and reading one in every way costs its square.
const LONGEST_VALUE: usize = 4 * 1024;

/// The author that a header names.
pub fn author(header: &[u8]) -> Author {
    let mut values = field::raw_fields(header).filter_map(from_value);
    match (values.next(), values.next()) {
        (None, _) => Author::Missing,
        (Some(_), Some(_)) => Author::Several,
        (Some(None), None) => Author::Unreadable,
        (Some(Some(value)), None) => of_value(value),
    }
}

/// The one address in a header's one `From:`, read by the letter; none if there are several, or it can't be read so.
pub fn sole_author(header: &[u8]) -> Option<EmailAddress> {
    let mut values = field::raw_fields(header).filter_map(from_value);
    let (Some(value), None) = (values.next()?, values.next()) else {
        return None;
    };
    match mailboxes(value)?.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// The addresses in a field of authors, read by the letter (RFC 5322 §3.4, without groups and the obsolete forms); none if
/// it can't be read so: programs would show different people.
pub fn mailboxes(value: &[u8]) -> Option<Vec<EmailAddress>> {
    let named = by_the_letter(value)?;
    named.iter().map(Named::address).collect()
}

/// Whatever any program could take for an address, wherever it stands outside comments and quoted names. White space and
/// comments around its words, which the obsolete forms allow (RFC 5322 §4.4), hide none.
pub fn any_addresses(value: &[u8]) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), 0);
    let is_ended = ended_comments(value);
    // A local part that may end here, where its last word begins, and whether white space or a comment came behind it.
    let (mut local, mut last, mut is_behind) = (Vec::new(), 0, false);
    // Behind a quoted string without an end all others are without one as well.
    let mut quotes_end = true;
    while let Some(&byte) = value.get(at) {
        let rest = &value[at..];
        let octets = match byte {
            b'"' if quotes_end => {
                let end = quoted_end(rest);
                quotes_end = end.is_some();
                end
            }
            b'(' if is_ended[at] => comment_end(rest),
            _ => None,
        };
        if byte == b'@' {
            let (domain, first) = domain_across(value, at + 1, &is_ended);
            // Some programs take no more than the words beside it.
            let (whole, beside) = ((&*local, &*domain), (&local[last..], &domain[..first]));
            if !local.is_empty() && !domain.is_empty() {
                found.push(joined(whole));
                found.extend((beside != whole).then(|| joined(beside)));
            }
        }
        let next = at + octets.unwrap_or(1);
        let is_word = byte == b'"' || is_atom(byte);
        if is_word {
            // Only a dot makes one of two words.
            if byte == b'"' || is_behind && byte != b'.' && !local.ends_with(b".") {
                local.clear();
                last = 0;
            } else if is_behind {
                last = local.len();
            }
            local.extend_from_slice(&value[at..next]);
            is_behind = false;
        } else if byte.is_ascii_whitespace() || byte == b'(' && octets.is_some() {
            is_behind = true;
        } else {
            local.clear();
            last = 0;
        }
        at = next;
    }
    found
}

fn joined((local, domain): (&[u8], &[u8])) -> String {
    [local, domain].map(String::from_utf8_lossy).join("@")
}

/// The domain that begins here, without the white space and the comments around its dots; and how long its first word is.
fn domain_across(value: &[u8], mut at: usize, is_ended: &[bool]) -> (Vec<u8>, usize) {
    let (mut domain, mut first) = (Vec::new(), 0);
    loop {
        while let Some(&byte) = value.get(at) {
            match byte {
                b'(' if is_ended[at] => at += comment_end(&value[at..]).unwrap_or(1),
                _ if byte.is_ascii_whitespace() => at += 1,
                _ => break,
            }
        }
        let part = &value[at..][..domain_end(&value[at..])];
        let goes_on = domain.is_empty() || domain.ends_with(b".") || part.starts_with(b".");
        if part.is_empty() || !goes_on {
            return (domain, first);
        }
        if domain.is_empty() {
            first = part.len();
        }
        domain.extend_from_slice(part);
        at += part.len();
    }
}

/// The value of a field that some program may take for `From:`; none within if its name is written oddly.
fn from_value(field: &[u8]) -> Option<Option<&[u8]>> {
    let colon = field.iter().position(|&b| b == b':')?;
    let (name, value) = (&field[..colon], &field[colon + 1..]);
    let letters = name.iter().filter(|b| b.is_ascii_graphic());
    if !letters.map(u8::to_ascii_lowercase).eq(*b"from") {
        return None;
    }
    // RFC 5322 §4.5 allows white space before the colon.
    let plain = name.trim_ascii_end().len() == b"from".len();
    Some(plain.then_some(value))
}

/// Whether a value may be read at all.
fn is_sound(value: &[u8]) -> bool {
    let odd = |&b: &u8| b.is_ascii_control() && !b"\t\r\n".contains(&b);
    value.len() <= LONGEST_VALUE && !value.iter().any(odd)
}

fn by_the_letter(value: &[u8]) -> Option<Vec<Named<'_>>> {
    let mut reader = Reader { rest: value };
    is_sound(value).then(|| reader.mailbox_list())?
}

fn of_value(value: &[u8]) -> Author {
    if let Some(named) = by_the_letter(value) {
        let domains: Vec<Domain> = named.into_iter().map(|one| one.domain).collect();
        return agreed(&domains);
    }
    if !is_sound(value) || is_group(value) {
        return Author::Unreadable;
    }
    let mut domains = Vec::new();
    // Some programs decode before they read.
    let decoded = text_of(value);
    for text in [value, decoded.as_bytes()] {
        match any_domains(text) {
            Some(more) => domains.extend(more),
            None => return Author::Unreadable,
        }
    }
    agreed(&domains)
}

fn agreed(domains: &[Domain]) -> Author {
    match domains {
        [] => Author::Missing,
        [first, others @ ..] if others.iter().all(|other| other == first) => {
            Author::One(first.as_str().to_owned())
        }
        _ => Author::Several,
    }
}

/// A mailbox, without its display name.
struct Named<'v> {
    local: &'v [u8],
    domain: Domain,
}

impl Named<'_> {
    fn address(&self) -> Option<EmailAddress> {
        let local = std::str::from_utf8(self.local).ok()?;
        EmailAddress::parse(&format!("{local}@{}", self.domain)).ok()
    }
}

/// Reads addresses by the letter, without the obsolete forms.
struct Reader<'v> {
    rest: &'v [u8],
}

impl<'v> Reader<'v> {
    /// A list of mailboxes; none if the value is anything else.
    fn mailbox_list(&mut self) -> Option<Vec<Named<'v>>> {
        let mut list = Vec::new();
        loop {
            list.push(self.mailbox()?);
            match self.after_cfws()? {
                None => return Some(list),
                Some(b',') => self.rest = &self.rest[1..],
                Some(_) => return None,
            }
        }
    }

    /// `word word <local@domain>` or `local@domain`.
    fn mailbox(&mut self) -> Option<Named<'v>> {
        let mut is_first = true;
        loop {
            match self.after_cfws()?? {
                b'<' => {
                    self.rest = &self.rest[1..];
                    let word = self.word()?;
                    let named = self.domain_after(word)?;
                    self.rest = self.rest.strip_prefix(b">")?;
                    return Some(named);
                }
                _ => {
                    let word = self.word()?;
                    if self.rest.first() == Some(&b'@') {
                        return is_first.then(|| self.domain_after(word))?;
                    }
                    is_first = false;
                }
            }
        }
    }

    /// An atom, dots and letters of any script within, or a quoted string with its quotes.
    fn word(&mut self) -> Option<&'v [u8]> {
        if self.rest.first() == Some(&b'"') {
            let end = quoted_end(self.rest)?;
            return Some(self.take(end));
        }
        let end = self.rest.iter().position(|b| !is_atom(*b));
        let word = self.take(end.unwrap_or(self.rest.len()));
        (!word.is_empty()).then_some(word)
    }

    /// `@domain` behind a local part that nobody can take for more than that.
    fn domain_after(&mut self, local: &'v [u8]) -> Option<Named<'v>> {
        if local.contains(&b'@') || memchr::memmem::find(local, b"=?").is_some() {
            return None;
        }
        self.rest = self.rest.strip_prefix(b"@")?;
        let end = domain_end(self.rest);
        let domain = read_domain(self.take(end))?;
        Some(Named { local, domain })
    }

    fn take(&mut self, octets: usize) -> &'v [u8] {
        let (taken, rest) = self.rest.split_at(octets);
        self.rest = rest;
        taken
    }

    /// The next octet behind white space and comments; none at the end, and none at all if a comment doesn't end.
    fn after_cfws(&mut self) -> Option<Option<u8>> {
        self.rest = skip_cfws(self.rest)?;
        Some(self.rest.first().copied())
    }
}

/// What an atom may hold beside letters and digits (RFC 5322 §3.2.3), and the dot of the obsolete phrase, which many
/// names have.
const ATOM: &[u8] = b"!#$%&'*+-/=?^_`{|}~.";

fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || !octet.is_ascii() || ATOM.contains(&octet)
}

/// What stands behind white space and comments; none if a comment doesn't end.
fn skip_cfws(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = rest.trim_ascii_start();
        if rest.first() != Some(&b'(') {
            return Some(rest);
        }
        rest = &rest[comment_end(rest)?..];
    }
}

/// The octets of the comment that begins here, comments inside it and all; none if it doesn't end.
pub(super) fn comment_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at + 1),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// For each octet, whether a comment that began with it would end. Looking for each one's end would cost the square where
/// none of them ends.
fn ended_comments(value: &[u8]) -> Vec<bool> {
    let mut escaped = false;
    let deeper = |byte: &u8| {
        let was_escaped = escaped;
        escaped = !was_escaped && *byte == b'\\';
        match byte {
            _ if was_escaped => 0,
            b'(' => 1,
            b')' => -1,
            _ => 0,
        }
    };
    let steps: Vec<i8> = value.iter().map(deeper).collect();
    // How far what follows leads out of where one is.
    let mut lowest = 0_i64;
    let mut ended = vec![false; value.len()];
    for (ended, step) in ended.iter_mut().zip(steps).rev() {
        *ended = lowest < 0;
        lowest = (lowest + i64::from(step)).min(0);
    }
    ended
}

/// The octets of the quoted string that begins here.
fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn domain_end(text: &[u8]) -> usize {
    let part = |b: &u8| b.is_ascii_alphanumeric() || !b.is_ascii() || b"-._".contains(b);
    let end = text.iter().position(|b| !part(b));
    end.unwrap_or(text.len())
}

fn read_domain(text: &[u8]) -> Option<Domain> {
    Domain::parse(std::str::from_utf8(text).ok()?).ok()
}

/// `name: members;`, with the colon and the semicolon outside quotes, comments and angle brackets (RFC 5322 §3.4).
fn is_group(value: &[u8]) -> bool {
    let (mut rest, mut named) = (value, false);
    while let Some(&byte) = rest.first() {
        let skipped = match byte {
            b'"' => quoted_end(rest),
            b'(' => comment_end(rest),
            b'<' => memchr::memchr(b'>', rest),
            b';' if named => return true,
            _ => None,
        };
        named |= byte == b':';
        rest = &rest[skipped.unwrap_or(1)..];
    }
    false
}

/// Each domain behind an `@`, wherever it stands; none if one of them can't be read, or could be read as a longer one.
fn any_domains(text: &[u8]) -> Option<Vec<Domain>> {
    let mut domains = Vec::new();
    for at in memchr::memchr_iter(b'@', text) {
        let rest = skip_cfws(&text[at + 1..])?;
        let end = domain_end(rest);
        domains.push(read_domain(&rest[..end])?);
        let behind = skip_cfws(&rest[end..]).unwrap_or(&rest[end..]);
        if behind.first().is_some_and(|b| b".@\\[]".contains(b)) {
            return None;
        }
    }
    Some(domains)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
