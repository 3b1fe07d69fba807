//! `staff`.

mod change;
pub(super) mod factor;
pub(super) mod grant;
pub(super) mod password;

use clap::{Subcommand, ValueEnum};

use super::code::CodeArg;
use super::context::Context;
use super::prompt;
use super::style::{Field, Style, Tone, field, optional, toned};
use crate::control::Failure;
use crate::control::api::staff::{Account, Add, FactorReport, List, Revoke, UnlockStaff};
use crate::staff::{Role, last_day};

/// Accounts of those who work for the party
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: StaffCommand,
}

/// What an account may do
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Read and send their own mail
    Reader,
    /// Write to lists
    Sender,
    /// Approve what others write to lists
    Approver,
    /// Run the server and see addresses
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Reader => Self::Reader,
            RoleArg::Sender => Self::Sender,
            RoleArg::Approver => Self::Approver,
            RoleArg::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Subcommand)]
enum StaffCommand {
    /// Make an account and show its password, once
    ///
    /// Passwords are made here, never chosen. While there is no admin, root may make the first.
    #[command(
        after_help = "Examples:\n  hustings staff add ada --address ada@party.example --role reader,sender --uid 1001\n  hustings staff add ben --address ben@party.example,press@party.example --role reader"
    )]
    Add {
        /// The login name: lower-case letters, digits, `.`, `-`, `_`
        name: String,
        /// An address in the party's own domains; the first is the main one
        #[arg(
            long = "address",
            value_name = "ADDRESS",
            required = true,
            value_delimiter = ','
        )]
        addresses: Vec<String>,
        /// What the account may do
        #[arg(
            long = "role",
            value_name = "ROLE",
            required = true,
            value_delimiter = ','
        )]
        roles: Vec<RoleArg>,
        /// The Unix user by which these commands know the person (id -u); never root
        #[arg(long)]
        uid: Option<u32>,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        code: CodeArg,
    },
    /// List the accounts
    #[command(
        after_help = "Examples:\n  hustings staff list\n  hustings staff list --revoked --json"
    )]
    List {
        /// Revoked accounts too
        #[arg(long)]
        revoked: bool,
    },
    /// End an account: nothing can be done with it from then on; its mail stays
    #[command(after_help = "Examples:\n  hustings staff revoke ben --reason \"left the party\"")]
    Revoke {
        /// The login name
        name: String,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Change what an account may do and by what it's known: roles, role mailboxes, addresses, Unix user
    Change(change::Args),
    /// Grant a role for a time; it ends by itself
    Grant(grant::GrantArgs),
    /// List the roles that are granted for a time
    #[command(after_help = "Examples:\n  hustings staff grants")]
    Grants,
    /// End a grant before its time
    EndGrant(grant::EndGrantArgs),
    /// Note the day of somebody's data protection training
    ///
    /// It counts for staff.training_months of the configuration. Whose training is over writes to no list until the next.
    Training(grant::TrainingArgs),
    /// Passwords: one for each mail program, made here, named, and ended one by one
    #[command(subcommand)]
    Password(password::Command),
    /// Second factors: an authenticator app, and codes for when it is lost
    #[command(subcommand)]
    SecondFactor(factor::Command),
    /// Let somebody in whom wrong passwords hold up: an account from everywhere, or everybody from a network
    ///
    /// A network from which too many wrong passwords came has to wait, and so has the whole IPv6 /48 around it after twenty
    /// times as many. A network that the configuration trusts (staff.trusted_networks) never does; one from which the account
    /// logged in well of late doesn't either, but answers it four seconds late after 200 wrong ones.
    #[command(
        after_help = "Examples:\n  hustings staff unlock ada --reason \"typed it wrong on her new telephone\"\n  hustings staff unlock 192.0.2.0/24"
    )]
    Unlock {
        /// A login name, an IP address or a network
        #[arg(value_name = "NAME|NETWORK")]
        what: String,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        StaffCommand::Add {
            name,
            addresses,
            roles,
            uid,
            reason,
            code,
        } => {
            code.read(context)?;
            let add = Add {
                name: name.clone(),
                addresses: addresses.clone(),
                roles: roles.iter().copied().map(Role::from).collect(),
                uid: *uid,
                reason: reason.clone(),
            };
            context.print_answer(&add, password::text)
        }
        StaffCommand::List { revoked } => {
            let list = List { revoked: *revoked };
            context
                .print_rows(
                    &list,
                    "There is no account yet; make the first: hustings staff add",
                    table,
                )
                .map(drop)
        }
        StaffCommand::Revoke { name, reason, yes } => {
            prompt::confirm(&format!("revoke {name}"), *yes)?;
            let revoke = Revoke {
                name: name.clone(),
                reason: reason.clone(),
            };
            context.print_answer(&revoke, |_, _| format!("{name} is revoked.\n"))
        }
        StaffCommand::Change(args) => change::run(args, context),
        StaffCommand::Grant(args) => grant::grant(args, context),
        StaffCommand::Grants => grant::list(context),
        StaffCommand::EndGrant(args) => grant::end(args, context),
        StaffCommand::Training(args) => grant::training(args, context),
        StaffCommand::Password(command) => password::run(command, context),
        StaffCommand::SecondFactor(command) => factor::run(command, context),
        StaffCommand::Unlock { what, reason } => {
            let unlock = UnlockStaff {
                what: what.clone(),
                reason: reason.clone(),
            };
            context.print_answer(&unlock, |lifted, _| match lifted.networks {
                0 => format!("{what} may log in at once.\n"),
                1 => format!("{what} may log in at once: 1 network was held up.\n"),
                many => format!("{what} may log in at once: {many} networks were held up.\n"),
            })
        }
    }
}

/// A column of the table: its head, and what it says of an account. One that says nothing of anybody is left out, so that
/// the usual table fits a terminal of 80 columns; `--json` has all.
type Column = (&'static str, fn(&Account) -> Option<Field>);

const COLUMNS: [Column; 10] = [
    ("NAME", |account| {
        let tone = match account.revoked_at {
            Some(_) => Tone::Quiet,
            None => Tone::Strong,
        };
        Some(toned(&account.name, tone))
    }),
    ("ADDRESS", |account| {
        // All of them, the main one first.
        let some = !account.addresses.is_empty();
        some.then(|| field(account.addresses.join(", ")))
    }),
    ("ROLES", |account| Some(field(roles_of(account)))),
    ("MAILBOXES", |account| {
        let some = !account.mailboxes.is_empty();
        some.then(|| field(account.mailboxes.join(", ")))
    }),
    ("UID", |account| account.uid.map(field)),
    ("PASSWORDS", |account| Some(field(account.passwords))),
    ("WRONG OF LATE", |account| {
        (account.wrong_passwords > 0).then(|| field(account.wrong_passwords))
    }),
    ("2ND FACTOR", |account| {
        account.second_factor.map(|factor| field(factor_of(factor)))
    }),
    ("TRAINED UNTIL", |account| {
        account.trained_until.map(|until| field(last_day(until)))
    }),
    ("REVOKED", |account| account.revoked_at.map(day)),
];

fn day(at: jiff::Timestamp) -> Field {
    field(at.strftime("%Y-%m-%d"))
}

pub(super) fn table(accounts: &[Account], style: Style) -> String {
    let said = |(_, of): &&Column| accounts.iter().any(|account| of(account).is_some());
    let columns: Vec<&Column> = COLUMNS.iter().filter(said).collect();
    let row = |account| {
        let fields = columns.iter().map(|(_, of)| of(account));
        let fields = fields.map(|field| field.unwrap_or_else(|| optional(None::<&str>)));
        fields.collect()
    };
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    style.table(&heads, accounts.iter().map(row).collect())
}

/// Since when there is one; and what its owner should see to.
fn factor_of(factor: FactorReport) -> String {
    let mut text = factor.since.strftime("%Y-%m-%d").to_string();
    match factor.recovery_codes {
        0 => text += ", no recovery code left",
        1 => text += ", 1 recovery code left",
        few @ 2..=3 => text += &format!(", {few} recovery codes left"),
        _ => {}
    }
    match factor.wrong_codes {
        0 => text,
        1 => text + ", 1 wrong code today",
        many => text + &format!(", {many} wrong codes today"),
    }
}

/// What it may do, for good and for a time.
fn roles_of(account: &Account) -> String {
    let roles = account.roles.iter();
    let roles = roles.map(|role| role_name(*role).to_owned());
    let granted = account.granted.iter();
    let granted = granted.map(|role| format!("{} (for a time)", role_name(*role)));
    roles.chain(granted).collect::<Vec<_>>().join(", ")
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Sender => "sender",
        Role::Approver => "approver",
        Role::Admin => "admin",
    }
}
