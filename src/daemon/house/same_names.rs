//! Accounts that are called as a role's mailbox is, since that came later: an admin can't tell the two apart. It warns, and
//! decides nothing.

use crate::daemon::rooms::Rooms;

/// A warning for each, for admins alone: it names accounts.
pub(super) fn warnings(rooms: &Rooms) -> Vec<String> {
    let (roll, config) = (rooms.staff.roll(), rooms.config());
    let names = config.mailbox.keys().map(|name| name.as_str());
    let both = names.filter(|name| roll.by_name(name).is_some());
    let warning = |name| {
        format!(
            "[mailbox.{name}] has the name of an account: mailbox hold and lift mean both; call the mailbox something else"
        )
    };
    both.map(warning).collect()
}
