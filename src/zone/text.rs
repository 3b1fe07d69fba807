//! The records that are texts. Several may stand at one name, and a text that differs may say the same: what counts is
//! what receivers read in it.

use std::collections::BTreeMap;

use super::State;
use crate::message::verdict::spf::SpfResult;

/// How a text is, and why.
pub(super) type Judged = (State, String);

/// `name=value` pairs, names in lower case.
fn tags(text: &str) -> BTreeMap<String, String> {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    let without_space = |value: &str| value.split_whitespace().collect::<String>();
    parts
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), without_space(value)))
        .collect()
}

/// The one of these texts that begins so (RFC 7208 §4.5, RFC 9989 §4.7: several are none).
fn one<'a>(texts: &[&'a str], version: &str) -> Result<&'a str, Judged> {
    let begins = |text: &&&str| {
        let head = text.trim_start().get(..version.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(version))
            && !text.trim_start()[version.len()..].starts_with(|c: char| c.is_alphanumeric())
    };
    let mut found = texts.iter().filter(begins);
    match (found.next(), found.next()) {
        (None, _) => Err((State::Missing, "there is none".into())),
        (Some(text), None) => Ok(text),
        (Some(_), Some(_)) => Err((
            State::Different,
            format!(
                "there are several records that begin with {version}: receivers take none of them, keep one"
            ),
        )),
    }
}

/// SPF: one record, which lets every address of ours pass. Without an address it is compared as a text.
pub(super) fn spf(texts: &[&str], wanted: &str, results: &[SpfResult]) -> Judged {
    let found = match one(texts, "v=spf1") {
        Ok(found) => found,
        Err(judged) => return judged,
    };
    let is_open = |term: &str| matches!(term.to_ascii_lowercase().as_str(), "all" | "+all");
    if found.split_whitespace().any(is_open) {
        let why = "it lets anybody send in the party's name (`+all`)";
        return (State::Different, why.into());
    }
    if !results.is_empty() {
        let bad = results.iter().find(|result| **result != SpfResult::Pass);
        return match bad {
            None if same(found, wanted) => (State::Right, "it lets this host send".into()),
            None => (State::Right, format!("it lets this host send, in other words: {found}")),
            Some(SpfResult::TempError) => (
                State::NotChecked,
                "DNS gave no answer for what it includes".into(),
            ),
            Some(SpfResult::PermError) => (
                State::Different,
                "receivers can't use it: a mistake in it, or more than ten look-ups (RFC 7208 §4.6)".into(),
            ),
            Some(result) => (
                State::Different,
                format!("mail from this host gets \"{}\" by it: {found}", result.as_str()),
            ),
        };
    }
    match same(found, wanted) {
        true => (State::Right, "as it should be".into()),
        false => (
            State::NotChecked,
            format!(
                "it is another text, and the addresses that mail leaves from are not known here: {found}"
            ),
        ),
    }
}

fn same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// SPF of the name in EHLO: that there is one record.
pub(super) fn tagless(texts: &[&str], wanted: &str) -> Judged {
    match one(texts, "v=spf1") {
        Err(judged) => judged,
        Ok(found) if same(found, wanted) => (State::Right, "as it should be".into()),
        Ok(found) => (State::Right, format!("there, in other words: {found}")),
    }
}

/// DKIM: the one key record, with this key (RFC 6376 §3.6.1).
pub(super) fn dkim(texts: &[&str], wanted: &str) -> Judged {
    let found = match texts {
        [] => return (State::Missing, "there is none".into()),
        [found] => tags(found),
        _ => {
            let why = "there are several records: receivers may take any of them";
            return (State::Different, why.into());
        }
    };
    let wanted = tags(wanted);
    let key = |tags: &BTreeMap<String, String>, name: &str, usual: &str| {
        tags.get(name).cloned().unwrap_or_else(|| usual.to_owned())
    };
    if key(&found, "v", "DKIM1") != "DKIM1" {
        return (State::Different, "it doesn't begin with v=DKIM1".into());
    }
    if key(&found, "p", "").is_empty() {
        return (State::Different, "it revokes the key (an empty p=)".into());
    }
    if key(&found, "k", "rsa") != key(&wanted, "k", "rsa")
        || key(&found, "p", "") != key(&wanted, "p", "")
    {
        return (
            State::Different,
            "it holds another key, or a part of it".into(),
        );
    }
    if key(&found, "t", "").split(':').any(|flag| flag == "y") {
        let why = "it says that it is a test (t=y): receivers may treat the mail as unsigned";
        return (State::Different, why.into());
    }
    (State::Right, "as it should be".into())
}

/// DMARC: one record with a policy. A weaker one than ours is the party's choice; without `rua` nobody tells who writes in
/// its name.
pub(super) fn dmarc(texts: &[&str], wanted: &str) -> Judged {
    let found = match one(texts, "v=DMARC1") {
        Ok(found) => found,
        Err(judged) => return judged,
    };
    let tags = tags(found);
    let policy = tags.get("p").map(|policy| policy.to_ascii_lowercase());
    match policy.as_deref() {
        Some("none" | "quarantine" | "reject") => {}
        _ => {
            let why = format!("it has no policy that receivers know (p=): {found}");
            return (State::Different, why);
        }
    }
    let said = match (same(found, wanted), tags.contains_key("rua")) {
        (true, _) => "as it should be".to_owned(),
        (_, true) => format!("good, in other words: {found}"),
        (_, false) => format!("good, but it asks for no reports (rua=): {found}"),
    };
    (State::Right, said)
}

/// A text of `name=value` pairs, of which this one matters.
pub(super) fn tagged(texts: &[&str], version: &str, tag: &str, wanted: &str) -> Judged {
    let found = match one(texts, version) {
        Ok(found) => found,
        Err(judged) => return judged,
    };
    let wanted = tags(wanted).remove(tag).unwrap_or_default();
    let values = tags(found).remove(tag).unwrap_or_default();
    match values.split(',').any(|value| value == wanted) {
        true => (State::Right, "as it should be".into()),
        false => (State::Different, format!("it says {tag}={values}")),
    }
}
