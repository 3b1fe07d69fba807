//! Asking the person: addresses and passphrases that must not stand on the command line, and "are you sure?".

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Text};
use zeroize::{Zeroize as _, Zeroizing};

use crate::control::{Failure, SecretText};

/// Said in the help of each argument that takes an address.
pub(super) const ADDRESS_HELP: &str = "Mail address, or `-` to be asked for it or to read it from standard input. What is \
typed as an argument can be seen by other users of this machine (ps) and stays in the shell's history";

/// The longest line that is read from standard input.
const LINE_MAX: u64 = 4096;

/// Whether a person can be asked.
pub(super) fn somebody_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The address that an argument gives; `-` asks for it, or reads a line of standard input.
pub(super) fn address(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let address = if somebody_there() {
        Text::new("Address:")
            .prompt()
            .map_err(|error| unanswered("the address", &error))?
    } else {
        line("the address")?.trim().to_owned()
    };
    if address.is_empty() {
        return Err(Failure::misuse(
            "can't read the address",
            "nothing was given",
            "give it as a line of standard input",
        ));
    }
    Ok(address)
}

/// A passphrase: asked for without echo, or a line of standard input.
pub(super) fn passphrase(question: &str) -> Result<SecretText, Failure> {
    if !somebody_there() {
        let line = line("the passphrase")?;
        return Ok(SecretText::new(Zeroizing::new(
            line.trim_end_matches(['\r', '\n']).to_owned(),
        )));
    }
    let text = Password::new(question)
        .without_confirmation()
        .with_display_mode(PasswordDisplayMode::Hidden)
        .prompt()
        .map_err(|error| unanswered("the passphrase", &error))?;
    Ok(SecretText::new(text))
}

/// A code of a second factor: asked for, or a line of standard input.
pub(super) fn code(question: &str) -> Result<SecretText, Failure> {
    if !somebody_there() {
        return line_of_code();
    }
    let text = Password::new(question)
        .without_confirmation()
        .with_display_mode(PasswordDisplayMode::Masked)
        .prompt()
        .map_err(|error| unanswered("the code", &error))?;
    Ok(SecretText::new(text))
}

/// A code of a second factor, as a line of standard input.
pub(super) fn line_of_code() -> Result<SecretText, Failure> {
    let line = line("the code")?;
    Ok(SecretText::new(Zeroizing::new(line.trim().to_owned())))
}

/// A new passphrase, asked for twice, checked by `check`.
pub(super) fn new_passphrase(
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<SecretText, Failure> {
    if !somebody_there() {
        let chosen = passphrase("")?;
        return match check(chosen.reveal()) {
            Ok(()) => Ok(chosen),
            Err(why) => Err(Failure::misuse(
                "can't take the passphrase",
                why,
                "choose another",
            )),
        };
    }
    loop {
        let text = Password::new("New passphrase:")
            .with_custom_confirmation_message("Again:")
            .with_custom_confirmation_error_message("They differ.")
            .with_display_mode(PasswordDisplayMode::Hidden)
            .prompt()
            .map_err(|error| unanswered("the passphrase", &error))?;
        match check(&text) {
            Ok(()) => return Ok(SecretText::new(text)),
            Err(why) => {
                let mut text = text;
                text.zeroize();
                super::init::println_note(&why);
            }
        }
    }
}

/// A line of text, with a default.
pub(super) fn text(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let prompt = Text::new(question);
    let prompt = match default {
        Some(default) => prompt.with_default(default),
        None => prompt,
    };
    prompt
        .prompt()
        .map_err(|error| unanswered("the answer", &error))
}

/// One of several answers.
pub(super) fn choose(question: &str, answers: &[&'static str]) -> Result<&'static str, Failure> {
    inquire::Select::new(question, answers.to_vec())
        .prompt()
        .map_err(|error| unanswered("the answer", &error))
}

/// Asks before something that can't be undone, unless `--yes` was given.
pub(super) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !somebody_there() {
        return Err(Failure::misuse(
            format!("can't {what} without asking"),
            "nobody is there to ask (standard input is no terminal)",
            "add --yes if you're sure",
        ));
    }
    let sure = Confirm::new(&format!("Really {what}?"))
        .with_default(false)
        .prompt()
        .map_err(|error| unanswered("the answer", &error))?;
    if sure {
        Ok(())
    } else {
        Err(Failure::refused(
            format!("did not {what}"),
            "you said no",
            "nothing was changed",
        ))
    }
}

fn line(what: &str) -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().take(LINE_MAX).read_line(&mut line);
    match read {
        Ok(0) => Err(Failure::misuse(
            format!("can't read {what}"),
            "standard input is empty",
            "give it as a line of standard input, or run the command in a terminal",
        )),
        Ok(_) => Ok(line),
        Err(error) => Err(Failure::failed(
            format!("can't read {what}"),
            error.to_string(),
            "give it as a line of standard input",
        )),
    }
}

fn unanswered(what: &str, error: &InquireError) -> Failure {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => Failure::refused(
            format!("did not get {what}"),
            "you stopped",
            "run it again when you're ready",
        ),
        other => Failure::failed(
            format!("can't ask for {what}"),
            other.to_string(),
            "run the command in a terminal, or give it on standard input",
        ),
    }
}
