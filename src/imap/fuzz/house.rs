//! A store that stands for as long as a run does.

use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::fuzz::entrant;
use crate::id::{MailboxId, StaffId};
use crate::imap::host::Account;
use crate::mailbox::{Allowance, Mailboxes};
use crate::net::Loads;
use crate::staff::{LetIn, RoleMailbox};
use crate::store::{Files, LockedStore};
use crate::vault::Vault;

/// A store is thrown away after so many mailboxes, so that it doesn't grow.
const MAILBOXES: usize = 500;

struct House {
    mailboxes: Mailboxes,
    left: usize,
    runtime: Runtime,
    _directory: TempDir,
}

static HOUSE: Mutex<Option<House>> = Mutex::new(None);

impl House {
    fn new() -> Self {
        // In memory where there is such a place: nothing here must outlive anything.
        let memory = std::path::Path::new("/dev/shm");
        let directory = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let directory = directory.expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let store = runtime.block_on(async {
            let locked = LockedStore::open(Files::in_directory(directory.path())).await;
            locked
                .expect("a store")
                .unlock(Vault::for_tests(), 4 << 20)
                .await
        });
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
        Self {
            mailboxes: Mailboxes::new(store.expect("an open store"), clock),
            left: MAILBOXES,
            runtime,
            _directory: directory,
        }
    }
}

/// Runs something with somebody who has a mailbox in which nothing ever stood.
pub(super) fn with_account<T>(run: impl AsyncFnOnce(Account) -> T) -> T {
    let mut house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    if house.as_ref().is_some_and(|house| house.left == 0) {
        *house = None;
    }
    let house = house.get_or_insert_with(House::new);
    house.left -= 1;
    let roles = watch::channel(vec![RoleMailbox::pretended("office")]).1;
    let account = Account {
        entrant: entrant(),
        mailbox: MailboxId::from(StaffId::random()),
        let_in: LetIn::pretended(roles),
        mailboxes: house.mailboxes.clone(),
        room: Allowance::new(30_000),
        under_way: Loads::new(u64::MAX, 0),
    };
    house.runtime.block_on(run(account))
}

/// Somebody whose mailbox nobody looks into.
pub(super) fn account() -> Account {
    static ACCOUNT: Mutex<Option<Account>> = Mutex::new(None);
    let mut account = ACCOUNT.lock().unwrap_or_else(PoisonError::into_inner);
    account
        .get_or_insert_with(|| with_account(async |account| account))
        .clone()
}
