//! The staff room: accounts, roles, passwords, and who may do what.
//!
//! It decides who somebody is and what they may do, and knows no protocol: the doors ask it. Accounts are held in memory,
//! so that a look-up costs nothing; each change is committed with its entry in the audit log and then seen at once.
//!
//! | file | what it holds |
//! |---|---|
//! | `account` | what an account may look like |
//! | `premises` | which addresses are the party's, and which are taken by lists and mailboxes |
//! | `password` | passwords made by us |
//! | `sasl` | the dialogues in which a mail program proves who uses it |
//! | `scram` | the verifiers that are kept of them, and the exchange |
//! | `roll` | everybody, as looked up |
//! | `actor` | who acts, and the proof that they may |
//! | `acts` | entries of the audit log and its signed checkpoints |
//! | `kept` | the checkpoints that are kept here |
//! | `second` | what waits for a second person |
//! | `totp` | codes of an authenticator app, as the RFCs make them |
//! | `proof` | whether a code is good now, how many wrong ones are heard, recovery codes |
//! | `reach` | to how many people outside each wrote of late |
//! | `sent` | how many mails each sent of late |
//! | `tries` | wrong passwords: where from, for whom, who waits |
//! | `used` | when each password was used last |
//! | `knock` | logging in, as the doors see it |
//! | `let_in` | into which roles' mailboxes somebody is let, asked anew for each thing that is done there |
//! | `room` | adding, changing, revoking; in `room::passwords` everybody's passwords, in `room::grants` roles for a time and training, in `room::factor` their second factors |

mod account;
mod actor;
mod acts;
mod error;
mod kept;
mod knock;
mod let_in;
mod password;
mod premises;
mod proof;
mod reach;
mod roll;
mod room;
pub mod sasl;
pub mod scram;
mod second;
mod sent;
mod totp;
mod tries;
mod used;

pub use account::{AccountChanges, NewAccount, check_name};
pub use actor::{Actor, Admin, Caller, NotAllowed};
pub use acts::{Acts, sign_checkpoint};
pub use error::{StaffError, last_day};
pub use kept::kept_checkpoints;
pub use knock::{Door, Entrant, Knocked, LoginOutcome};
pub use let_in::{LetIn, RoleMailbox};
pub use password::Password;
pub use premises::Premises;
pub use proof::{CodeAsked, CodeError, CodeRule};
pub use reach::{Reach, ReachPlace};
pub use roll::{Member, OwnFactor, OwnPassword, Roll};
pub use room::{
    Issued, NewFactor, NewGrant, NewPassword, NewTraining, NewlyProven, StaffRoom, WhichPasswords,
};
pub use second::{Pending, SecondPerson, Waiting};
pub use sent::{SendPlace, SentMail};
pub use totp::TotpSecret;
pub use tries::{HeldUp, HeldUpNow, Proof, Tried, TryRules, WrongPasswords};

pub use crate::store::{GrantRecord as OwnGrant, Role};
