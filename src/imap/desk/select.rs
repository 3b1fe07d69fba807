//! Opening and leaving a folder.

use super::place::Found;
use super::selected::Selected;
use super::{Desk, Done, No, Sink, Stop};
use crate::imap::command::{Resync, Select};
use crate::imap::write;
use crate::mailbox::MailboxError;
use crate::store::{ActRefusal, Flags, Uids};

impl Desk {
    pub(super) async fn select<S: Sink>(
        &mut self,
        select: &Select,
        out: &mut S,
    ) -> Result<Done, Stop> {
        if select.resync.is_some() && !self.enabled.qresync {
            return Err(No::bad("Enable QRESYNC first").into());
        }
        // Whatever comes of it, the old one is left (RFC 9051 §6.3.2).
        if self.selected.take().is_some() {
            out.line(format_args!("* OK [CLOSED] The other folder is left"));
        }
        let Found { whose, folder } = self.folder(&select.name).await?;
        let view = match self.account.mailboxes.open(folder.id).await {
            Err(MailboxError::Refused(ActRefusal::NoFolder)) => return Err(No::no_folder().into()),
            view => view?,
        };
        self.enabled.condstore |= select.condstore;
        let selected = Selected::new(whose, view, select.read_only);
        self.write_opening(&selected, out);
        if let Some(resync) = &select.resync {
            self.resync(&selected, resync, out).await?;
        }
        let code = if select.read_only {
            "READ-ONLY"
        } else {
            "READ-WRITE"
        };
        self.selected = Some(selected);
        Ok(Done::coded(code))
    }

    fn write_opening<S: Sink>(&self, selected: &Selected, out: &mut S) {
        let view = &selected.view;
        let (folder, known) = (view.folder(), view.known());
        let buffer = out.buffer();
        buffer.extend_from_slice(b"* FLAGS ");
        write::flag_list(buffer, Flags::ALL, view.keywords().iter(), false);
        buffer.extend_from_slice(b"\r\n* OK [PERMANENTFLAGS ");
        match selected.read_only {
            true => buffer.extend_from_slice(b"()"),
            false => {
                let more = folder.takes_keywords();
                write::flag_list(buffer, Flags::ALL, view.keywords().iter(), more);
            }
        }
        buffer.extend_from_slice(b"] These stay\r\n");
        out.line(format_args!("* {} EXISTS", known.len()));
        if self.enabled.rev2 {
            let buffer = out.buffer();
            buffer.extend_from_slice(b"* LIST () \"/\" ");
            write::name(buffer, &selected.whose.shown(&folder.name), true);
            buffer.extend_from_slice(b"\r\n");
        } else {
            out.line(format_args!("* 0 RECENT"));
            let unseen = known.iter().position(|one| !one.flags.has(Flags::SEEN));
            if let Some(place) = unseen {
                out.line(format_args!("* OK [UNSEEN {}] The first unread", place + 1));
            }
        }
        out.line(format_args!(
            "* OK [UIDVALIDITY {}] Of these UIDs",
            folder.uid_validity
        ));
        out.line(format_args!("* OK [UIDNEXT {}] The next", folder.uid_next));
        out.line(format_args!(
            "* OK [HIGHESTMODSEQ {}] The last change",
            folder.highest_modseq
        ));
    }

    /// What became of the folder since the client was here last (RFC 7162 §3.2.5). It's told as of the same change as the
    /// rest: what comes after it is news.
    async fn resync<S: Sink>(
        &self,
        selected: &Selected,
        resync: &Resync,
        out: &mut S,
    ) -> Result<(), Stop> {
        let folder = selected.view.folder();
        if resync.uid_validity != folder.uid_validity {
            return Ok(());
        }
        let asked = match &resync.known {
            Some(known) => selected.uids_given(known),
            None => Uids::of_ranges([(1, folder.uid_next.0.saturating_sub(1).max(1))]),
        };
        let mailboxes = &self.account.mailboxes;
        let vanished = mailboxes
            .vanished_since(selected.view.id(), resync.since)
            .await?;
        let vanished = selected.gone(&asked, vanished.as_ref());
        selected.write_earlier(&vanished, out);
        for (place, known) in selected.view.known().iter().enumerate() {
            if known.modseq > resync.since && asked.contains(known.uid) {
                let enabled = self.enabled;
                selected.write_change(place, known, enabled, super::news::Aloud::Yes, out);
                out.relieve().await?;
            }
        }
        Ok(())
    }

    pub(super) async fn close(&mut self) -> Result<Done, Stop> {
        let (selected, account, _) = self.open()?;
        if !selected.read_only {
            let newest = selected.newest();
            selected.learn(false).await?;
            selected.expunge(account, None, newest).await?;
        }
        self.selected = None;
        Ok(Done::plain())
    }
}

impl Selected {
    /// Of these UIDs, those that are gone: by what is known of that, or because they aren't there.
    pub(super) fn gone(&self, asked: &Uids, vanished: Option<&Uids>) -> Uids {
        let next = self.view.folder().uid_next.0;
        let mut gone = Vec::new();
        for (first, last) in asked.ranges() {
            let last = (*last).min(next.saturating_sub(1));
            let mut from = *first;
            while from <= last {
                // Up to the next that is there.
                let place = self.view.known().partition_point(|one| one.uid.0 < from);
                let there = self
                    .view
                    .known()
                    .get(place)
                    .map_or(u32::MAX, |one| one.uid.0);
                if there > from {
                    gone.push((from, last.min(there - 1)));
                }
                match there.checked_add(1) {
                    Some(next) => from = next,
                    None => break,
                }
            }
        }
        match vanished {
            Some(vanished) => both(&Uids::of_ranges(gone), vanished),
            None => Uids::of_ranges(gone),
        }
    }

    pub(super) fn write_earlier<S: Sink>(&self, vanished: &Uids, out: &mut S) {
        if vanished.is_empty() {
            return;
        }
        let buffer = out.buffer();
        buffer.extend_from_slice(b"* VANISHED (EARLIER) ");
        for (at, (first, last)) in vanished.ranges().iter().enumerate() {
            if at > 0 {
                buffer.push(b',');
            }
            write::number(buffer, (*first).into());
            if last > first {
                buffer.push(b':');
                write::number(buffer, (*last).into());
            }
        }
        buffer.extend_from_slice(b"\r\n");
    }
}

/// What is in both.
fn both(one: &Uids, other: &Uids) -> Uids {
    let mut common = Vec::new();
    let (mut a, mut b) = (
        one.ranges().iter().peekable(),
        other.ranges().iter().peekable(),
    );
    while let (Some((a_first, a_last)), Some((b_first, b_last))) = (a.peek(), b.peek()) {
        let (first, last) = (a_first.max(b_first), a_last.min(b_last));
        if first <= last {
            common.push((*first, *last));
        }
        if a_last < b_last {
            a.next();
        } else {
            b.next();
        }
    }
    Uids::of_ranges(common)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Uid;

    #[test]
    fn what_is_in_both_is_found() {
        let one = Uids::of_ranges([(1, 5), (7, 9), (20, u32::MAX)]);
        let other = Uids::of_ranges([(2, 2), (5, 8), (10, 25)]);
        assert_eq!(
            both(&one, &other),
            Uids::of_ranges([(2, 2), (5, 5), (7, 8), (20, 25)])
        );
        assert!(both(&one, &Uids::of([Uid(6)])).is_empty());
    }
}
