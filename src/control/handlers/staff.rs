//! `staff …`.

use crate::address::EmailAddress;
use crate::control::api::staff::{Account, Add, Change, List, NewPassword, Password, Revoke};
use crate::control::{Call, Failure, Handle, Nothing, SecretText};
use crate::staff::{AccountChanges, Issued, Member, NewAccount, StaffError, StaffRoom};

use super::staff_failure;

/// Answers for the staff room.
pub struct StaffDesk {
    staff: StaffRoom,
    server: String,
}

impl StaffDesk {
    /// A desk for this room; `server` is the host that mail programs are to use.
    pub fn new(staff: StaffRoom, server: impl Into<String>) -> Self {
        Self {
            staff,
            server: server.into(),
        }
    }

    fn issued(&self, issued: &Issued) -> NewPassword {
        NewPassword {
            name: issued.name.clone(),
            password: SecretText::new(issued.password.reveal().clone()),
            server: self.server.clone(),
        }
    }
}

impl Handle<Add> for StaffDesk {
    async fn handle(&self, ask: Add, call: &mut Call<Add>) -> Result<NewPassword, Failure> {
        let what = format!("can't make the account {}", ask.name);
        let mut addresses = Vec::with_capacity(ask.addresses.len());
        for text in &ask.addresses {
            let address = EmailAddress::parse(text).map_err(|error| {
                Failure::from_error(crate::control::Class::Misuse, &what, &error)
            })?;
            addresses.push(address);
        }
        let new = NewAccount {
            name: ask.name,
            addresses,
            roles: ask.roles,
            uid: ask.uid,
        };
        let issued = self
            .staff
            .add(call.caller(), new, ask.reason.as_deref())
            .await
            .map_err(|error| staff_failure(what, &error))?;
        Ok(self.issued(&issued))
    }
}

impl Handle<List> for StaffDesk {
    async fn handle(&self, ask: List, call: &mut Call<List>) -> Result<Nothing, Failure> {
        let roll = self.staff.roll();
        for member in roll.all() {
            if member.is_live() || ask.revoked {
                call.row(&account(member)).await?;
            }
        }
        Ok(Nothing {})
    }
}

fn account(member: &Member) -> Account {
    Account {
        name: member.name.clone(),
        addresses: member.addresses.iter().map(ToString::to_string).collect(),
        roles: member.roles.clone(),
        mailboxes: member.mailboxes.clone(),
        uid: member.uid,
        created_at: member.created_at,
        revoked_at: member.revoked_at,
        trained_until: member.trained_until,
    }
}

impl Handle<Revoke> for StaffDesk {
    async fn handle(&self, ask: Revoke, call: &mut Call<Revoke>) -> Result<Nothing, Failure> {
        let failure = |error| staff_failure(format!("can't revoke {}", ask.name), &error);
        let admin = call
            .actor()?
            .admin()
            .map_err(|error| failure(error.into()))?;
        self.staff
            .revoke(admin, &ask.name, ask.reason.as_deref())
            .await
            .map_err(failure)?;
        Ok(Nothing {})
    }
}

impl Handle<Change> for StaffDesk {
    async fn handle(&self, ask: Change, call: &mut Call<Change>) -> Result<Account, Failure> {
        let failure = |error| staff_failure(format!("can't change {}", ask.name), &error);
        let admin = call
            .actor()?
            .admin()
            .map_err(|error| failure(error.into()))?;
        let changes = AccountChanges {
            add_roles: ask.add_roles,
            remove_roles: ask.remove_roles,
            let_into: ask.let_into,
            shut_out_of: ask.shut_out_of,
        };
        self.staff
            .change(admin, &ask.name, &changes, ask.reason.as_deref())
            .await
            .map_err(failure)?;
        let roll = self.staff.roll();
        let member = roll.by_name(&ask.name);
        let member = member.ok_or_else(|| failure(StaffError::Unknown(ask.name.clone())))?;
        Ok(account(member))
    }
}

impl Handle<Password> for StaffDesk {
    async fn handle(
        &self,
        ask: Password,
        call: &mut Call<Password>,
    ) -> Result<NewPassword, Failure> {
        let actor = call.actor()?;
        let name = ask.name.as_deref().unwrap_or_else(|| actor.name());
        let issued = self
            .staff
            .new_password(actor, name, ask.reason.as_deref())
            .await
            .map_err(|error| staff_failure(format!("can't make a password for {name}"), &error))?;
        Ok(self.issued(&issued))
    }
}
