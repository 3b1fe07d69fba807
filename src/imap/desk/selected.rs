//! A folder that is open.

use super::No;
use crate::imap::codec::cursor::is_atom_char;
use crate::imap::command::{NumberSet, Numbers, STAR};
use crate::imap::write::system_flag;
use crate::mailbox::{Known, View};
use crate::store::{Keyword, Marks, Uid, Uids};

/// An open folder.
pub(super) struct Selected {
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
    pub(super) fn new(view: View, read_only: bool) -> Self {
        Self {
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
            Numbers::Set(set) => self.numbered(set),
        }
    }

    /// A set of UIDs, with the last there is in the place of `*`.
    pub(super) fn uids(&self, set: &NumberSet) -> Uids {
        let last = self.view.known().last().map_or(1, |one| one.uid.0);
        let number = |number: u32| if number == STAR { last } else { number };
        Uids::of_ranges(set.0.iter().map(|(a, b)| (number(*a), number(*b))))
    }

    fn numbered(&self, set: &NumberSet) -> Result<Vec<usize>, No> {
        let count = self.view.known().len();
        let exists = u32::try_from(count).unwrap_or(u32::MAX);
        let number = |number: u32| if number == STAR { exists } else { number };
        let ranges = set.0.iter().map(|(a, b)| (number(*a), number(*b)));
        // In an empty folder `1:*` is what everybody asks for.
        let empty = exists == 0 && set.0.iter().all(|(a, b)| *a == STAR || *b == STAR);
        if empty {
            return Ok(Vec::new());
        }
        let all = Uids::of_ranges(ranges);
        let mut places = Vec::new();
        for (first, last) in all.ranges() {
            if *first == 0 || *last > exists {
                return Err(No::bad("There is no message of this number"));
            }
            places.extend(*first as usize - 1..*last as usize);
        }
        Ok(places)
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
