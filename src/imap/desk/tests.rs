//! Dialogues with a desk, over a store in a throwaway directory.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::clock::Clock;
use crate::id::{MailboxId, PasswordId, StaffId};
use crate::imap::codec::grammar;
use crate::imap::command::{AppendHead, RawName};
use crate::mailbox::{Allowance, Mailboxes};
use crate::net::Loads;
use crate::staff::{Entrant, LetIn, RoleMailbox};
use crate::store::{Files, LockedStore};
use crate::vault::Vault;

mod bounds;
mod folders;
mod messages;
mod promises;
mod sessions;
mod shared;

/// Where answers are looked at.
#[derive(Default)]
struct Heard(Vec<u8>);

impl Sink for Heard {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    async fn relieve(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A house with one mailbox.
struct House {
    mailboxes: Mailboxes,
    mailbox: MailboxId,
    /// Into which roles' mailboxes all are let.
    roles: watch::Sender<Vec<RoleMailbox>>,
    /// What may come in at once.
    under_way: Arc<Loads>,
    directory: TempDir,
}

impl House {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        Self {
            mailboxes: Mailboxes::new(store.unwrap(), clock),
            mailbox: MailboxId::from(StaffId::random()),
            roles: watch::Sender::default(),
            under_way: Loads::new(u64::MAX, 0),
            directory,
        }
    }

    /// What the store stands in, for who has it in their hands.
    fn files(&self) -> Files {
        Files::in_directory(self.directory.path())
    }

    fn desk(&self) -> Talk {
        self.desk_in(&Arc::new(Semaphore::new(1)))
    }

    /// A desk that shares its turns at searching with others.
    fn desk_in(&self, searches: &Arc<Semaphore>) -> Talk {
        let account = Account {
            entrant: Entrant {
                staff: StaffId::random(),
                password: PasswordId::random(),
            },
            mailbox: self.mailbox,
            let_in: LetIn::pretended(self.roles.subscribe()),
            mailboxes: self.mailboxes.clone(),
            room: Allowance::new(100_000),
            under_way: self.under_way.clone(),
        };
        let turns = Turns::new(searches.clone(), None);
        Talk(Desk::new(account, 10_000, turns))
    }
}

/// One session.
struct Talk(Desk);

impl Talk {
    /// What is heard after a command, with the tag `a` taken off the last line.
    async fn say(&mut self, command: &str) -> Vec<String> {
        let mut heard = Heard::default();
        let (tag, command) = match grammar::read(format!("a {command}\r\n").as_bytes()) {
            Ok(read) => read,
            Err((_, syntax)) => panic!("{command}: {syntax}"),
        };
        let ended = self.0.run(&tag, command, &mut heard).await;
        if let Err(ended) = ended {
            return vec![format!("ended: {ended}")];
        }
        lines(&heard.0)
    }

    /// The last line alone.
    async fn end(&mut self, command: &str) -> String {
        self.say(command).await.pop().unwrap_or_default()
    }

    /// Adds a message to an APPEND that has begun.
    async fn add(&mut self, flags: &[&str], message: &str) -> Result<(), No> {
        let head = AppendHead {
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            date: None,
            size: message.len() as u64,
            binary: false,
            sync: false,
        };
        self.0.append_begin(head).await?;
        self.0.append_octets(message.as_bytes()).await?;
        self.0.append_end()
    }

    /// Appends a message with these flags.
    async fn append(&mut self, folder: &str, flags: &[&str], message: &str) -> String {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        said(self.try_append(folder, flags, &[message]).await)
    }

    /// Appends several at once.
    async fn append_all(&mut self, folder: &str, messages: &[String]) -> String {
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        said(self.try_append(folder, Vec::new(), &messages).await)
    }

    async fn try_append(
        &mut self,
        folder: &str,
        flags: Vec<String>,
        messages: &[&str],
    ) -> Result<String, No> {
        self.0
            .append_to(&RawName(folder.as_bytes().to_vec()))
            .await?;
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        for message in messages {
            self.add(&flags, message).await?;
        }
        let mut heard = Heard::default();
        let finished = self.0.append_finish(&Tag("a".to_owned()), &mut heard).await;
        assert!(finished.is_ok());
        Ok(lines(&heard.0).pop().unwrap_or_default())
    }
}

fn said(heard: Result<String, No>) -> String {
    match heard {
        Ok(heard) => heard,
        Err(no) => String::from_utf8(no.tagged(&Tag("a".to_owned()))).unwrap(),
    }
}

fn lines(heard: &[u8]) -> Vec<String> {
    let text = String::from_utf8(heard.to_vec()).unwrap();
    let lines = text.strip_suffix("\r\n").unwrap_or(&text).split("\r\n");
    lines
        .map(|line| line.strip_prefix("a ").unwrap_or(line).to_owned())
        .collect()
}

/// A short mail with this subject.
fn mail(subject: &str) -> String {
    format!(
        "From: Ann <ann@elsewhere.example>\r\nTo: ada@party.example\r\nSubject: {subject}\r\n\r\nHello.\r\n"
    )
}
