//! How the mail of an address leaves the folders where it waits: into the inboxes once its author is known, or for good.

use jiff::{SignedDuration, Timestamp};

use super::waiting::{START, all_waiting, proven_of};
use super::{is_met, meet};
use crate::id::MessageId;
use crate::store::intake::{self, Intake, IntakeRecord};
use crate::store::writer::Tx;
use crate::store::{StoreError, mailbox};
use crate::vault::Index;

/// How many mails one transaction brings into the inboxes, so that nobody's mail waits behind them.
const PIECE: usize = 100;

/// When what waits of somebody is brought in whose mail is being taken out in several acts: behind the last of them, which
/// would else not find what the next ones are about.
const BEHIND_ALL: SignedDuration = SignedDuration::from_mins(10);

/// Makes an address a contact, and brings what waits of it and proves itself into the inboxes: some of it now, the rest by
/// the intake's worker.
pub(in crate::store) async fn meet_and_release(
    address: &[Index],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    meet(address, at, tx).await?;
    match release_some(address, START, at, tx).await? {
        Some(behind) => leave_rest(address, Some(behind), at, tx).await,
        None => Ok(()),
    }
}

/// Makes an address a contact whose mail is being taken out in several acts. What waits of it comes in behind the last.
pub(in crate::store) async fn meet_and_release_later(
    address: &[Index],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    meet(address, at, tx).await?;
    let first = proven_of(address, START, 1, tx).await?;
    if first.messages.is_empty() && first.until.is_none() {
        return Ok(());
    }
    let due_at = at.checked_add(BEHIND_ALL).unwrap_or(at);
    leave_rest(address, None, due_at, tx).await
}

/// Leaves the rest to the worker.
async fn leave_rest(
    address: &[Index],
    behind: Option<MessageId>,
    due_at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let author = address.iter().map(|index| index.as_bytes().to_vec());
    let author = author.collect();
    let rest = IntakeRecord::Release { author, behind };
    tx.after.left_to_worker = true;
    Intake::new(due_at, rest).put(tx).await
}

/// Brings the next of a contact's mail into the inboxes. With the last of it the work is done; and with the contact's
/// erasure: what they write after it waits like any stranger's.
pub(in crate::store) async fn release_on(
    address: &[Index],
    at: Timestamp,
    work: &Intake,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let IntakeRecord::Release { author, behind } = &work.record else {
        return Ok(());
    };
    if is_met(address, tx).await?
        && let Some(behind) = release_some(address, behind.unwrap_or(START), at, tx).await?
    {
        let on = Intake {
            record: IntakeRecord::Release {
                author: author.clone(),
                behind: Some(behind),
            },
            ..work.clone()
        };
        return on.put(tx).await;
    }
    intake::remove(work.id, tx).await
}

/// Brings in the next piece behind a message; up to which it went if there may be more. What can't leave its folder stays in
/// it, and has had its turn.
async fn release_some(
    address: &[Index],
    behind: MessageId,
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<Option<MessageId>, StoreError> {
    let piece = proven_of(address, behind, PIECE, tx).await?;
    mailbox::release(&piece.messages, at, tx).await?;
    Ok(piece.until)
}

/// Erases what waits of an address, but in mailboxes that are on hold.
pub(in crate::store) async fn erase_waiting(
    address: &[Index],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let messages = all_waiting(address, tx).await?;
    mailbox::discard_waiting(&messages, tx).await
}
