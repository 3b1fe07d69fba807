//! Parts of messages (RFC 9051 §6.4.5, RFC 3516), streamed: their length is known before their first byte, and no more than
//! a piece is in memory.

use super::{Ended, No, Sink, Stop};
use crate::id::MessageId;
use crate::imap::command::{BodyItem, PartWhat};
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::section::{Opened, Partial, Section, SectionError, Wanted};
use crate::message::outline::Outline;
use crate::store::StoreError;

/// Writes a part. What can't be read is shown as nothing, and told at the end of the command: others are to be read.
pub(super) async fn write<S: Sink>(
    account: &Account,
    item: &BodyItem,
    (message, outline): (MessageId, &Outline),
    out: &mut S,
) -> Result<Option<No>, Stop> {
    let buffer = out.buffer();
    buffer.extend_from_slice(item.label.as_bytes());
    buffer.push(b' ');
    let mut opened = match open(account, item, message, outline).await {
        Ok(Some(opened)) => opened,
        Ok(None) => {
            buffer.extend_from_slice(match item.what {
                PartWhat::BinarySize => b"0",
                _ => b"NIL",
            });
            return Ok(None);
        }
        Err(no) => {
            buffer.extend_from_slice(match item.what {
                PartWhat::BinarySize => b"0",
                _ => b"NIL",
            });
            return Ok(Some(no));
        }
    };
    match item.what {
        PartWhat::BinarySize => {
            write::number(buffer, opened.size());
            return Ok(None);
        }
        // It may hold any octet.
        PartWhat::Binary => buffer.extend_from_slice(b"~{"),
        _ => buffer.push(b'{'),
    }
    write::number(buffer, opened.size());
    buffer.extend_from_slice(b"}\r\n");
    stream(&mut opened, out).await?;
    Ok(None)
}

/// Once its length was said there is no way back.
async fn stream<S: Sink>(opened: &mut Opened, out: &mut S) -> Result<(), Ended> {
    let mut left = opened.size();
    while left > 0 {
        let piece = opened.next().await.map_err(|error| {
            tracing::error!(%error, "a message could not be read to its end");
            Ended::HalfSaid
        })?;
        let piece = piece.filter(|piece| piece.len() as u64 <= left);
        let piece = piece.ok_or(Ended::HalfSaid)?;
        left -= piece.len() as u64;
        out.buffer().extend_from_slice(&piece);
        out.relieve().await?;
    }
    Ok(())
}

async fn open(
    account: &Account,
    item: &BodyItem,
    message: MessageId,
    outline: &Outline,
) -> Result<Option<Opened>, No> {
    let wanted = match &item.what {
        PartWhat::Binary | PartWhat::BinarySize => {
            let binary = account
                .mailboxes
                .binary(message, outline, &item.part, partial(item));
            return binary.await.map_err(|error| match error {
                SectionError::UnknownEncoding => No::new("UNKNOWN-CTE", error.to_string()),
                SectionError::Store(error) => error.into(),
            });
        }
        PartWhat::Whole => Wanted::Whole,
        PartWhat::Header => Wanted::Header,
        PartWhat::Fields(names) => Wanted::Fields(names.clone()),
        PartWhat::FieldsNot(names) => Wanted::OtherFields(names.clone()),
        PartWhat::Text => Wanted::Text,
        PartWhat::Mime => Wanted::Mime,
    };
    let part = item.part.clone();
    let section = Section { part, wanted };
    let opened = account
        .mailboxes
        .section(message, outline, &section, partial(item));
    opened.await.map_err(|error: StoreError| error.into())
}

fn partial(item: &BodyItem) -> Option<Partial> {
    item.partial.map(|(first, most)| Partial {
        first: first.into(),
        most: most.into(),
    })
}
