//! Accounts that are called as a role's mailbox is, or have one of its addresses, since that came later: an admin can't tell
//! the two apart. It warns, and decides nothing.

use crate::config::Config;
use crate::daemon::rooms::Rooms;
use crate::staff::Roll;

/// A warning for each, for admins alone: it names accounts.
pub(super) fn warnings(rooms: &Rooms) -> Vec<String> {
    let (roll, config) = (rooms.staff.roll(), rooms.config());
    let names = names(&roll, &config);
    names.chain(addresses(&roll, &config)).collect()
}

fn names(roll: &Roll, config: &Config) -> impl Iterator<Item = String> {
    let names = config.mailbox.keys().map(|name| name.as_str());
    let both = names.filter(|name| roll.by_name(name).is_some());
    let warning = |name| {
        format!(
            "[mailbox.{name}] has the name of an account: mailbox hold and lift mean both; call the mailbox something else"
        )
    };
    both.map(warning)
}

/// Mail goes to the account, and from such an address it alone writes: see `Directory::find` and `Rooms::may_send_as`.
fn addresses(roll: &Roll, config: &Config) -> impl Iterator<Item = String> {
    let all = config.mailbox.iter();
    let all = all.flat_map(|(name, mailbox)| mailbox.addresses.iter().map(move |one| (name, one)));
    all.filter_map(|(name, address)| {
        let owner = &roll.by_address(address)?.name;
        Some(format!(
            "an address of [mailbox.{name}] is the account {owner}'s: mail to it goes to {owner} and not to the role, and \
             nobody else writes from it; take it out of the mailbox, or out of the account"
        ))
    })
}
