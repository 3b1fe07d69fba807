//! A mail that is to be a report on mail in our name (DMARC): it is held whole, within a report's limit, and whoever keeps
//! reports reads it. What is no report is refused, unless it goes to somebody's mailbox as well.

use super::super::checks::Checked;
use super::super::held::Held;
use super::super::verdict;
use super::mail::Mail;
use crate::report::MOST_PACKED;
use crate::smtp::server::Refusal;

/// The largest mail with a report: in it the report is a third longer.
const LARGEST: usize = 2 * MOST_PACKED;

/// The mail, as it comes.
pub(super) struct Report {
    message: Vec<u8>,
    /// Its room in the byte budget.
    held: Held,
    /// It is kept elsewhere as well, and is too big for a report.
    given_up: bool,
    kept: bool,
}

impl Report {
    /// None for a mail that is not for reports.
    pub(super) fn of(mail: &Mail) -> Option<Self> {
        mail.bound.reports.then(|| Self {
            message: Vec::new(),
            held: mail.held(),
            given_up: false,
            kept: mail.bound.is_kept(),
        })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.given_up {
            return Ok(());
        }
        if self.message.len() + bytes.len() > LARGEST {
            if !self.kept {
                return Err(verdict::too_big_for_a_report());
            }
            self.given_up = true;
            self.message = Vec::new();
            return Ok(());
        }
        self.message.extend_from_slice(bytes);
        let held = self.held.hold(self.message.capacity());
        held.map_err(|_| verdict::no_room())
    }

    /// Has it read and kept.
    pub(super) async fn submit(
        self,
        mail: &Mail,
        checked: Option<&Checked>,
    ) -> Result<(), Refusal> {
        let taken = match checked {
            _ if self.given_up => return Ok(()),
            Some(checked) if checked.junk => Err(verdict::suspect_report()),
            checked => {
                let proven = checked.and_then(|checked| checked.proven_author.as_ref());
                let proven = proven.map(|author| author.domain().clone());
                let reports = &mail.rooms.reports;
                let taken = reports.take_dmarc(self.message, mail.client, proven).await;
                taken.map(drop).map_err(|error| verdict::no_report(&error))
            }
        };
        match self.kept {
            true => Ok(()),
            false => taken,
        }
    }
}
