//! A mail that is to become a mailing: it is held whole, within its list's limit, and the list room judges it.

use super::super::held::Held;
use super::super::verdict;
use super::mail::Mail;
use crate::consent::constituency::Code;
use crate::list::{Submission, Target};
use crate::smtp::server::{Accepted, Refusal};

/// A mail for a list.
pub(super) struct Post {
    list: String,
    constituency: Option<String>,
    message: Vec<u8>,
    /// Its room in the byte budget.
    held: Held,
    limit: usize,
}

impl Post {
    /// None for any other mail.
    pub(super) fn of(mail: &Mail) -> Option<Self> {
        let (list, constituency) = mail.bound.lists.first()?;
        Some(Self {
            limit: mail.rooms.max_list_size(list),
            list: list.clone(),
            constituency: constituency.clone(),
            message: Vec::new(),
            held: mail.held(),
        })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.message.len() + bytes.len() > self.limit {
            return Err(verdict::too_big_for_a_list(self.limit));
        }
        self.message.extend_from_slice(bytes);
        let held = self.held.hold(self.message.capacity());
        held.map_err(|_| verdict::no_room())
    }

    /// Hands it to the list room.
    pub(super) async fn submit(self, mail: &Mail) -> Result<Accepted, Refusal> {
        let staff = &mail.rooms.staff;
        let actor = mail.known.submitted_by.and_then(|id| staff.actor(id));
        let actor = actor.ok_or_else(verdict::revoked)?;
        let code = self.constituency.as_deref().map(Code::parse);
        let submission = Submission {
            target: Target::from(code.and_then(Result::ok)),
            list: self.list,
            reverse_path: mail.sender.clone(),
            message: self.message.into(),
        };
        let held = mail.rooms.mailings.submit(&actor, submission).await;
        let held = held.map_err(|error| verdict::not_a_mailing(&error))?;
        mail.rooms.bell.wake();
        let note = format!("Held as mailing {}", held.id).into();
        Ok(Accepted { note })
    }
}
