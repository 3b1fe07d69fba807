//! A folder that is open.

use super::No;
use super::place::Whose;
use crate::imap::codec::cursor::is_atom_char;
use crate::imap::command::{NumberSet, Numbers, STAR};
use crate::imap::write::system_flag;
use crate::mailbox::{Known, View};
use crate::store::{Keyword, Marks, Uid, Uids};

/// An open folder.
pub(super) struct Selected {
    /// In whose mailbox it is. It's looked at anew for each command.
    pub(super) whose: Whose,
    pub(super) view: View,
    pub(super) read_only: bool,
    /// What the last search found (RFC 5182).
    pub(super) saved: Vec<Uid>,
    /// How many of the folder's keywords the client has heard of.
    pub(super) keywords_told: usize,
    /// Something was done to it here, which is to be told.
    pub(super) stirred: bool,
}

impl Selected {
    pub(super) fn new(whose: Whose, view: View, read_only: bool) -> Self {
        Self {
            whose,
            keywords_told: view.keywords().len(),
            view,
            read_only,
            saved: Vec::new(),
            stirred: false,
        }
    }

    /// Waits until there may be news; a folder that is gone is news.
    pub(super) async fn wait(&mut self) {
        self.view.wait().await;
        self.stirred = true;
    }

    /// The places of the messages that are meant, ascending, each once.
    pub(super) fn places(&self, numbers: &Numbers, uid: bool) -> Result<Vec<usize>, No> {
        match numbers {
            Numbers::Saved => {
                let places = self.saved.iter().filter_map(|uid| self.view.place_of(*uid));
                Ok(places.collect())
            }
            Numbers::Set(set) if uid => {
                let mut places = Vec::new();
                let known = self.view.known();
                for (first, last) in self.uids(set).ranges() {
                    let from = known.partition_point(|one| one.uid.0 < *first);
                    let to = known.partition_point(|one| one.uid.0 <= *last);
                    places.extend(from..to);
                }
                Ok(places)
            }
            Numbers::Set(set) => {
                let numbers = self.numbered(set)?;
                let ranges = numbers.ranges().iter();
                Ok(ranges
                    .flat_map(|(first, last)| *first as usize - 1..*last as usize)
                    .collect())
            }
        }
    }

    /// A set of UIDs, with the last there is in the place of `*`.
    pub(super) fn uids(&self, set: &NumberSet) -> Uids {
        uids_up_to(self.view.known().last().map_or(1, |one| one.uid.0), set)
    }

    /// The same where what is gone is asked for: `*` is the last that was ever given, and may be gone itself.
    pub(super) fn uids_given(&self, set: &NumberSet) -> Uids {
        let next = self.view.folder().uid_next.0;
        uids_up_to(next.saturating_sub(1).max(1), set)
    }

    /// The UIDs from the first to the last of each range of numbers. What stands in between and isn't known is no message.
    pub(super) fn uids_numbered(&self, set: &NumberSet) -> Result<Uids, No> {
        let known = self.view.known();
        let uid = |number: u32| {
            let one = (number as usize)
                .checked_sub(1)
                .and_then(|place| known.get(place));
            one.map_or(0, |one| one.uid.0)
        };
        let numbers = self.numbered(set)?;
        let ranges = numbers.ranges().iter();
        Ok(Uids::of_ranges(
            ranges.map(|(first, last)| (uid(*first), uid(*last))),
        ))
    }

    /// A set of numbers, each of which is a message's, with the last there is in the place of `*`.
    fn numbered(&self, set: &NumberSet) -> Result<Uids, No> {
        let count = self.view.known().len();
        let exists = u32::try_from(count).unwrap_or(u32::MAX);
        // In an empty folder `1:*` is what everybody asks for.
        if exists == 0 && set.0.iter().all(|(a, b)| *a == STAR || *b == STAR) {
            return Ok(Uids::default());
        }
        let number = |number: u32| if number == STAR { exists } else { number };
        let all = Uids::of_ranges(set.0.iter().map(|(a, b)| (number(*a), number(*b))));
        let inside = |(first, last): &(u32, u32)| *first > 0 && *last <= exists;
        match all.ranges().iter().all(inside) {
            true => Ok(all),
            false => Err(No::bad("There is no message of this number")),
        }
    }

    pub(super) fn known(&self, places: &[usize]) -> Vec<Known> {
        let known = self.view.known();
        places
            .iter()
            .filter_map(|place| known.get(*place))
            .copied()
            .collect()
    }

    pub(super) fn uids_at(&self, places: &[usize]) -> Vec<Uid> {
        let known = self.view.known();
        let uids = places.iter().filter_map(|place| known.get(*place));
        uids.map(|one| one.uid).collect()
    }
}

fn uids_up_to(last: u32, set: &NumberSet) -> Uids {
    let number = |number: u32| if number == STAR { last } else { number };
    Uids::of_ranges(set.0.iter().map(|(a, b)| (number(*a), number(*b))))
}

/// Marks as a client wrote them. `\Recent` and the like nobody can set.
pub(super) fn read_marks(flags: &[String]) -> Result<Marks, No> {
    let mut marks = Marks::default();
    for flag in flags {
        if flag.starts_with('\\') {
            let known = system_flag(flag).ok_or_else(|| No::bad("This flag can't be set"))?;
            marks.flags = marks.flags.with(known);
        } else {
            let atom = flag.bytes().all(is_atom_char);
            let keyword = Keyword::parse(flag).ok().filter(|_| atom);
            let keyword = keyword.ok_or_else(|| {
                No::new("LIMIT", "A keyword is made of up to 64 plain characters")
            })?;
            marks.keywords.insert(keyword);
        }
    }
    Ok(marks)
}
