//! `unlock` and `lock`.

use super::code::CodeArg;
use super::context::Context;
use super::prompt;
use super::style::counted;
use crate::control::Failure;
use crate::control::api::service::{Lock, Status, Unlock, Unlocked};

/// Unlock the vault after a start: mail is taken, pages answer
///
/// Asks for the passphrase without showing it; or reads it from a line of standard input. It needs no account: whoever
/// knows the passphrase may. Where there is none, it takes an admin, root, or the service's own user. Who has a second factor
/// is asked for a code of it as well (on standard input it is the line behind the passphrase); with `staff.second_factor =
/// "required"` who has none can't unlock, and root can. It stands in the audit log.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hustings unlock\n  pass show party/hustings | hustings unlock\n  (pass show party/hustings; read -r code; echo \"$code\") | hustings unlock --code -"
)]
pub(super) struct UnlockArgs {
    #[command(flatten)]
    code: CodeArg,
}

/// Lock the vault: let what runs end, then stop; the service comes up again locked
///
/// A new process starts with no key in its memory. Until `hustings unlock` no mail is taken (other servers try again) and
/// nobody can log in; withdrawals are still taken.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hustings lock --yes --reason \"the host moves tonight\"")]
pub(super) struct LockArgs {
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn unlock(args: &UnlockArgs, context: &Context) -> Result<(), Failure> {
    let status = context.ask(&Status {})?;
    let unlock = Unlock {
        passphrase: if status.key.starts_with("passphrase")
            && status.state == crate::control::api::service::LockState::Locked
        {
            Some(prompt::passphrase("Passphrase:")?)
        } else {
            None
        },
    };
    args.code.read(context)?;
    context.print_answer(&unlock, |unlocked, _| unlocked_text(unlocked))
}

pub(super) fn unlocked_text(unlocked: &Unlocked) -> String {
    if unlocked.already {
        return "The vault was open already.\n".into();
    }
    let mut text = "The vault is open.\n".to_owned();
    if unlocked.applied_withdrawals > 0 {
        text += &format!(
            "{} that came while it was locked took effect.\n",
            withdrawals(unlocked.applied_withdrawals)
        );
    }
    if unlocked.void_withdrawals > 0 {
        text += &format!(
            "{} that came while it was locked named nobody (a cut link, or not one of ours): nothing came of it.\n",
            withdrawals(unlocked.void_withdrawals)
        );
    }
    if unlocked.unreadable_withdrawals > 0 {
        text += &format!(
            "{} that came while it was locked can't be read; they're kept beside the database, see: hustings status\n",
            withdrawals(unlocked.unreadable_withdrawals)
        );
    }
    text
}

fn withdrawals(count: u64) -> String {
    counted(count, "withdrawal", "withdrawals")
}

pub(super) fn lock(args: &LockArgs, context: &Context) -> Result<(), Failure> {
    prompt::confirm(
        "lock the vault, so that no mail is taken until somebody unlocks it",
        args.yes,
    )?;
    let lock = Lock {
        reason: args.reason.clone(),
    };
    context.print_answer(&lock, |locking, _| {
        format!(
            "The service stops within {} s and comes up locked. Unlock it with: hustings unlock\n",
            locking.within_seconds
        )
    })
}
