//! LIST and LSUB: which of the names fit, and what is said of each.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

use super::place::Shown;
use super::{Desk, Done, No, Sink, Stop};
use crate::imap::codec::names;
use crate::imap::command::{List, StatusItem};
use crate::imap::write;
use crate::store::SpecialUse;

/// The most that all patterns of a LIST may have, in octets: a name has 255.
const MOST: usize = 2048;

/// A name that may be listed.
struct Listed<'f> {
    name: &'f str,
    /// None if only others stand in it.
    shown: Option<&'f Shown>,
    has_children: bool,
    /// How much room an EXPUNGE would free, if it's asked for.
    freed: u64,
    /// Somewhere below stands what was asked for.
    child_fits: bool,
}

impl Desk {
    pub(super) async fn list<S: Sink>(&mut self, list: &List, out: &mut S) -> Result<Done, Stop> {
        if matches!(list.patterns.as_slice(), [pattern] if pattern.is_empty()) && !list.extended {
            let verb = if list.lsub { "LSUB" } else { "LIST" };
            out.line(format_args!("* {verb} (\\Noselect) \"/\" \"\""));
            return Ok(Done::plain());
        }
        let patterns = self.patterns(list)?;
        let folders = self.all_folders().await?;
        if list.status.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore(out);
        }
        let asks_freed = list.status.contains(&StatusItem::DeletedStorage);
        for mut listed in all_names(&folders, list) {
            if patterns.iter().any(|pattern| fits(pattern, listed.name)) {
                if let Some(shown) = listed.shown.filter(|_| asks_freed) {
                    listed.freed = self.deleted_room(&shown.whose, &shown.folder).await?;
                }
                self.write_listed(&listed, list, &patterns, out.buffer());
                out.relieve().await?;
            }
            // So many names and patterns may take their time: others have their turn.
            tokio::task::yield_now().await;
        }
        Ok(Done::plain())
    }

    fn patterns(&self, list: &List) -> Result<Vec<String>, No> {
        let text = |raw: &[u8]| {
            let text = names::decode(raw, self.enabled.rev2);
            text.ok_or_else(|| No::new("CANNOT", "The name is neither UTF-8 nor UTF-7"))
        };
        let reference = text(&list.reference)?;
        let (mut patterns, mut size) = (Vec::with_capacity(list.patterns.len()), 0);
        for pattern in &list.patterns {
            let pattern = format!("{reference}{}", text(pattern)?);
            size += pattern.len();
            if size > MOST {
                return Err(No::new("LIMIT", "The patterns have more than 2,048 octets"));
            }
            // As names are written.
            patterns.push(pattern.nfc().collect());
        }
        Ok(patterns)
    }

    fn write_listed(
        &self,
        listed: &Listed<'_>,
        list: &List,
        patterns: &[String],
        out: &mut Vec<u8>,
    ) {
        let asked = listed.shown.is_some_and(|shown| asked_for(shown, list));
        // LSUB shows what only others stand in if these can't be seen themselves (RFC 3501 §6.3.9).
        let only_above = list.lsub && patterns.iter().all(|pattern| !pattern.contains('*'));
        let instead = listed.child_fits && (list.recursive || only_above);
        let plain = !list.only_subscribed && !list.only_special;
        if !(asked || instead || plain && listed.shown.is_none()) {
            return;
        }
        out.extend_from_slice(if list.lsub { b"* LSUB (" } else { b"* LIST (" });
        let begin = out.len();
        for attribute in self.attributes(listed, list, asked) {
            if out.len() > begin {
                out.push(b' ');
            }
            out.extend_from_slice(attribute.as_bytes());
        }
        out.extend_from_slice(b") \"/\" ");
        write::name(out, listed.name, self.enabled.rev2);
        if list.recursive && listed.child_fits && list.only_subscribed {
            out.extend_from_slice(b" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
        }
        out.extend_from_slice(b"\r\n");
        if let Some(shown) = listed.shown.filter(|_| !list.status.is_empty()) {
            let status = (&shown.folder.record, listed.freed);
            self.write_status(out, listed.name, status, &list.status);
        }
    }

    fn attributes(&self, listed: &Listed<'_>, list: &List, asked: bool) -> Vec<&'static str> {
        let mut attributes = Vec::new();
        match listed.shown {
            None if list.extended || self.enabled.rev2 => attributes.push("\\NonExistent"),
            None => attributes.push("\\Noselect"),
            Some(_) if list.lsub && !asked => attributes.push("\\Noselect"),
            Some(_) => {}
        }
        if list.lsub {
            return attributes;
        }
        attributes.push(match listed.has_children {
            true => "\\HasChildren",
            false => "\\HasNoChildren",
        });
        if let Some(shown) = listed.shown {
            if list.tell_subscribed && shown.is_subscribed() {
                attributes.push("\\Subscribed");
            }
            attributes.extend(shown.attribute());
        }
        attributes
    }
}

/// RFC 6154 §2. INBOX is known by its name, and no program knows the last.
fn attribute(special: SpecialUse) -> Option<&'static str> {
    match special {
        SpecialUse::Drafts => Some("\\Drafts"),
        SpecialUse::Sent => Some("\\Sent"),
        SpecialUse::Junk => Some("\\Junk"),
        SpecialUse::Trash => Some("\\Trash"),
        SpecialUse::Archive => Some("\\Archive"),
        SpecialUse::Inbox | SpecialUse::Unconfirmed => None,
    }
}

impl Shown {
    /// Whether mail programs are to show it: a role's always.
    fn is_subscribed(&self) -> bool {
        self.whose.is_role() || self.folder.record.subscribed
    }

    fn attribute(&self) -> Option<&'static str> {
        let special = self.whose.special_use(&self.folder.record.name);
        special.and_then(attribute)
    }
}

fn asked_for(shown: &Shown, list: &List) -> bool {
    (!list.only_subscribed || shown.is_subscribed())
        && (!list.only_special || shown.attribute().is_some())
}

/// All folders, and the names in which some stand though they are no folders.
fn all_names<'f>(folders: &'f [Shown], list: &List) -> Vec<Listed<'f>> {
    let above = |name: &'f str| name.match_indices('/').map(move |(at, _)| &name[..at]);
    let (mut parents, mut of_asked) = (BTreeSet::new(), BTreeSet::new());
    for folder in folders {
        let name = folder.name.as_str();
        parents.extend(above(name));
        if asked_for(folder, list) {
            of_asked.extend(above(name));
        }
    }
    let listed = |name, shown| Listed {
        name,
        shown,
        has_children: parents.contains(name),
        freed: 0,
        child_fits: of_asked.contains(name),
    };
    let there = folders
        .iter()
        .map(|folder| (folder.name.as_str(), Some(folder)));
    let names: BTreeSet<&str> = there.clone().map(|(name, _)| name).collect();
    let only_above = parents.iter().filter(|name| !names.contains(*name));
    let mut all: Vec<_> = there.map(|(name, folder)| listed(name, folder)).collect();
    all.extend(only_above.map(|name| listed(name, None)));
    all
}

/// Whether a name fits a pattern: `*` stands for anything, `%` for anything on one level. INBOX has no case. It takes as many
/// steps as the pattern has octets for each of the name's, whatever both are.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let inbox = SpecialUse::Inbox.name().as_bytes();
    let is_inbox = name == inbox || name.starts_with(b"INBOX/");
    // How many signs of the pattern the name fits so far: all numbers for which it does.
    let mut fitting = vec![false; pattern.len() + 1];
    fitting[0] = true;
    skip_wildcards(pattern, &mut fitting);
    for (at, octet) in name.iter().enumerate() {
        let any_case = is_inbox && at < inbox.len();
        let mut before = std::mem::replace(&mut fitting[0], false);
        for (sign, fits) in pattern.iter().zip(&mut fitting[1..]) {
            let now = match sign {
                b'*' => *fits,
                b'%' => *fits && *octet != b'/',
                sign => {
                    before && (sign == octet || any_case && sign.to_ascii_uppercase() == *octet)
                }
            };
            before = std::mem::replace(fits, now);
        }
        skip_wildcards(pattern, &mut fitting);
    }
    fitting[pattern.len()]
}

/// A wildcard may stand for nothing.
fn skip_wildcards(pattern: &[u8], fitting: &mut [bool]) {
    for (at, sign) in pattern.iter().enumerate() {
        if matches!(sign, b'*' | b'%') && fitting[at] {
            fitting[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_know_levels() {
        for (pattern, name, fit) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("%/%", "a/b", true),
            ("a/*", "a/b/c", true),
            ("a/*", "a", false),
            ("a*", "a", true),
            ("inbox", "INBOX", true),
            ("inbox/%", "INBOX/x", true),
            ("%X", "INBOX/X", false),
            ("*x", "a/x", true),
            ("A", "a", false),
            ("%b%d", "abcd", true),
            ("*/%c", "a/b/bc", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    /// What it means, by trying everything.
    fn simply(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                simply(&pattern[1..], name) || !name.is_empty() && simply(pattern, &name[1..])
            }
            (Some(b'%'), next) => {
                let more = next.is_some_and(|next| *next != b'/');
                simply(&pattern[1..], name) || more && simply(pattern, &name[1..])
            }
            (Some(sign), Some(next)) => sign == next && simply(&pattern[1..], &name[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn all_patterns_mean_what_they_say(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}") {
            prop_assert_eq!(fits(&pattern, &name), simply(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
