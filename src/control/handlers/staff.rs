//! `staff …`.

use crate::address::EmailAddress;
use crate::control::api::staff::{
    Account, Add, AddFactor, AddPassword, Change, ConfirmFactor, FactorRemoved, FactorReport,
    FactorSecret, List, ListPasswords, MailSetting, NewPassword, PasswordRow, PasswordsRevoked,
    RecoveryCodes, RemoveFactor, Revoke, RevokePassword, StaffUnlocked, UnlockStaff,
};
use crate::control::{Call, Failure, Handle, Nothing, SecretText};
use crate::staff::{
    self as room, AccountChanges, Issued, Member, NewAccount, NewFactor, Role, StaffError,
    StaffRoom, WhichPasswords,
};

use super::{proven, staff_failure};

/// What mail programs are to be told, as it is now.
pub struct MailAccess {
    /// The host.
    pub server: String,
    /// The party, as an authenticator app names it.
    pub party: String,
    /// Its doors.
    pub settings: Vec<MailSetting>,
    /// Where a telephone gets its profile, if settings are served.
    pub profile: Option<String>,
}

impl MailAccess {
    /// A password that was just made, and all that a mail program has to be told.
    pub fn card(self, issued: &Issued) -> NewPassword {
        NewPassword {
            name: issued.name.clone(),
            address: issued.address.clone(),
            password: SecretText::new(issued.password.reveal().clone()),
            label: issued.label.clone(),
            own: false,
            server: self.server,
            settings: self.settings,
            profile: self.profile,
        }
    }
}

/// Answers for the staff room.
pub struct StaffDesk {
    staff: StaffRoom,
    access: Box<dyn Fn() -> MailAccess + Send + Sync>,
}

impl StaffDesk {
    /// A desk for this room; `access` is what mail programs are to be told.
    pub fn new(staff: StaffRoom, access: impl Fn() -> MailAccess + Send + Sync + 'static) -> Self {
        let access = Box::new(access);
        Self { staff, access }
    }

    fn issued(&self, issued: &Issued) -> NewPassword {
        (self.access)().card(issued)
    }

    fn account(&self, member: &Member) -> Account {
        Account {
            name: member.name.clone(),
            addresses: member.addresses.iter().map(ToString::to_string).collect(),
            roles: member.roles.clone(),
            granted: granted(member),
            mailboxes: member.mailboxes.clone(),
            uid: member.uid,
            created_at: member.created_at,
            revoked_at: member.revoked_at,
            trained_until: member.trained_until,
            passwords: member.passwords.len() as u64,
            wrong_passwords: self.staff.wrong_for(member).into(),
            second_factor: member.factor.as_ref().map(|factor| FactorReport {
                since: factor.since,
                recovery_codes: factor.recovery_left as u64,
                wrong_codes: self.staff.wrong_codes_of(factor) as u64,
            }),
        }
    }
}

/// Roles that it has at present and not for good.
fn granted(member: &Member) -> Vec<Role> {
    let mut granted: Vec<Role> = member.grants.iter().map(|grant| grant.role).collect();
    granted.sort_unstable();
    granted.dedup();
    granted
}

fn parsed<'a>(
    addresses: impl IntoIterator<Item = &'a String>,
    what: &str,
) -> Result<Vec<EmailAddress>, Failure> {
    let parse = |text: &String| {
        EmailAddress::parse(text)
            .map_err(|error| Failure::from_error(crate::control::Class::Misuse, what, &error))
    };
    addresses.into_iter().map(parse).collect()
}

impl Handle<Add> for StaffDesk {
    async fn handle(&self, ask: Add, call: &mut Call<Add>) -> Result<NewPassword, Failure> {
        let what = format!("can't make the account {}", ask.name);
        let addresses = parsed(&ask.addresses, &what)?;
        let new = NewAccount {
            name: ask.name,
            addresses,
            roles: ask.roles,
            uid: ask.uid,
        };
        let may = self.staff.may_add(call.caller(), &new).await;
        may.map_err(|error| staff_failure(&what, &error))?;
        proven(call, &self.staff, &what).await?;
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
                call.row(&self.account(member)).await?;
            }
        }
        Ok(Nothing {})
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
        let what = format!("can't change {}", ask.name);
        let changes = AccountChanges {
            add_roles: ask.add_roles,
            remove_roles: ask.remove_roles,
            let_into: ask.let_into,
            shut_out_of: ask.shut_out_of,
            add_addresses: parsed(&ask.add_addresses, &what)?,
            remove_addresses: parsed(&ask.remove_addresses, &what)?,
            main_address: parsed(&ask.main_address, &what)?.pop(),
            uid: ask.uid,
        };
        if changes.widen() {
            let may = self.staff.may_change(admin, &ask.name, &changes).await;
            may.map_err(failure)?;
            proven(call, &self.staff, &what).await?;
        }
        self.staff
            .change(admin, &ask.name, &changes, ask.reason.as_deref())
            .await
            .map_err(failure)?;
        let roll = self.staff.roll();
        let member = roll.by_name(&ask.name);
        let member = member.ok_or_else(|| failure(StaffError::Unknown(ask.name.clone())))?;
        Ok(self.account(member))
    }
}

impl Handle<AddPassword> for StaffDesk {
    async fn handle(
        &self,
        ask: AddPassword,
        call: &mut Call<AddPassword>,
    ) -> Result<NewPassword, Failure> {
        let actor = call.actor()?;
        let name = ask.name.as_deref().unwrap_or_else(|| actor.name());
        if name != actor.name() {
            let what = format!("can't make a password for {name}");
            let may = self.staff.may_add_password(actor, name);
            may.map_err(|error| staff_failure(&what, &error))?;
            proven(call, &self.staff, &what).await?;
        }
        let new = room::NewPassword {
            label: &ask.label,
            replaces: ask.replace,
        };
        let issued = self
            .staff
            .add_password(actor, name, new, ask.reason.as_deref())
            .await
            .map_err(|error| staff_failure(format!("can't make a password for {name}"), &error))?;
        Ok(NewPassword {
            own: name == actor.name(),
            ..self.issued(&issued)
        })
    }
}

impl Handle<ListPasswords> for StaffDesk {
    async fn handle(
        &self,
        ask: ListPasswords,
        call: &mut Call<ListPasswords>,
    ) -> Result<Nothing, Failure> {
        let actor = call.actor()?.clone();
        let name = ask.name.unwrap_or_else(|| actor.name().to_owned());
        let failure = |error| staff_failure(format!("can't list the passwords of {name}"), &error);
        if actor.name() != name {
            actor.admin().map_err(|error| failure(error.into()))?;
        }
        let roll = self.staff.roll();
        let member = roll.by_name(&name);
        let member = member.ok_or_else(|| failure(StaffError::Unknown(name.clone())))?;
        for one in &member.passwords {
            let used = self.staff.used().last(member.id, one.id);
            let row = PasswordRow {
                label: one.label.clone(),
                made_at: one.made_at,
                last_used: used.as_ref().map(|(day, _)| *day),
                doors: used.map_or_else(Vec::new, |(_, doors)| {
                    let doors = doors.into_iter();
                    doors.map(|door| door.as_str().to_owned()).collect()
                }),
            };
            call.row(&row).await?;
        }
        Ok(Nothing {})
    }
}

impl Handle<RevokePassword> for StaffDesk {
    async fn handle(
        &self,
        ask: RevokePassword,
        call: &mut Call<RevokePassword>,
    ) -> Result<PasswordsRevoked, Failure> {
        let actor = call.actor()?;
        let name = ask.name.as_deref().unwrap_or_else(|| actor.name());
        let which = match &ask.label {
            Some(label) => WhichPasswords::Named(label),
            None => WhichPasswords::All,
        };
        let revoked = self
            .staff
            .revoke_passwords(actor, name, which, ask.reason.as_deref())
            .await
            .map_err(|error| staff_failure(format!("can't end a password of {name}"), &error))?;
        Ok(PasswordsRevoked {
            name: name.to_owned(),
            revoked: revoked as u64,
        })
    }
}

impl Handle<AddFactor> for StaffDesk {
    async fn handle(
        &self,
        ask: AddFactor,
        call: &mut Call<AddFactor>,
    ) -> Result<FactorSecret, Failure> {
        let actor = call.actor()?;
        let name = ask.name.as_deref().unwrap_or_else(|| actor.name());
        let new = NewFactor {
            name,
            replaces: ask.replace,
            code: call.code(),
            reason: ask.reason.as_deref(),
        };
        let begun = self.staff.begin_factor(actor, new).await;
        let what = format!("can't set up a second factor for {name}");
        let secret = begun.map_err(|error| staff_failure(what, &error))?;
        Ok(FactorSecret {
            name: name.to_owned(),
            secret: SecretText::new(secret.base32()),
            uri: SecretText::new(secret.uri(&(self.access)().party, name)),
        })
    }
}

impl Handle<ConfirmFactor> for StaffDesk {
    async fn handle(
        &self,
        ask: ConfirmFactor,
        call: &mut Call<ConfirmFactor>,
    ) -> Result<RecoveryCodes, Failure> {
        let (actor, name) = (call.actor()?, &ask.name);
        let what = format!("can't set up a second factor for {name}");
        let failure = |error: StaffError| staff_failure(&what, &error);
        let shows = call.code();
        let shows = shows.ok_or_else(|| failure(StaffError::NotTheApps))?;
        let confirmed = self.staff.confirm_factor(actor, name, shows).await;
        let confirmed = confirmed.map_err(failure)?;
        let codes = confirmed.recovery.into_iter().map(SecretText::new);
        Ok(RecoveryCodes {
            name: ask.name,
            since: confirmed.since,
            codes: codes.collect(),
        })
    }
}

impl Handle<RemoveFactor> for StaffDesk {
    async fn handle(
        &self,
        ask: RemoveFactor,
        call: &mut Call<RemoveFactor>,
    ) -> Result<FactorRemoved, Failure> {
        let name = match &ask.name {
            Some(name) => name.as_str(),
            None => call.actor()?.name(),
        };
        let (by, reason) = (call.caller(), ask.reason.as_deref());
        let removed = self.staff.remove_factor(by, name, call.code(), reason);
        let what = format!("can't take the second factor of {name} away");
        removed.await.map_err(|error| staff_failure(what, &error))?;
        Ok(FactorRemoved {
            name: name.to_owned(),
        })
    }
}

impl Handle<UnlockStaff> for StaffDesk {
    async fn handle(
        &self,
        ask: UnlockStaff,
        call: &mut Call<UnlockStaff>,
    ) -> Result<StaffUnlocked, Failure> {
        let failure = |error| staff_failure(format!("can't let {} in", ask.what), &error);
        let admin = call
            .actor()?
            .admin()
            .map_err(|error| failure(error.into()))?;
        let networks = self
            .staff
            .unlock(admin, &ask.what, ask.reason.as_deref())
            .await
            .map_err(failure)?;
        Ok(StaffUnlocked { networks })
    }
}
