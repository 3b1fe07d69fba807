//! What became of an open folder, in the words of the protocol.

use super::selected::Selected;
use super::sink::Sink;
use super::{Enabled, Ended};
use crate::imap::write;
use crate::mailbox::{Known, News};
use crate::store::{Flags, StoreError};

impl Selected {
    /// Tells what is new, if something may be; messages that are gone only when numbers may move.
    pub(super) async fn tell<S: Sink>(
        &mut self,
        enabled: Enabled,
        may_move: bool,
        out: &mut S,
    ) -> Result<(), Ended> {
        if let Some(news) = self.learn(may_move).await? {
            self.write_news(&news, enabled, |_| Aloud::Yes, out).await?;
        }
        Ok(())
    }

    /// Learns what is new, if something may be. A store that can't be read has no news.
    pub(super) async fn learn(&mut self, may_move: bool) -> Result<Option<News>, Ended> {
        let waits = may_move && self.view.holds_back();
        if !self.view.is_stale() && !self.stirred && !waits {
            return Ok(None);
        }
        self.stirred = false;
        let learnt = match may_move {
            true => self.view.catch_up().await,
            false => self.view.catch_up_in_place().await,
        };
        match learnt {
            Ok(Some(news)) => Ok(Some(news)),
            Ok(None) => Err(Ended::FolderGone),
            Err(StoreError::Stopped) => Err(Ended::FolderGone),
            Err(error) => {
                tracing::error!(%error, "a session can't learn what became of its folder");
                self.stirred = true;
                Ok(None)
            }
        }
    }

    /// Says news; how much of a message whose marks changed, the caller knows.
    pub(super) async fn write_news<S: Sink>(
        &mut self,
        news: &News,
        enabled: Enabled,
        aloud: impl Fn(&Known) -> Aloud,
        out: &mut S,
    ) -> Result<(), Ended> {
        if !news.vanished.is_empty() {
            if enabled.qresync {
                let buffer = out.buffer();
                buffer.extend_from_slice(b"* VANISHED ");
                write::set(buffer, news.vanished.iter().map(|uid| uid.0));
                buffer.extend_from_slice(b"\r\n");
            } else {
                // The last first: none of the others moves by it.
                for place in news.places.iter().rev() {
                    out.line(format_args!("* {} EXPUNGE", place + 1));
                    out.relieve().await?;
                }
            }
            self.saved
                .retain(|uid| news.vanished.binary_search(uid).is_err());
        }
        if !news.arrived.is_empty() {
            out.line(format_args!("* {} EXISTS", self.view.known().len()));
        }
        self.tell_keywords(out);
        for uid in &news.changed {
            if let Some(place) = self.view.place_of(*uid) {
                let known = self.view.known()[place];
                self.write_change(place, &known, enabled, aloud(&known), out);
                out.relieve().await?;
            }
        }
        Ok(())
    }

    /// `* 3 FETCH (UID 7 FLAGS (\Seen) MODSEQ (12))`
    pub(super) fn write_change<S: Sink>(
        &self,
        place: usize,
        known: &Known,
        enabled: Enabled,
        aloud: Aloud,
        out: &mut S,
    ) {
        if aloud == Aloud::No || (aloud == Aloud::ModSeq && !enabled.condstore) {
            return;
        }
        let buffer = out.buffer();
        buffer.extend_from_slice(b"* ");
        write::number(buffer, place as u64 + 1);
        buffer.extend_from_slice(b" FETCH (UID ");
        write::number(buffer, known.uid.0.into());
        if aloud == Aloud::Yes {
            buffer.extend_from_slice(b" FLAGS ");
            write::marks(buffer, &self.view.marks(known));
        }
        if enabled.condstore {
            buffer.extend_from_slice(b" MODSEQ (");
            write::number(buffer, known.modseq.0);
            buffer.push(b')');
        }
        buffer.extend_from_slice(b")\r\n");
    }

    /// Says up to which change all was told, if something is held back: a client that took the number of a later change for
    /// that would never hear of it, should its line break now (RFC 7162 §3.2.4).
    pub(super) fn tell_how_far<S: Sink>(&self, enabled: Enabled, out: &mut S) {
        if enabled.qresync && self.view.holds_back() {
            let told = self.view.told();
            out.line(format_args!(
                "* OK [HIGHESTMODSEQ {told}] Some news is still to come"
            ));
        }
    }

    /// From now on changes are told by their numbers. Who asks for these for the first time hears the folder's last (RFC 7162
    /// §3.1).
    pub(super) fn enable_condstore<S: Sink>(&self, enabled: &mut Enabled, out: &mut S) {
        if !std::mem::replace(&mut enabled.condstore, true) {
            let told = self.view.told();
            out.line(format_args!("* OK [HIGHESTMODSEQ {told}] The last change"));
        }
    }

    /// The folder's keywords, if some are new.
    pub(super) fn tell_keywords<S: Sink>(&mut self, out: &mut S) {
        let keywords = self.view.keywords();
        if keywords.len() > self.keywords_told {
            self.keywords_told = keywords.len();
            let buffer = out.buffer();
            buffer.extend_from_slice(b"* FLAGS ");
            write::flag_list(buffer, Flags::ALL, self.view.keywords().iter(), false);
            buffer.extend_from_slice(b"\r\n");
        }
    }
}

/// How much is told of a message whose marks changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aloud {
    /// All.
    Yes,
    /// Only the number of the change: the client knows the rest, since it did it.
    ModSeq,
    /// Nothing.
    No,
}
