//! SEARCH (RFC 9051 §6.4.4, RFC 5182, RFC 5032, RFC 7162 §3.1.5): the question as the room understands it, and its answer.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::selected::Selected;
use super::{Done, Enabled, Ended, No, Sink, Stop};
use crate::imap::command::{Criterion, Numbers, Search, SearchReturn, Tag};
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::search::{Key, Query};
use crate::store::{ModSeq, Uid, Uids};

/// Turns at searching. Whoever searches on and on keeps others waiting for their own searches alone: those of one account go
/// on one after the other, and of all accounts a few at once, each in its turn. Nobody has a turn while an answer is written.
#[derive(Clone)]
pub(in crate::imap) struct Turns {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

impl Turns {
    /// One of all turns, and of the account's own.
    pub(in crate::imap) fn new(all: Arc<Semaphore>, own: Option<Arc<Semaphore>>) -> Self {
        let own = own.unwrap_or_else(|| Arc::new(Semaphore::new(1)));
        Self { all, own }
    }

    async fn take(&self) -> impl Sized + '_ {
        // Nobody closes them. The account's own comes first: who waits for it holds up nobody else.
        let own = self.own.acquire().await;
        (self.all.acquire().await, own)
    }
}

impl Selected {
    pub(super) async fn search<S: Sink>(
        &mut self,
        (account, turns): (&Account, &Turns),
        enabled: &mut Enabled,
        search: &Search,
        tag: &Tag,
        out: &mut S,
    ) -> Result<Done, Stop> {
        if search.by_modseq {
            self.enable_condstore(enabled, out);
        }
        let key = self.key(&search.criterion, &self.uids_saved())?;
        let found = match self.find(account, turns, &key, out).await {
            Ok(found) => found,
            Err(stop) => {
                // RFC 5182 §2.1
                if search.saves() {
                    self.saved.clear();
                }
                return Err(stop);
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

    /// It ends with who asked.
    async fn find<S: Sink>(
        &self,
        account: &Account,
        turns: &Turns,
        key: &Key,
        out: &mut S,
    ) -> Result<Vec<Uid>, Stop> {
        let query = Query::new(key).map_err(|error| No::new("LIMIT", error.to_string()))?;
        let found = async {
            let _turn = match query.reads_messages() {
                true => Some(turns.take().await),
                false => None,
            };
            account.mailboxes.search(&self.view, &query).await
        };
        tokio::select! {
            found = found => Ok(found?),
            gone = out.gone() => Err(Ended::Peer(gone).into()),
        }
    }

    /// What the last search found, once however often it's named.
    fn uids_saved(&self) -> Arc<Uids> {
        Arc::new(Uids::of(self.saved.iter().copied()))
    }

    /// Numbers mean UIDs of the messages that the client knows now. They stay ranges: a line may name all messages hundreds
    /// of times.
    fn key(&self, criterion: &Criterion, saved: &Arc<Uids>) -> Result<Key, No> {
        let all = |all: &[Criterion]| -> Result<Vec<Key>, No> {
            all.iter().map(|one| self.key(one, saved)).collect()
        };
        Ok(match criterion {
            Criterion::Key(key) => key.clone(),
            Criterion::Numbers(numbers, uid) => Key::Uids(match numbers {
                Numbers::Saved => saved.clone(),
                Numbers::Set(set) if *uid => Arc::new(self.uids(set)),
                Numbers::Set(set) => Arc::new(self.uids_numbered(set)?),
            }),
            Criterion::Not(inner) => Key::Not(Box::new(self.key(inner, saved)?)),
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

#[cfg(test)]
impl Selected {
    /// How many ranges the question's numbers are.
    pub(super) fn ranges(&self, criterion: &Criterion) -> usize {
        fn count(key: &Key) -> usize {
            match key {
                Key::Uids(uids) => uids.ranges().len(),
                Key::Not(key) => count(key),
                Key::Any(keys) | Key::Every(keys) => keys.iter().map(count).sum(),
                _ => 0,
            }
        }
        let key = self.key(criterion, &self.uids_saved());
        key.map_or(0, |key| count(&key))
    }
}
