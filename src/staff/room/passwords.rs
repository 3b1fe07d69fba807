//! Everybody's passwords: one for each mail program, named, and ended one by one.

use super::super::actor::{Actor, Caller};
use super::super::error::StaffError;
use super::super::password::Password;
use super::super::roll::{named_passwords, read_verifier, write_verifier};
use super::super::scram::{MOST_PASSWORDS, Verifier};
use super::{Issued, StaffRoom, live};
use crate::id::PasswordId;
use crate::store::{Guard, PasswordRecord, Role, StaffRecord};

/// The longest name of a password, in characters.
const LONGEST_LABEL: usize = 40;

/// A password to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewPassword<'a> {
    /// What it is called.
    pub label: &'a str,
    /// All others end with it.
    pub replaces: bool,
}

/// Passwords to be ended.
#[derive(Debug, Clone, Copy)]
pub enum WhichPasswords<'a> {
    /// The one of this name.
    Named(&'a str),
    /// All of them.
    All,
}

/// Characters that show nothing, or turn what stands around them: two names would look alike.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl StaffRoom {
    /// Makes a password. Everybody may for themselves, an admin for all.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn add_password(
        &self,
        by: &Actor,
        name: &str,
        new: NewPassword<'_>,
        reason: Option<&str>,
    ) -> Result<Issued, StaffError> {
        let _one = self.0.changing.lock().await;
        self.may_add_password(by, name)?;
        let roll = self.roll();
        let member = live(&roll, name)?;
        let mut staff = self.stored(member.id, name).await?;
        let mut with = Vec::new();
        let mut verbs = vec!["staff password add"];
        if new.replaces {
            staff.record.verifier = None;
            staff.record.passwords.clear();
            with.push(self.0.used.forget(staff.id, |_| true));
            verbs.insert(0, "staff password revoke all");
        }
        let issued = self.issue(&mut staff.record, new.label)?;
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.clone());
        self.commit(&by, &verbs, guard, staff, with, reason).await?;
        Ok(issued)
    }

    /// Whether they could make a password for somebody now. Changes nothing.
    ///
    /// # Errors
    /// A [`StaffError`] if they couldn't.
    pub fn may_add_password(&self, by: &Actor, name: &str) -> Result<(), StaffError> {
        if by.name() != name {
            // Who knows somebody's password is that person, for as long as it lasts.
            by.admin()?.may_give(None)?;
        }
        live(&self.roll(), name).map(drop)
    }

    /// Ends passwords: no program that has one of them gets in from then on. Everybody may for themselves, an admin for all.
    /// Says how many there were.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn revoke_passwords(
        &self,
        by: &Actor,
        name: &str,
        which: WhichPasswords<'_>,
        reason: Option<&str>,
    ) -> Result<usize, StaffError> {
        let _one = self.0.changing.lock().await;
        let roll = self.roll();
        if by.name() != name {
            by.require(Role::Admin)?;
        }
        let member = live(&roll, name)?;
        let mut staff = self.stored(member.id, name).await?;
        let (gone, stay): (Vec<_>, Vec<_>) =
            named_passwords(&staff.record)
                .into_iter()
                .partition(|one| match which {
                    WhichPasswords::Named(label) => same_label(&one.label, label),
                    WhichPasswords::All => true,
                });
        if gone.is_empty() {
            return Err(StaffError::NoSuchPassword(name.to_owned()));
        }
        let verifier = read_verifier(&staff.record).unwrap_or_else(Verifier::empty);
        let verifier = gone
            .iter()
            .fold(verifier, |verifier, one| verifier.without(one.id));
        staff.record.verifier = (!stay.is_empty()).then(|| write_verifier(&verifier));
        staff.record.passwords = stay;
        let ended = |id| gone.iter().any(|one| one.id == id);
        let with = vec![self.0.used.forget(staff.id, ended)];
        let verb = match which {
            WhichPasswords::Named(_) => "staff password revoke",
            WhichPasswords::All => "staff password revoke all",
        };
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.clone());
        self.commit(&by, &[verb], guard, staff, with, reason)
            .await?;
        Ok(gone.len())
    }

    /// Makes a password and puts it beside those that the account has.
    pub(super) fn issue(
        &self,
        record: &mut StaffRecord,
        label: &str,
    ) -> Result<Issued, StaffError> {
        let label = label.trim();
        let visible = |c: char| !c.is_control() && !is_unseen(c);
        if label.is_empty() || label.chars().count() > LONGEST_LABEL || !label.chars().all(visible)
        {
            return Err(StaffError::Label);
        }
        let mut passwords = named_passwords(record);
        if passwords.iter().any(|one| same_label(&one.label, label)) {
            return Err(StaffError::LabelTaken);
        }
        if passwords.len() >= MOST_PASSWORDS {
            return Err(StaffError::TooManyPasswords {
                name: record.name.clone(),
                most: MOST_PASSWORDS,
            });
        }
        let (id, password) = (PasswordId::random(), Password::generate());
        let verifier = read_verifier(record).unwrap_or_else(Verifier::empty);
        let verifier = verifier.with(id, password.reveal());
        let verifier = verifier.map_err(|error| StaffError::Verifier(error.to_string()))?;
        record.verifier = Some(write_verifier(&verifier));
        passwords.push(PasswordRecord {
            id,
            label: label.to_owned(),
            made_at: self.0.clock.now(),
        });
        record.passwords = passwords;
        Ok(Issued {
            name: record.name.clone(),
            address: {
                let main = record.addresses.first();
                main.map_or_else(String::new, ToString::to_string)
            },
            label: label.to_owned(),
            password,
        })
    }
}

/// People don't tell `Laptop` from `laptop`.
fn same_label(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
