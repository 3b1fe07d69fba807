//! Roles' mailboxes that were taken out of the configuration, or renamed there, while mail is in them: nobody finds it, and
//! somebody should know. It warns, and decides nothing.

use std::collections::BTreeSet;

use crate::daemon::rooms::Rooms;
use crate::store::StoreError;

/// A warning for each such role of which an account still speaks: nothing else here knows a mailbox's name.
pub(super) async fn warnings(rooms: &Rooms) -> Vec<String> {
    let mut warnings = Vec::new();
    for name in gone(rooms) {
        // What can't be read is told of elsewhere.
        if holds_mail(rooms, &name).await.unwrap_or(true) {
            warnings.push(warning(&name));
        }
    }
    warnings
}

/// The roles into which somebody was let, and that are not configured.
fn gone(rooms: &Rooms) -> BTreeSet<String> {
    let (roll, config) = (rooms.staff.roll(), rooms.config());
    let is_gone = |name: &&String| config.mailbox.keys().all(|one| one.as_str() != *name);
    let names = roll.all().iter().flat_map(|one| &one.mailboxes);
    names.filter(is_gone).cloned().collect()
}

async fn holds_mail(rooms: &Rooms, name: &str) -> Result<bool, StoreError> {
    let mailbox = rooms.store.vault().role_mailbox(name);
    let folders = rooms.store.folders(mailbox).await?;
    Ok(folders.rows.iter().any(|one| one.record.messages > 0))
}

fn warning(name: &str) -> String {
    format!(
        "the mailbox {name} is not in the configuration any more and holds mail, which nobody finds: put [mailbox.{name}] \
         back and reload; to give a role another name, move its mail first, in a mail program"
    )
}
