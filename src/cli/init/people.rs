//! Who will be the first admin.

use super::super::context::write_out;
use super::super::prompt;
use super::super::staff::password;
use super::{Newcomer, SetUp, ask};
use crate::config::{Config, KeySource};
use crate::control::Failure;
use crate::daemon::init::{self, Due, FirstAdmin, Step};
use crate::staff::NewAccount;
use crate::vault::{RootKey, check_passphrase};

impl SetUp<'_> {
    pub(super) fn admin(&self, config: &Config, root: &RootKey) -> Result<FirstAdmin, Failure> {
        let (name, uid) = (self.args.admin.as_deref(), self.args.admin_uid);
        self.wait(init::first_admin_is(config, root, name, uid))
    }

    /// Who comes first, and where their sheet goes: known before there are keys.
    pub(super) fn newcomer(&self, config: &Config) -> Result<Newcomer, Failure> {
        Ok(Newcomer {
            account: ask::first_account(self.args, config)?,
            sheet_to: self.sheet_file()?,
            passphrase: match config.key.source {
                KeySource::Passphrase => Some(prompt::new_passphrase(|text| {
                    check_passphrase(text).map_err(|error| error.to_string())
                })?),
                KeySource::Credential | KeySource::File => None,
            },
        })
    }

    pub(super) fn first_admin(
        &self,
        config: &Config,
        root: &RootKey,
        account: NewAccount,
    ) -> Result<(), Failure> {
        let issued = self.wait(init::first_admin(config, root, account))?;
        if let Some(issued) = issued {
            self.say(Step::Done, &format!("first admin {}", issued.name));
            let card = init::card(config, &issued);
            write_out(password::text(&card, self.context.style).as_bytes())?;
        }
        self.done(config, Due::Nothing)
    }
}
