//! GETQUOTA and GETQUOTAROOT (RFC 9208).

use super::cursor::{Cursor, Read};
use crate::imap::command::{Command, RawName};

/// What stands behind `GETQUOTA`: the name of a root.
pub(super) fn quota(cursor: &mut Cursor<'_>) -> Read<Command> {
    name(cursor).map(Command::Quota)
}

/// What stands behind `GETQUOTAROOT`: a folder's name.
pub(super) fn quota_root(cursor: &mut Cursor<'_>) -> Read<Command> {
    name(cursor).map(Command::QuotaRoot)
}

fn name(cursor: &mut Cursor<'_>) -> Read<RawName> {
    cursor.space()?;
    let name = RawName(cursor.astring()?.into_owned());
    cursor.end()?;
    Ok(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_have_one_name() {
        let read = |text: &str| quota(&mut Cursor::new(text.as_bytes()));
        for (text, name) in [(" \"\"\r\n", ""), (" office\r\n", "office")] {
            assert_eq!(read(text), Ok(Command::Quota(RawName(name.into()))));
        }
        let root = quota_root(&mut Cursor::new(b" INBOX\r\n"));
        assert_eq!(root, Ok(Command::QuotaRoot(RawName(b"INBOX".to_vec()))));
        for bad in ["\r\n", " \r\n", " a b\r\n", " \"a\r\n"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
