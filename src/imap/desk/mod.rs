//! The desk: runs the commands of somebody who has logged in, against the room that has the folders. It knows no socket; what
//! it answers goes into a [`Sink`].
//!
//! | file | its job |
//! |---|---|
//! | `no` | why a command was not done |
//! | `sink` | where answers go |
//! | `place` | where a name points: into one's own mailbox, or into a role's |
//! | `folder` | folders as a whole: making, naming, removing, STATUS |
//! | `list` | LIST and LSUB |
//! | `quota` | how much room there is |
//! | `select` | opening and leaving a folder |
//! | `selected` | a folder that is open: its view, and which messages are meant |
//! | `news` | what became of it, told when numbers may move |
//! | `fetch` | reading messages |
//! | `batch` | what is read of several messages, ahead of what is written |
//! | `body` | parts of them, streamed |
//! | `search` | SEARCH |
//! | `mark` | STORE |
//! | `transfer` | COPY, MOVE, EXPUNGE |
//! | `append` | APPEND |
//!
//! A command of an open folder is a method of [`selected::Selected`]: without one there is nothing to run it on.

mod append;
mod batch;
mod body;
mod fetch;
mod folder;
mod list;
mod mark;
mod news;
mod no;
mod place;
mod quota;
mod search;
mod select;
mod selected;
mod sink;
mod transfer;

use std::io;

use append::Appending;
use place::Whose;
use selected::Selected;

pub(super) use no::No;
pub(super) use search::Turns;
pub(super) use sink::Sink;

use super::command::{Command, Extension, Numbers, Search, Tag};
use super::host::Account;
use super::session::{capabilities_after, tagged};
use crate::mailbox::MailboxError;
use crate::store::StoreError;

/// What a client has enabled (RFC 5161).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enabled {
    /// Mod-sequences are told.
    condstore: bool,
    /// What left is told by UID.
    qresync: bool,
    /// IMAP4rev2: names are UTF-8.
    rev2: bool,
}

/// Why a command ended early.
pub(super) enum Stop {
    /// It was refused; the session goes on.
    No(No),
    /// The session ends.
    Ended(Ended),
}

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The peer doesn't take what we write.
    #[error("the peer is gone: {0}")]
    Peer(#[from] io::Error),
    /// What can't be taken back was half said.
    #[error("a message could not be read to its end: run `hustings store verify`")]
    HalfSaid,
    /// The open folder is no more what the client knows.
    #[error("the folder is gone")]
    FolderGone,
}

impl From<No> for Stop {
    fn from(no: No) -> Self {
        Self::No(no)
    }
}

impl From<MailboxError> for Stop {
    fn from(error: MailboxError) -> Self {
        Self::No(error.into())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::No(error.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Ended(error.into())
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

/// What is said behind `OK`.
pub(super) enum Done {
    /// This.
    Said(String),
    /// The folder's last change, now that all of it was told (RFC 7162 §3.2.7).
    AsOfNow,
}

impl Done {
    fn plain() -> Self {
        Self::Said("Done".to_owned())
    }

    fn coded(code: &str) -> Self {
        Self::Said(format!("[{code}] Done"))
    }

    fn text(self, selected: Option<&Selected>) -> String {
        match (self, selected) {
            (Self::Said(text), _) => text,
            (Self::AsOfNow, Some(selected)) => {
                let change = selected.view.told();
                format!("[HIGHESTMODSEQ {change}] Done")
            }
            (Self::AsOfNow, None) => "Done".to_owned(),
        }
    }
}

/// Which news may be told behind a command (RFC 9051 §7.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Nothing,
    /// No number may move.
    InPlace,
    All,
}

impl Telling {
    fn behind(command: &Command) -> Self {
        match command {
            Command::Fetch(fetch) if !fetch.uid => Self::InPlace,
            Command::Store(store) if !store.uid => Self::InPlace,
            Command::Search(search) if !search.uid => Self::InPlace,
            Command::Logout | Command::Unselect | Command::Close | Command::Idle => Self::Nothing,
            // Its own answer tells all.
            Command::Select(_) => Self::Nothing,
            _ => Self::All,
        }
    }
}

/// Whether a command leaves the open folder, and asks nothing of it.
fn leaves(command: &Command) -> bool {
    matches!(command, Command::Select(_) | Command::Unselect)
}

/// Somebody's desk.
pub(super) struct Desk {
    account: Account,
    message_size: u64,
    enabled: Enabled,
    selected: Option<Selected>,
    append: Option<Appending>,
    turns: Turns,
}

impl Desk {
    /// The desk of somebody who has just logged in.
    pub(super) fn new(account: Account, message_size: u64, turns: Turns) -> Self {
        Self {
            turns,
            account,
            message_size,
            enabled: Enabled::default(),
            selected: None,
            append: None,
        }
    }

    /// Whose it is.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Runs a command and answers it; `true` if it was the last.
    pub(super) async fn run<S: Sink>(
        &mut self,
        tag: &Tag,
        command: Command,
        out: &mut S,
    ) -> Result<bool, Ended> {
        let telling = Telling::behind(&command);
        match command {
            Command::Logout => {
                out.buffer().extend_from_slice(b"* BYE Good bye\r\n");
                out.buffer().extend(tagged(tag, "OK", "Done"));
                return Ok(true);
            }
            Command::Idle => {
                out.buffer().extend_from_slice(b"+ Idling\r\n");
                self.tell(Telling::All, out).await?;
            }
            command => {
                if !leaves(&command) {
                    self.look_again()?;
                }
                let done = self.perform(tag, command, out).await;
                self.answer(tag, done, telling, out).await?;
            }
        }
        Ok(false)
    }

    /// Says what came of a command, with the news before it.
    async fn answer<S: Sink>(
        &mut self,
        tag: &Tag,
        done: Result<Done, Stop>,
        telling: Telling,
        out: &mut S,
    ) -> Result<(), Ended> {
        if let Err(Stop::Ended(ended)) = done {
            return Err(ended);
        }
        self.tell(telling, out).await?;
        let text = match done {
            Ok(done) => tagged(tag, "OK", &done.text(self.selected.as_ref())),
            Err(Stop::No(no)) => no.tagged(tag),
            Err(Stop::Ended(ended)) => return Err(ended),
        };
        out.buffer().extend(text);
        out.relieve().await?;
        Ok(())
    }

    async fn perform<S: Sink>(
        &mut self,
        tag: &Tag,
        command: Command,
        out: &mut S,
    ) -> Result<Done, Stop> {
        match command {
            Command::Capability => {
                let known = capabilities_after(self.message_size);
                out.line(format_args!("* CAPABILITY {known}"));
                Ok(Done::plain())
            }
            Command::Id => {
                out.line(format_args!("* ID (\"name\" \"Hustings\")"));
                Ok(Done::plain())
            }
            Command::Namespace => Ok(self.namespace(out)),
            Command::Enable(extensions) => Ok(self.enable(&extensions, out)),
            Command::Select(select) => self.select(&select, out).await,
            Command::Unselect => {
                self.selected.take().ok_or_else(No::not_selected)?;
                Ok(Done::plain())
            }
            Command::Close => self.close().await,
            Command::Create { name, special } => self.create(&name, special).await,
            Command::Delete(name) => self.delete(&name, out).await,
            Command::Rename { from, to } => self.rename(&from, &to).await,
            Command::Subscribe { name, wanted } => self.subscribe(&name, wanted).await,
            Command::List(list) => self.list(&list, out).await,
            Command::Status { name, items } => self.status(&name, &items, out).await,
            Command::Quota(root) => self.quota(&root, out).await,
            Command::QuotaRoot(name) => self.quota_root(&name, out).await,
            Command::Expunge(numbers) => self.expunge(numbers, out).await,
            Command::Search(search) => self.search(&search, tag, out).await,
            Command::Fetch(fetch) => {
                let (selected, account, enabled) = self.open()?;
                selected.fetch(account, enabled, fetch, out).await
            }
            Command::Store(store) => {
                let (selected, account, enabled) = self.open()?;
                selected.store(account, enabled, &store, out).await
            }
            Command::Transfer(transfer) => self.transfer(&transfer, out).await,
            // `run` and the intake have these.
            Command::Noop
            | Command::Logout
            | Command::Idle
            | Command::Login { .. }
            | Command::Authenticate { .. } => Ok(Done::plain()),
        }
    }

    fn enable<S: Sink>(&mut self, extensions: &[Extension], out: &mut S) -> Done {
        let (mut text, was) = (String::new(), self.enabled);
        for extension in extensions {
            let (is, name) = match extension {
                Extension::CondStore => (&mut self.enabled.condstore, " CONDSTORE"),
                Extension::QResync => (&mut self.enabled.qresync, " QRESYNC"),
                Extension::Rev2 => (&mut self.enabled.rev2, " IMAP4rev2"),
            };
            if !std::mem::replace(is, true) {
                text.push_str(name);
            }
        }
        out.line(format_args!("* ENABLED{text}"));
        // RFC 7162 §3.2.3
        if self.enabled.condstore || self.enabled.qresync {
            self.enabled.condstore = was.condstore;
            self.enable_condstore(out);
        }
        Done::plain()
    }

    fn enable_condstore<S: Sink>(&mut self, out: &mut S) {
        match &self.selected {
            Some(selected) => selected.enable_condstore(&mut self.enabled, out),
            None => self.enabled.condstore = true,
        }
    }

    /// The open folder, and what its commands need beside it.
    fn open(&mut self) -> Result<(&mut Selected, &Account, &mut Enabled), No> {
        let selected = self.selected.as_mut().ok_or_else(No::not_selected)?;
        Ok((selected, &self.account, &mut self.enabled))
    }

    /// Whose the open folder is, they may have been shut out of it: then it's gone for them.
    fn look_again(&mut self) -> Result<(), Ended> {
        if let Some(selected) = &mut self.selected {
            let again = selected.whose.again(&self.account.let_in);
            selected.whose = again.ok_or(Ended::FolderGone)?;
        }
        Ok(())
    }

    /// Tells what is new, if anything is.
    async fn tell<S: Sink>(&mut self, telling: Telling, out: &mut S) -> Result<(), Ended> {
        if telling != Telling::Nothing {
            self.look_again()?;
        }
        let Some(selected) = &mut self.selected else {
            return Ok(());
        };
        let may_move = match telling {
            Telling::Nothing => return Ok(()),
            Telling::InPlace => false,
            Telling::All => true,
        };
        selected.tell(self.enabled, may_move, out).await?;
        selected.tell_how_far(self.enabled, out);
        out.relieve().await?;
        Ok(())
    }

    /// Tells what is new while nothing was asked.
    pub(super) async fn tell_all<S: Sink>(&mut self, out: &mut S) -> Result<(), Ended> {
        self.tell(Telling::All, out).await
    }

    /// Waits until there may be news: of the open folder, or that it's theirs no more.
    pub(super) async fn wait(&mut self) {
        let Some(selected) = &mut self.selected else {
            return std::future::pending().await;
        };
        let whose = selected.whose.clone();
        let shut_out = async {
            match &whose {
                Whose::Own => std::future::pending().await,
                Whose::Role(role) => self.account.let_in.shut_out_of(role).await,
            }
        };
        tokio::select! {
            biased;
            () = shut_out => {}
            () = selected.wait() => {}
        }
    }

    /// The end of an IDLE.
    pub(super) async fn end_idle<S: Sink>(&mut self, tag: &Tag, out: &mut S) -> Result<(), Ended> {
        self.answer(tag, Ok(Done::plain()), Telling::All, out).await
    }

    async fn search<S: Sink>(
        &mut self,
        search: &Search,
        tag: &Tag,
        out: &mut S,
    ) -> Result<Done, Stop> {
        if !search.charset {
            // RFC 5182 §2.1
            if let Some(selected) = self.selected.as_mut().filter(|_| search.saves()) {
                selected.saved.clear();
            }
            return Err(No::new("BADCHARSET (US-ASCII UTF-8)", "This charset isn't known").into());
        }
        let turns = self.turns.clone();
        let (selected, account, enabled) = self.open()?;
        selected
            .search((account, &turns), enabled, search, tag, out)
            .await
    }

    async fn expunge<S: Sink>(
        &mut self,
        numbers: Option<Numbers>,
        out: &mut S,
    ) -> Result<Done, Stop> {
        let (selected, account, enabled) = self.open()?;
        // What somebody else marked goes as well; but what has just come the client doesn't know by its UID yet.
        let newest = selected.newest();
        selected.tell(*enabled, false, out).await?;
        match selected.expunge(account, numbers.as_ref(), newest).await? {
            true if enabled.qresync => Ok(Done::AsOfNow),
            _ => Ok(Done::plain()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
