//! `staff second-factor`.

use clap::Subcommand;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::super::code::CodeArg;
use super::super::context::Context;
use super::super::prompt;
use super::super::style::{Style, Tone, clean};
use crate::control::api::staff::{
    AddFactor, ConfirmFactor, FactorSecret, RecoveryCodes, RemoveFactor,
};
use crate::control::{Class, Failure, SecretText};

/// How often a first code may be mistyped before the command ends.
const TRIES: usize = 3;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Set up a second factor: an authenticator app whose codes are asked for before what reaches far
    ///
    /// Shows a picture for the app's camera, and the same to be typed; asks for the code that the app shows then; and shows
    /// recovery codes, once. From then on a code is asked for to unlock, to export, to agree to an export or an
    /// import, to print the recovery sheet, to approve a mailing, to note a training, and to give others accounts, roles,
    /// mailboxes, addresses or passwords. Mail programs are never asked.
    #[command(
        after_help = "Examples:\n  hustings staff second-factor add\n  hustings staff second-factor add --replace\n  hustings staff second-factor add ben --reason \"ben has no Unix user, and sits beside me\""
    )]
    Add {
        /// Whose; one's own if not given. An admin for good may for who has none
        name: Option<String>,
        /// Put it in the place of the one that is there; it takes a code of that one, or a recovery code
        #[arg(long)]
        replace: bool,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        code: CodeArg,
    },
    /// Take a second factor away
    ///
    /// One's own, with a code or a recovery code. For somebody who has lost both an admin may, with a reason and a code of
    /// their own second factor; where the only admin there is has lost both, root may.
    #[command(
        after_help = "Examples:\n  hustings staff second-factor remove\n  hustings staff second-factor remove ben --reason \"lost the telephone and the codes; I rang him back\""
    )]
    Remove {
        /// Whose; one's own if not given
        name: Option<String>,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        code: CodeArg,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(command: &Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Add {
            name,
            replace,
            reason,
            code,
        } => {
            let add = AddFactor {
                name: name.clone(),
                replace: *replace,
                reason: reason.clone(),
            };
            let begun = match context.ask(&add) {
                // Only now: who has none gives none, and whoever waits for the secret would wait for ever.
                Err(failure) if failure.class == Class::CodeNeeded && code.is_given() => {
                    code.read(context)?;
                    context.ask(&add)?
                }
                begun => begun?,
            };
            context.print(&begun, |style| begun_text(&begun, style))?;
            let codes = confirm(&begun.name, context)?;
            context.print(&codes, |style| codes_text(&codes, style))
        }
        Command::Remove {
            name,
            reason,
            code,
            yes,
        } => {
            let whose = match name {
                Some(name) => format!("the second factor of {name}"),
                None => "your second factor".to_owned(),
            };
            prompt::confirm(&format!("take {whose} away"), *yes)?;
            code.read(context)?;
            let remove = RemoveFactor {
                name: name.clone(),
                reason: reason.clone(),
            };
            context.print_answer(&remove, |removed, _| {
                format!("{} has no second factor any more.\n", clean(&removed.name))
            })
        }
    }
}

/// Asks for what the app shows until it fits: it's easily mistyped, and the secret isn't shown again. What else is wrong
/// another code doesn't mend.
fn confirm(name: &str, context: &Context) -> Result<RecoveryCodes, Failure> {
    let mut left = if prompt::somebody_there() { TRIES } else { 1 };
    loop {
        let confirm = ConfirmFactor {
            name: name.to_owned(),
        };
        context.prove_with(prompt::code("Code that the app shows now:")?);
        left -= 1;
        match context.ask(&confirm) {
            Err(failure) if left > 0 && failure.class == Class::CodeNeeded => {
                super::super::init::println_note(&failure.to_string())
            }
            answer => return answer,
        }
    }
}

pub(in crate::cli) fn begun_text(begun: &FactorSecret, style: Style) -> String {
    let mut text = String::new();
    // Only a camera reads it.
    if style.width.is_some()
        && let Some(picture) = picture(&begun.uri, style)
    {
        text += &format!("Scan this with an authenticator app:\n\n{picture}\n");
    }
    text += &format!(
        "Account:   {}\nSecret:    {}\nURI:       {}\n\nIt is shown this once. It is in force as soon as you give a code of it.\n",
        clean(&begun.name),
        style.paint(begun.secret.reveal(), Tone::Strong),
        begun.uri.reveal(),
    );
    text
}

/// The URI as a QR code of half blocks. Where there are colours it is black on white, whatever the terminal's are.
fn picture(uri: &SecretText, style: Style) -> Option<String> {
    let code = QrCode::with_error_correction_level(uri.reveal(), EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().quiet_zone(true).build();
    let lines = drawn.lines().map(|line| match style.colour {
        true => format!("\x1b[30;107m{line}\x1b[0m\n"),
        false => format!("{line}\n"),
    });
    Some(lines.collect())
}

pub(in crate::cli) fn codes_text(codes: &RecoveryCodes, style: Style) -> String {
    let mut text = format!(
        "{} has a second factor now. Should the telephone be lost, each of these stands for a code, once:\n\n",
        clean(&codes.name)
    );
    for code in &codes.codes {
        text += &format!("    {}\n", style.paint(code.reveal(), Tone::Strong));
    }
    text + "\nThey are shown this once. Keep them on paper, apart from the telephone.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each half block is two modules, dark or light, as the code has them.
    #[test]
    fn the_picture_is_the_code() {
        let uri = "otpauth://totp/P:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=P";
        let plain = Style {
            colour: false,
            width: Some(80),
        };
        let drawn = picture(&SecretText::new(uri.to_owned()), plain).expect("fits");
        let code = QrCode::with_error_correction_level(uri, EcLevel::L).expect("fits");
        let (width, colours) = (code.width(), code.to_colors());
        let rows: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        for (at, colour) in colours.iter().enumerate() {
            // Four light modules lie around it.
            let (x, y) = (at % width + 4, at / width + 4);
            let half = rows[y / 2][x];
            let dark = match y % 2 {
                0 => "▀█".contains(half),
                _ => "▄█".contains(half),
            };
            assert_eq!(dark, *colour == qrcode::Color::Dark, "{x}, {y}");
        }
        assert!(rows.iter().all(|row| row.len() <= 80), "it fits a terminal");
        let coloured = Style {
            colour: true,
            ..plain
        };
        let drawn = picture(&SecretText::new(uri.to_owned()), coloured).expect("fits");
        assert!(drawn.lines().all(|line| line.starts_with("\x1b[30;107m")));
    }
}
