//! `subscriber export` and `subscriber open`: the sealed file that holds all subscribers.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::cli::body::NewFile;
use crate::cli::code::CodeArg;
use crate::cli::context::{Context, Sinks};
use crate::cli::prompt;
use crate::cli::style::{clean, counted};
use crate::control::api::subscriber::{Export, Exported};
use crate::control::{BODY_MAX, Class, Failure};
use crate::vault::{StreamError, StreamKey, StreamOpener};

pub(super) fn export(
    to: &Path,
    reason: &str,
    code: CodeArg,
    context: &Context,
) -> Result<(), Failure> {
    let mut file = NewFile::create(to)?;
    let sinks = Sinks {
        row: &mut |_| Ok(()),
        body: &mut |bytes| file.write(bytes),
    };
    let export = Export {
        reason: reason.to_owned(),
    };
    code.read(context)?;
    let exported = context.ask_into(&export, None, sinks)?;
    file.finish()?;
    context.print(&exported, |_| exported_text(&exported, to))
}

fn exported_text(exported: &Exported, to: &Path) -> String {
    let mut text = format!(
        "Wrote {}: {}, {}, {}.\n",
        to.display(),
        counted(exported.subscribers, "subscriber", "subscribers"),
        counted(exported.suppressions, "suppression", "suppressions"),
        counted(exported.evidence, "evidence event", "evidence events"),
    );
    if exported.left_out > 0 {
        text += &format!(
            "Not in it, because unreadable: {}; see: hustings store verify\n",
            counted(exported.left_out, "row", "rows")
        );
    }
    text += &format!(
        "SHA-256: {}\n{} holds the phrase that opens it: hustings subscriber open {}\n",
        exported.sha256,
        clean(&exported.second),
        to.display(),
    );
    text
}

pub(super) fn open_sealed(file: &Path, to: &Path) -> Result<(), Failure> {
    let what = format!("can't open {}", file.display());
    let mut sealed = File::open(file).map_err(|error| {
        Failure::failed(
            &what,
            error.to_string(),
            "check the path and its permissions",
        )
    })?;
    let phrase = prompt::passphrase("Phrase that the second person has:")?;
    let mut out = NewFile::create(to)?;
    unseal(&mut sealed, phrase.reveal(), &what, &mut |plain| {
        out.write(plain)
    })?;
    // Only now: a file that was cut off must not look like a whole one.
    out.finish()
}

/// Opens a sealed stream piece by piece.
pub(in crate::cli) fn unseal(
    sealed: &mut impl Read,
    phrase: &str,
    what: &str,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: StreamError| Failure::from_error(Class::Failed, what, &error);
    let unreadable =
        |error: std::io::Error| Failure::failed(what, error.to_string(), "check the disk");
    let mut buffer = zeroize::Zeroizing::new(vec![0; BODY_MAX]);
    let mut first = fill(sealed, &mut buffer).map_err(unreadable)?;
    let key = StreamKey::Passphrase(phrase);
    let mut opener = StreamOpener::new(&buffer[..first], &key).map_err(failed)?;
    let mut from = opener.header_len();
    while first > 0 {
        let piece = buffer.get(from..first).unwrap_or_default();
        write(&opener.push(piece).map_err(failed)?)?;
        first = fill(sealed, &mut buffer).map_err(unreadable)?;
        from = 0;
    }
    opener.finish().map_err(failed)
}

/// Reads until the buffer is full or the file ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
