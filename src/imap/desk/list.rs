//! LIST and LSUB: which of the names fit, and what is said of each.

use std::collections::BTreeSet;

use super::folder::write_status;
use super::{Desk, Done, No, Sink, Stop};
use crate::imap::codec::names;
use crate::imap::command::List;
use crate::imap::write;
use crate::store::{Folder, SpecialUse};

/// A name that may be listed.
struct Listed<'f> {
    name: &'f str,
    /// None if only others stand in it.
    folder: Option<&'f Folder>,
    has_children: bool,
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
        let folders = self.account.mailboxes.folders(self.account.mailbox).await?;
        for listed in all_names(&folders, list) {
            if patterns.iter().any(|pattern| fits(pattern, listed.name)) {
                self.write_listed(&listed, list, &patterns, out.buffer());
                out.relieve().await?;
            }
        }
        Ok(Done::plain())
    }

    fn patterns(&self, list: &List) -> Result<Vec<String>, No> {
        let text = |raw: &[u8]| {
            let text = names::decode(raw, self.enabled.rev2);
            text.ok_or_else(|| No::new("CANNOT", "The name is neither UTF-8 nor UTF-7"))
        };
        let reference = text(&list.reference)?;
        let patterns = list.patterns.iter();
        patterns
            .map(|pattern| Ok(format!("{reference}{}", text(pattern)?)))
            .collect()
    }

    fn write_listed(
        &self,
        listed: &Listed<'_>,
        list: &List,
        patterns: &[String],
        out: &mut Vec<u8>,
    ) {
        let asked = listed.folder.is_some_and(|folder| asked_for(folder, list));
        // LSUB shows what only others stand in if these can't be seen themselves (RFC 3501 §6.3.9).
        let only_above = list.lsub && patterns.iter().all(|pattern| !pattern.contains('*'));
        let instead = listed.child_fits && (list.recursive || only_above);
        let plain = !list.only_subscribed && !list.only_special;
        if !(asked || instead || plain && listed.folder.is_none()) {
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
        if let Some(folder) = listed.folder.filter(|_| !list.status.is_empty()) {
            write_status(out, &folder.record, &list.status, self.enabled.rev2);
        }
    }

    fn attributes(&self, listed: &Listed<'_>, list: &List, asked: bool) -> Vec<&'static str> {
        let mut attributes = Vec::new();
        match listed.folder {
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
        if let Some(folder) = listed.folder {
            if list.tell_subscribed && folder.record.subscribed {
                attributes.push("\\Subscribed");
            }
            attributes.extend(folder.record.name.special_use().and_then(attribute));
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

fn asked_for(folder: &Folder, list: &List) -> bool {
    let special = || folder.record.name.special_use().and_then(attribute);
    (!list.only_subscribed || folder.record.subscribed)
        && (!list.only_special || special().is_some())
}

/// All folders, and the names in which some stand though they are no folders.
fn all_names<'f>(folders: &'f [Folder], list: &List) -> Vec<Listed<'f>> {
    let above = |name: &'f str| name.match_indices('/').map(move |(at, _)| &name[..at]);
    let (mut parents, mut of_asked) = (BTreeSet::new(), BTreeSet::new());
    for folder in folders {
        let name = folder.record.name.as_str();
        parents.extend(above(name));
        if asked_for(folder, list) {
            of_asked.extend(above(name));
        }
    }
    let listed = |name, folder| Listed {
        name,
        folder,
        has_children: parents.contains(name),
        child_fits: of_asked.contains(name),
    };
    let there = folders
        .iter()
        .map(|folder| (folder.record.name.as_str(), Some(folder)));
    let names: BTreeSet<&str> = there.clone().map(|(name, _)| name).collect();
    let only_above = parents.iter().filter(|name| !names.contains(*name));
    let mut all: Vec<_> = there.map(|(name, folder)| listed(name, folder)).collect();
    all.extend(only_above.map(|name| listed(name, None)));
    all
}

/// Whether a name fits a pattern: `*` stands for anything, `%` for anything on one level. INBOX has no case.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let inbox = SpecialUse::Inbox.name().as_bytes();
    let is_inbox = name == inbox || name.starts_with(b"INBOX/");
    let same = |at: usize, sign: u8| {
        name[at] == sign || is_inbox && at < inbox.len() && name[at] == sign.to_ascii_uppercase()
    };
    // Where the pattern and the name are, and where to go back to if the last wildcard took too little.
    let (mut p, mut n) = (0, 0);
    let (mut star, mut percent) = (None::<(usize, usize)>, None::<(usize, usize)>);
    loop {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                percent = None;
                p += 1;
                continue;
            }
            Some(b'%') => {
                percent = Some((p, n));
                p += 1;
                continue;
            }
            Some(sign) if n < name.len() && same(n, *sign) => {
                (p, n) = (p + 1, n + 1);
                continue;
            }
            None if n == name.len() => return true,
            _ => {}
        }
        if let Some((at, taken)) = percent
            && taken < name.len()
            && name[taken] != b'/'
        {
            percent = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else if let Some((at, taken)) = star
            && taken < name.len()
        {
            star = Some((at, taken + 1));
            percent = None;
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
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
