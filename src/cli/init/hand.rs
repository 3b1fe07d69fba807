//! Gives the files that were made to whom they belong.

use super::super::body::NewFile;
use super::super::context::write_out;
use super::super::prompt;
use super::super::style::{Style, Tone};
use super::{failure, println_note};
use crate::config::{Config, KeySource};
use crate::control::Failure;
use crate::daemon::init;
use crate::vault::RecoverySheet;

/// Shows the recovery sheet or writes it, and insists that it was taken.
pub(in crate::cli) fn hand_over(
    sheet: &RecoverySheet,
    to: Option<NewFile>,
    style: Style,
) -> Result<(), Failure> {
    let text = sheet.to_text(jiff::Timestamp::now());
    if let Some(mut file) = to {
        let path = file.path().to_owned();
        file.write(text.as_bytes())?;
        file.finish()?;
        println_note(&format!(
            "The recovery sheet is in {}. Print it, keep it away from this host, and delete the file.",
            path.display()
        ));
        return Ok(());
    }
    write_out(text.as_bytes())?;
    println_note(&style.paint(
        "This is the recovery sheet. Print it and keep it away from this host: losing it and the root key loses the data.",
        Tone::Warning,
    ));
    let end = text
        .lines()
        .rev()
        .find(|line| line.starts_with("END"))
        .unwrap_or("END")
        .split_whitespace()
        .collect::<String>();
    loop {
        let typed = prompt::text(
            "Type its last line, which begins with END, to show that you have it:",
            None,
        )?;
        let typed: String = typed.to_uppercase().split_whitespace().collect();
        if typed == end.to_uppercase() {
            return Ok(());
        }
        println_note("That is not its last line; look at the paper.");
    }
}

/// Gives database and key file to the service's user.
pub(in crate::cli) fn give_all(config: &Config, uid: u32, gid: u32) -> Result<(), Failure> {
    init::give_to_service(&config.data_dir, uid, gid).map_err(|error| failure(&error))?;
    if config.key.source == KeySource::File {
        init::give_to_service(&config.key_file(), uid, gid).map_err(|error| failure(&error))?;
    }
    Ok(())
}
