//! Why the staff room says no.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::store::{Role, StoreError};

use super::actor::NotAllowed;
use super::proof::CodeError;

/// Why something about an account could not be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StaffError {
    /// The name can't be a login name.
    #[error(
        "a login name has 1 to 32 lower-case letters, digits, \".\", \"-\" and \"_\", and starts with a letter; choose such a name"
    )]
    Name,
    /// The name would be mistaken for somebody else.
    #[error(
        "\"{0}\" would be mistaken for the system in the audit log or among the mailboxes; choose the name of a person"
    )]
    ReservedName(String),
    /// A role's mailbox has this name.
    #[error(
        "\"{0}\" is the name of a role's mailbox, and nobody could tell the two apart; choose the name of a person"
    )]
    RoleMailbox(String),
    /// The accounts are gone from the database.
    #[error(
        "there is no admin, though the audit log says that accounts were made: they were deleted from the database, or an older one was put back; stop the service and put back the newest copy of the database"
    )]
    Deleted,
    /// The name was given before. Names are never given again: the audit log must stay clear.
    #[error(
        "the name {0} was given already, perhaps to an account that is revoked now; choose another"
    )]
    NameTaken(String),
    /// There is no such account.
    #[error("there is no account {0}; see them all with: hustings staff list")]
    Unknown(String),
    /// The account is revoked already.
    #[error("the account {0} is revoked; make a new account with: hustings staff add")]
    Revoked(String),
    /// An account without a role could do nothing.
    #[error("the account would have no role; give one or more of reader, sender, approver, admin")]
    NoRole,
    /// There is no such role mailbox.
    #[error(
        "there is no role mailbox \"{name}\" in the configuration (there are: {known}); name one, or add [mailbox.{name}]"
    )]
    UnknownMailbox {
        /// What was asked for.
        name: String,
        /// Which there are.
        known: String,
    },
    /// Nothing would be different.
    #[error(
        "nothing would change: {0} has these roles, mailboxes and addresses already; see: hustings staff list"
    )]
    NoChange(String),
    /// Root can't be a person.
    #[error(
        "uid 0 is root, and root is nobody: anybody may have become it; give the uid of a person's own account"
    )]
    Root,
    /// The uid belongs to another account.
    #[error("that uid belongs to the account {0} already; one Unix user is one person")]
    UidTaken(String),
    /// That number is nobody's.
    #[error(
        "uid 4294967295 stands for no user at all; give the uid of a person's own account (id -u)"
    )]
    NoUser,
    /// Nothing could be written to it.
    #[error("the account would have no address; give it another before this one goes")]
    NoAddress,
    /// Too many addresses.
    #[error("an account has at most {most} addresses; leave some out, or remove what isn't used")]
    TooManyAddresses {
        /// How many at most.
        most: usize,
    },
    /// The same address twice.
    #[error("one address is given twice; leave one out")]
    AddressTwice,
    /// An address to be taken away that the account hasn't.
    #[error("an address that is to be removed isn't the account's; see: hustings staff list")]
    NotItsAddress,
    /// The address is not in one of our domains.
    #[error("the address is not in the party's own domains ({own}); give one that is")]
    OtherDomain {
        /// Our domains.
        own: String,
    },
    /// A `+` stands for lists' own addresses.
    #[error("an address of staff has no \"+\": such addresses belong to lists; leave it out")]
    Plus,
    /// The address belongs to something else.
    #[error("the address belongs to {0}; choose another")]
    AddressTaken(String),
    /// Somebody must stay who can administer.
    #[error(
        "{0} is the last admin; make another first: hustings staff change NAME --add-role admin"
    )]
    LastAdmin(String),
    /// The first account must be able to make the others.
    #[error(
        "the first account must have the role admin, or nobody could make the next; add --role admin"
    )]
    FirstMustBeAdmin,
    /// Whoever asks may not do this.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// Somebody else changed the account at the same time, again and again.
    #[error("the account was changed at the same time by somebody else; look at it and try again")]
    Conflict,
    /// The password's verifier can't be made or read.
    #[error("the password can't be used: {0}")]
    Verifier(String),
    /// Two passwords of one person can't be told apart.
    #[error(
        "there is a password of that name already; choose another, or end that one: hustings staff password revoke"
    )]
    LabelTaken,
    /// A name for a password that can't be shown.
    #[error(
        "a password's name has 1 to 40 visible characters, such as \"laptop\"; choose such a name"
    )]
    Label,
    /// There is no such password.
    #[error(
        "{0} has no password of that name; see them all with: hustings staff password list {0}"
    )]
    NoSuchPassword(String),
    /// Nobody has so many programs.
    #[error(
        "{name} has {most} passwords already, the most there may be; end one that isn't used: hustings staff password list {name}"
    )]
    TooManyPasswords {
        /// The account.
        name: String,
        /// How many at most.
        most: usize,
    },
    /// For longer there is another way.
    #[error("a role is granted for a minute to 31 days; for longer, use: hustings staff change")]
    GrantTime,
    /// Only what is sent can be limited.
    #[error("only a sender can be limited to a list or to constituencies; leave that out")]
    OnlySendersAreLimited,
    /// What is there for good needs no grant.
    #[error("{0} has the role {1} for good already; see: hustings staff list")]
    HasRole(String, RoleName),
    /// There is no such grant.
    #[error("{0} has no grant of the role {1}; see them all with: hustings staff grants")]
    NoGrant(String, RoleName),
    /// Somebody has many already.
    #[error("the account has {0} grants already; end one first: hustings staff end-grant")]
    TooManyGrants(usize),
    /// A training that counts longer is noted.
    #[error(
        "a training is noted already that counts longer, to the end of {}; if that day was wrong, add --correct",
        last_day(*.0)
    )]
    TrainedLonger(Timestamp),
    /// A training of so long ago would take rights away.
    #[error(
        "the training's time is over since the end of {}; give the day of a later one, or add --correct if there was none",
        last_day(*.0)
    )]
    TrainingOver(Timestamp),
    /// The code of a second factor is not taken.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// There is one already.
    #[error(
        "{0} has a second factor already; put another in its place with --replace, and a code of the old one"
    )]
    HasFactor(String),
    /// Only its owner renews one.
    #[error(
        "{0} has a second factor, and only its owner renews it; if it was lost, take it away first: hustings staff second-factor remove {0}"
    )]
    NotYourFactor(String),
    /// There is none.
    #[error("{0} has no second factor; see: hustings staff list")]
    NoFactor(String),
    /// An admin without one takes nobody else's away.
    #[error(
        "it takes a code of your own second factor, and you have none; set one up first: hustings staff second-factor add"
    )]
    OwnFactorFirst,
    /// Root helps the only admin alone.
    #[error(
        "root takes a second factor from the only admin alone, and an admin takes away that of {0}. If all admins have lost theirs: one takes the role from the others until they are the only one (hustings staff change NAME --remove-role admin, which takes no code), root takes theirs away, and they set up a new one, take away the others' and give the role back; ask an admin: hustings staff list"
    )]
    AdminsRemove(String),
    /// No secret was shown, or too long ago.
    #[error(
        "no second factor waits for its first code, or it has waited for too long; begin anew: hustings staff second-factor add"
    )]
    NoFactorBegun,
    /// The first code doesn't fit.
    #[error(
        "the app shows another code than this, so it is not in force; see that the telephone's clock is right and that the whole secret is in the app"
    )]
    NotTheApps,
    /// Neither an account nor a network.
    #[error(
        "that is neither a login name nor a network; give a name (ada), an address (192.0.2.7) or a network (192.0.2.0/24)"
    )]
    UnlockWhat,
    /// A reason that the log does not take.
    #[error("{0}")]
    Reason(String),
    /// The audit log's entry can't be made.
    #[error("the act can't be written to the audit log, so it was not done: {0}")]
    Audit(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing waits under this code.
    #[error(
        "nothing waits for a second person under this code; it was answered, withdrawn, or its time ran out"
    )]
    NothingWaits,
    /// The second person said no.
    #[error("{0} refused it; ask them why, and ask anew if it is to be done after all")]
    Refused(String),
    /// The second person is the first.
    #[error("you asked for this yourself, and a second person must agree; ask another {0}")]
    SamePerson(RoleName),
    /// Too much waits already.
    #[error("too many requests wait for a second person already; have them answered first")]
    TooManyWait,
}

/// The last day on which what ends at midnight counts.
pub fn last_day(until: Timestamp) -> Date {
    let last = until
        .checked_sub(SignedDuration::from_nanos(1))
        .unwrap_or(until);
    last.to_zoned(TimeZone::UTC).date()
}

/// A role as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleName(pub Role);

impl std::fmt::Display for RoleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Role::Reader => "reader",
            Role::Sender => "sender",
            Role::Approver => "approver",
            Role::Admin => "admin",
        })
    }
}
