//! `staff password`.

use clap::Subcommand;

use super::super::code::CodeArg;
use super::super::context::Context;
use super::super::prompt;
use super::super::style::{Style, Tone, clean, field, optional, time, wrapped};
use crate::control::Failure;
use crate::control::api::staff::{
    AddPassword, ListPasswords, MailSetting, NewPassword, PasswordRow, RevokePassword,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a password and show it, once, with what else to type into the mail program
    #[command(
        after_help = "Examples:\n  hustings staff password add --label laptop\n  hustings staff password add ben --label phone\n  hustings staff password add ben --label desk --replace"
    )]
    Add {
        /// Whose; one's own if not given
        name: Option<String>,
        /// What to call it, such as the device that it's for
        #[arg(long, value_name = "TEXT")]
        label: String,
        /// End all others: after a device was lost
        #[arg(long)]
        replace: bool,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        code: CodeArg,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// List passwords by name, with the day of their last use and what for
    #[command(
        after_help = "Examples:\n  hustings staff password list\n  hustings staff password list ben --json"
    )]
    List {
        /// Whose; one's own if not given
        name: Option<String>,
    },
    /// End a password: the program that has it gets in no more
    #[command(
        after_help = "Examples:\n  hustings staff password revoke --label phone\n  hustings staff password revoke ben --all --reason \"the bag was stolen\""
    )]
    Revoke {
        /// Whose; one's own if not given
        name: Option<String>,
        /// Which
        #[arg(long, value_name = "TEXT", required_unless_present = "all")]
        label: Option<String>,
        /// All of them
        #[arg(long, conflicts_with = "label")]
        all: bool,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(command: &Command, context: &Context) -> Result<(), Failure> {
    let whose = |name: &Option<String>| match name {
        Some(name) => name.clone(),
        None => "your own account".to_owned(),
    };
    match command {
        Command::Add {
            name,
            label,
            replace,
            reason,
            code,
            yes,
        } => {
            if *replace {
                prompt::confirm(&format!("replace all passwords of {}", whose(name)), *yes)?;
            }
            code.read(context)?;
            let add = AddPassword {
                name: name.clone(),
                label: label.clone(),
                replace: *replace,
                reason: reason.clone(),
            };
            context.print_answer(&add, text)
        }
        Command::List { name } => {
            let list = ListPasswords { name: name.clone() };
            let none = "There is no password; make one: hustings staff password add";
            context.print_rows(&list, none, table).map(drop)
        }
        Command::Revoke {
            name,
            label,
            reason,
            yes,
            ..
        } => {
            let what = match label {
                Some(label) => format!("the password \"{label}\""),
                None => "all passwords".to_owned(),
            };
            prompt::confirm(&format!("end {what} of {}", whose(name)), *yes)?;
            let revoke = RevokePassword {
                name: name.clone(),
                label: label.clone(),
                reason: reason.clone(),
            };
            context.print_answer(&revoke, |ended, _| match ended.revoked {
                1 => format!("1 password of {} is ended.\n", clean(&ended.name)),
                many => format!("{many} passwords of {} are ended.\n", clean(&ended.name)),
            })
        }
    }
}

/// A new password, and all that a mail program has to be told.
pub(in crate::cli) fn text(new: &NewPassword, style: Style) -> String {
    let mut text = format!(
        "Address:   {}\nUser name: {}\nPassword:  {}\n",
        clean(&new.address),
        clean(&new.name),
        style.paint(new.password.reveal(), Tone::Strong),
    );
    if !new.label.is_empty() {
        text += &format!("For:       {}\n", clean(&new.label));
    }
    text += &format!("Server:    {}\n", clean(&new.server));
    for setting in &new.settings {
        text += &format!("{:<11}{}\n", what(setting), how(setting));
    }
    if new.settings.iter().any(|one| one.protocol == "pop3") {
        text += &paragraph(
            "POP3 fetches the INBOX alone: strangers' mail that waits (Unconfirmed) is seen with IMAP. Who uses POP3 is \
             told by a note, once a day at most, when some waits.",
        );
    }
    text += &paragraph(
        "Type the user name, or the main address; another address of the same person may not do.",
    );
    if let Some(profile) = &new.profile {
        text += &format!(
            "\nThunderbird finds the rest by the address. An iPhone, iPad or Mac takes it from\n{}\n",
            clean(profile)
        );
    }
    text += &paragraph(match new.own {
        true => "The password is shown this once. Type it into the mail program now.",
        false => {
            "The password is shown this once. Hand it over in person or by phone, not by mail."
        }
    });
    text
}

/// Running text below what stands already.
fn paragraph(text: &str) -> String {
    format!("\n{}\n", wrapped(text))
}

fn what(setting: &MailSetting) -> String {
    match setting.protocol.as_str() {
        "imap" => "Read:".to_owned(),
        "pop3" => "or fetch:".to_owned(),
        _ if setting.security == "starttls" => "or send:".to_owned(),
        _ => "Send:".to_owned(),
    }
}

fn how(setting: &MailSetting) -> String {
    let protocol = clean(&setting.protocol).to_uppercase();
    let security = match setting.security.as_str() {
        "starttls" => "STARTTLS",
        _ => "TLS (SSL)",
    };
    format!(
        "{protocol}, port {}, {security}, normal password",
        setting.port
    )
}

pub(in crate::cli) fn table(passwords: &[PasswordRow], style: Style) -> String {
    let rows = passwords.iter().map(|one| {
        vec![
            field(&one.label),
            field(time(one.made_at)),
            optional(one.last_used),
            optional((!one.doors.is_empty()).then(|| one.doors.join(", "))),
        ]
    });
    style.table(&["NAME", "MADE", "LAST USED", "FOR"], rows.collect())
}
