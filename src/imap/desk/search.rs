//! SEARCH (RFC 9051 §6.4.4, RFC 5182, RFC 5032, RFC 7162 §3.1.5): the question as the room understands it, and its answer.

use super::selected::Selected;
use super::{Done, Enabled, No, Sink, Stop};
use crate::imap::command::{Criterion, Search, SearchReturn, Tag};
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::search::{Key, Query};
use crate::store::{ModSeq, Uid, Uids};

impl Selected {
    pub(super) async fn search<S: Sink>(
        &mut self,
        account: &Account,
        enabled: &mut Enabled,
        search: &Search,
        tag: &Tag,
        out: &mut S,
    ) -> Result<Done, Stop> {
        enabled.condstore |= search.by_modseq;
        let key = self.key(&search.criterion)?;
        let saves = search.wanted.is_some_and(|wanted| wanted.save);
        let found = match self.find(account, &key).await {
            Ok(found) => found,
            Err(no) => {
                // RFC 5182 §2.1
                if saves {
                    self.saved.clear();
                }
                return Err(no.into());
            }
        };
        let wanted = match search.wanted {
            // The new revision knows no other answer.
            None if enabled.rev2 => Some(SearchReturn::ALL),
            wanted => wanted,
        };
        match wanted {
            Some(wanted) => self.answer_by(&wanted, search, &found, tag, out.buffer()),
            None => self.answer_plainly(search, &found, out.buffer()),
        }
        out.relieve().await?;
        if let Some(wanted) = search.wanted.filter(|wanted| wanted.save) {
            self.saved = match wanted.all || wanted.count || !(wanted.min || wanted.max) {
                true => found,
                false => ends(&wanted, &found),
            };
        }
        Ok(Done::plain())
    }

    async fn find(&self, account: &Account, key: &Key) -> Result<Vec<Uid>, No> {
        let query = Query::new(key).map_err(|error| No::new("LIMIT", error.to_string()))?;
        Ok(account.mailboxes.search(&self.view, &query).await?)
    }

    /// Numbers mean UIDs of the messages that the client knows now.
    fn key(&self, criterion: &Criterion) -> Result<Key, No> {
        let all = |all: &[Criterion]| -> Result<Vec<Key>, No> {
            all.iter().map(|one| self.key(one)).collect()
        };
        Ok(match criterion {
            Criterion::Key(key) => key.clone(),
            Criterion::Numbers(numbers, uid) => {
                let places = self.places(numbers, *uid)?;
                Key::Uids(Uids::of(self.uids_at(&places)))
            }
            Criterion::Not(inner) => Key::Not(Box::new(self.key(inner)?)),
            Criterion::Any(inner) => Key::Any(all(inner)?),
            Criterion::Every(inner) => Key::Every(all(inner)?),
        })
    }

    /// The numbers by which the client counts.
    fn numbers<'s>(&'s self, found: &'s [Uid], uid: bool) -> impl Iterator<Item = u32> + 's {
        found.iter().filter_map(move |one| match uid {
            true => Some(one.0),
            false => u32::try_from(self.view.place_of(*one)? + 1).ok(),
        })
    }

    /// `* SEARCH 2 84 882 (MODSEQ 917162500)`
    fn answer_plainly(&self, search: &Search, found: &[Uid], out: &mut Vec<u8>) {
        out.extend_from_slice(b"* SEARCH");
        for number in self.numbers(found, search.uid) {
            out.push(b' ');
            write::number(out, number.into());
        }
        if let Some(modseq) = self.last_change(found).filter(|_| search.by_modseq) {
            out.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// `* ESEARCH (TAG "a") UID MIN 2 COUNT 3 ALL 2,10:11`
    fn answer_by(
        &self,
        wanted: &SearchReturn,
        search: &Search,
        found: &[Uid],
        tag: &Tag,
        out: &mut Vec<u8>,
    ) {
        if !(wanted.min || wanted.max || wanted.all || wanted.count) {
            return;
        }
        out.extend_from_slice(b"* ESEARCH (TAG ");
        write::string(out, tag.0.as_bytes());
        out.push(b')');
        if search.uid {
            out.extend_from_slice(b" UID");
        }
        let ends = [
            (wanted.min, " MIN ", found.first()),
            (wanted.max, " MAX ", found.last()),
        ];
        for (asked, name, uid) in ends {
            if let Some(uid) = uid.filter(|_| asked) {
                out.extend_from_slice(name.as_bytes());
                write::set(out, self.numbers(&[*uid], search.uid));
            }
        }
        if wanted.count {
            out.extend_from_slice(b" COUNT ");
            write::number(out, found.len() as u64);
        }
        if wanted.all && !found.is_empty() {
            out.extend_from_slice(b" ALL ");
            write::set(out, self.numbers(found, search.uid));
        }
        // Of what is told (RFC 4731 §3.2).
        let told = match wanted.all || wanted.count {
            true => self.last_change(found),
            false => self.last_change(&self::ends(wanted, found)),
        };
        if let Some(modseq) = told.filter(|_| search.by_modseq) {
            out.extend_from_slice(format!(" MODSEQ {modseq}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn last_change(&self, found: &[Uid]) -> Option<ModSeq> {
        let known = self.view.known();
        let places = found.iter().filter_map(|uid| self.view.place_of(*uid));
        places.map(|place| known[place].modseq).max()
    }
}

/// The first and the last, as far as they are wanted.
fn ends(wanted: &SearchReturn, found: &[Uid]) -> Vec<Uid> {
    let first = found.first().filter(|_| wanted.min);
    let last = found.last().filter(|_| wanted.max);
    let mut ends: Vec<Uid> = first.into_iter().chain(last).copied().collect();
    ends.dedup();
    ends
}
