//! `init`: asks the questions; the daemon's `init` does the work. All answers are checked before anything is made; what an
//! earlier run left undone is noted beside the database, and is what the next one goes on with.

mod args;
mod ask;
mod differ;
mod hand;
mod people;

use std::cell::Cell;
use std::path::PathBuf;

use args::{CertificatesArg, KeyArg};
use clap::ValueHint;

use super::body::NewFile;
use super::context::{Context, write_note, write_out};
use super::style::{Tone, wrapped};
use super::{Global, init_dns, prompt};
use crate::config::{CertificateSource, Config, KeySource};
use crate::control::{Class, Failure, SecretText};
use crate::daemon::hardening;
use crate::daemon::init::{self, Due, FirstAdmin, InitError, NewRoot, Step};
use crate::staff::NewAccount;
use crate::vault::{RecoverySheet, RootKey};

pub(super) use hand::{give_all, hand_over};

/// Where an encrypted credential lies, as hustings.service says.
pub(super) const CREDENTIALS: &str = "/etc/credstore.encrypted";

/// Set an installation up: configuration, keys, recovery sheet, first admin, units
///
/// Asks what it isn't told, and checks all of it before it makes anything. Each step can be repeated: what is there is kept,
/// what an earlier run left undone is done. An answer that differs from what is there is refused. While the service runs,
/// what its database is needed for is left to it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo hustings init\n  hustings init --config ./h.toml --data-dir ./data --runtime-dir ./run --key file --key-file ./root.key --domain party.example --hostname mail.party.example --party \"The Example Party\" --postal-address \"1 High Street, Leeds LS1 1AA\" --admin ada --admin-uid 1000 --sheet-to ./sheet.txt --no-units\n\nWhere things go:\n  configuration  --config, or /etc/hustings/hustings.toml\n  database       --data-dir, or /var/lib/hustings\n  control socket --runtime-dir, or /run/hustings (made by systemd)\n  root key       --key-file, or /etc/hustings/root.key; a credential in /etc/credstore.encrypted\n  units          --units, or /etc/systemd/system\nThe second example makes nothing outside of the directory that it is run in."
)]
pub struct Args {
    /// The party's mail domain
    #[arg(long)]
    domain: Option<String>,
    /// The full name of this machine, as its MX record says
    #[arg(long)]
    hostname: Option<String>,
    /// The party's registered name
    #[arg(long, value_name = "NAME")]
    party: Option<String>,
    /// Its postal address, with the postcode
    #[arg(long, value_name = "ADDRESS")]
    postal_address: Option<String>,
    /// Where the root key comes from
    #[arg(long, value_name = "SOURCE")]
    key: Option<KeyArg>,
    /// Where the key file is written, with --key file; outside the data directory
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key_file: Option<PathBuf>,
    /// Where the database is made
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
    /// Where the service makes its control socket
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    runtime_dir: Option<PathBuf>,
    /// Bind the credential to this machine's TPM, so that it protects a stolen disk or snapshot as well
    #[arg(long)]
    tpm: bool,
    /// Where the certificates come from
    #[arg(long, value_name = "SOURCE")]
    certificates: Option<CertificatesArg>,
    /// The login name of the first admin
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
    /// The first admin's Unix user (id -u)
    #[arg(long, value_name = "UID")]
    admin_uid: Option<u32>,
    /// Write the recovery sheet to this file, which must not exist, instead of showing it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    sheet_to: Option<PathBuf>,
    /// Where to write hustings.service and hustings.socket
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system", value_hint = ValueHint::DirPath)]
    units: PathBuf,
    /// Write no unit files and make no Unix user
    #[arg(long)]
    no_units: bool,
}

/// Before a key or a passphrase is in memory.
pub(super) fn guard_memory() {
    for warning in hardening::guard_memory() {
        println_note(&format!("Warning: {warning}."));
    }
}

/// One run.
struct SetUp<'a> {
    args: &'a Args,
    global: &'a Global,
    context: &'a Context,
    /// Whether something was named as made or kept.
    told: Cell<bool>,
}

pub(super) fn run(args: &Args, global: &Global, context: &Context) -> Result<(), Failure> {
    guard_memory();
    let set_up = SetUp {
        args,
        global,
        context,
        told: Cell::new(false),
    };
    let done = set_up.all();
    if done.is_err() && set_up.told.get() {
        println_note(
            "What is named above as made or kept stays. Mend what is said below and run init again: it goes on where it stopped.",
        );
    }
    done
}

impl SetUp<'_> {
    fn all(&self) -> Result<(), Failure> {
        let path = &self.global.config;
        let config = match path.exists() {
            true => self.known_config()?,
            false => self.first_run()?,
        };
        if let Some(directory) = &self.args.runtime_dir {
            init::make_directory(&absolute(directory), 0o750).map_err(|error| failure(&error))?;
        }
        if self.args.no_units {
            return Ok(());
        }
        self.install(&config)
    }

    /// A first run: everything is asked for and checked, then made.
    fn first_run(&self) -> Result<Config, Failure> {
        let path = &self.global.config;
        ask::before_asking(self.args, true, true)?;
        let answers = ask::answers(self.args)?;
        let text = init::config_text(&answers).map_err(|error| failure(&error))?;
        let config = Config::parse(&text, Some(path)).map_err(|errors| bad_config(&errors))?;
        let first = self.newcomer(&config)?;
        let step = init::write_config(path, &answers).map_err(|error| failure(&error))?;
        self.say(step, &format!("configuration {}", path.display()));
        self.new_store(&config, first)?;
        Ok(config)
    }

    /// A later run, or one with a configuration that somebody brought.
    fn known_config(&self) -> Result<Config, Failure> {
        let path = &self.global.config;
        let config = Config::load_without_files(path).map_err(|errors| bad_config(&errors))?;
        let mut differ = differ::from_config(self.args, &config);
        let there = self
            .context
            .run(async { Ok(init::has_store(&config).await) })?;
        if !differ.is_empty() {
            if matches!(there, Ok(true))
                && let Ok(Some(root)) = self.root_at_hand(&config, false)
                && let Ok(admin) = self.admin(&config, &root)
            {
                differ.extend(differ::from_admin(self.args, admin));
            }
            return Err(differ::refused(&differ, path));
        }
        match there {
            // A service that runs has all that it needs; the rest is asked of it.
            Err(InitError::Keeper(error))
                if error.is_in_use() && init::due(&config) == Due::Nothing =>
            {
                self.say(Step::WasThere, &format!("configuration {}", path.display()));
                self.say(
                    Step::WasThere,
                    "keys and database, which the running service has",
                );
                println_note(LATER);
            }
            Err(error) => return Err(failure(&error)),
            Ok(false) => {
                ask::before_asking(self.args, false, true)?;
                let first = self.newcomer(&config)?;
                self.say(Step::WasThere, &format!("configuration {}", path.display()));
                self.new_store(&config, first)?;
            }
            Ok(true) => self.go_on(&config)?,
        }
        Ok(config)
    }

    /// There is a database: what is due yet?
    fn go_on(&self, config: &Config) -> Result<(), Failure> {
        let due = init::due(config);
        let kept = || {
            let path = self.global.config.display();
            self.say(Step::WasThere, &format!("configuration {path}"));
            self.say(Step::WasThere, "keys and database");
        };
        let Some(root) = self.root_at_hand(config, due != Due::Nothing)? else {
            kept();
            println_note(LATER);
            return Ok(());
        };
        let admin = self.admin(config, &root)?;
        let differ = differ::from_admin(self.args, admin);
        if !differ.is_empty() {
            return Err(differ::refused(&differ, &self.global.config));
        }
        ask::before_asking_again(self.args, due == Due::Sheet, admin == FirstAdmin::Missing)?;
        let account = match admin {
            FirstAdmin::Missing => Some(ask::first_account(self.args, config)?),
            FirstAdmin::Same | FirstAdmin::Another => None,
        };
        let sheet_to = match due {
            Due::Sheet => self.sheet_file()?,
            Due::Account | Due::Nothing => None,
        };
        kept();
        if due == Due::Sheet {
            let sheet = self.wait(init::sheet_again(config, &root))?;
            self.take_sheet(config, &sheet, sheet_to)?;
        } else if let Some(path) = &self.args.sheet_to {
            println_note(&format!(
                "The recovery sheet was taken already, so {} is not written. With the service running it is printed again by: hustings key backup",
                path.display()
            ));
        }
        match account {
            Some(account) => self.first_admin(config, &root, account)?,
            None => {
                self.done(config, Due::Nothing)?;
                self.say(Step::WasThere, "first admin");
                println_note(LATER);
            }
        }
        let root = NewRoot {
            key: root,
            params: None,
            step: Step::WasThere,
        };
        self.show_records(config, &root)
    }

    /// The root key of a database that is there; none if it takes a passphrase that nobody needs to type now.
    fn root_at_hand(&self, config: &Config, needed: bool) -> Result<Option<RootKey>, Failure> {
        let args = self.args;
        let needed = needed || args.admin.is_some() || args.admin_uid.is_some();
        let passphrase = match config.key.source {
            KeySource::File => None,
            KeySource::Credential if needed => None,
            KeySource::Passphrase if needed => Some(prompt::passphrase("Passphrase:")?),
            KeySource::Credential | KeySource::Passphrase => return Ok(None),
        };
        let credential = credential(config);
        let root = init::known_root(config, passphrase.as_ref(), &credential);
        self.wait(root).map(Some)
    }

    /// Runs a step of the daemon's.
    fn wait<T>(&self, step: impl Future<Output = Result<T, InitError>>) -> Result<T, Failure> {
        self.context
            .run(async { step.await.map_err(|error| failure(&error)) })
    }

    /// The file of the sheet, begun: what can't be written is known before there are keys.
    fn sheet_file(&self) -> Result<Option<NewFile>, Failure> {
        self.args
            .sheet_to
            .as_deref()
            .map(NewFile::create)
            .transpose()
    }

    /// Root key, key ring, recovery sheet, first admin.
    fn new_store(&self, config: &Config, first: Newcomer) -> Result<(), Failure> {
        let root = init::root_key(
            config,
            first.passphrase.as_ref(),
            &credential(config),
            self.args.tpm,
        )
        .map_err(|error| failure(&error))?;
        let protection = crate::daemon::keeper::key_source(&config.key).protection();
        self.say(root.step, protection);
        let sheet = self.wait(init::make_store(config, &root))?;
        let place = format!("keys and database in {}", config.data_dir.display());
        self.say(Step::Done, &place);
        if let Some(sheet) = sheet {
            self.take_sheet(config, &sheet, first.sheet_to)?;
        }
        self.first_admin(config, &root.key, first.account)?;
        self.show_records(config, &root)
    }

    fn take_sheet(
        &self,
        config: &Config,
        sheet: &RecoverySheet,
        to: Option<NewFile>,
    ) -> Result<(), Failure> {
        hand_over(sheet, to, self.context.style)?;
        self.done(config, Due::Account)
    }

    /// Notes that only this is due yet.
    fn done(&self, config: &Config, due: Due) -> Result<(), Failure> {
        init::set_due(config, due).map_err(|error| failure(&error))
    }

    /// What goes into DNS; the keys for it are made with it.
    fn show_records(&self, config: &Config, root: &NewRoot) -> Result<(), Failure> {
        self.say(root.step, "DKIM keys");
        init_dns::walk(config, root, self.context)
    }

    fn say(&self, step: Step, what: &str) {
        let (word, tone) = match step {
            Step::Done => ("made", Tone::Good),
            Step::WasThere => ("kept", Tone::Quiet),
        };
        self.told.set(true);
        let word = self.context.style.paint(word, tone);
        println_note(&format!("{word}  {what}"));
    }

    /// Unit files, the service's user, and what is to be done by hand.
    fn install(&self, config: &Config) -> Result<(), Failure> {
        let units = &self.args.units;
        let step = init::write_units(units).map_err(|error| failure(&error))?;
        self.say(step, &format!("units in {}", units.display()));
        if let Some((uid, gid)) = init::service_user().map_err(|error| failure(&error))? {
            give_all(config, uid, gid)?;
        }
        if config.key.source != KeySource::Credential {
            println_note(
                "Remove the line LoadCredentialEncrypted= from hustings.service: the key doesn't come from there.",
            );
        }
        let files = match config.tls.source {
            CertificateSource::Files => FILES,
            CertificateSource::Acme | CertificateSource::SelfMade => "",
        };
        write_out(format!("\nNext:\n{files}{NEXT}").as_bytes())
    }
}

/// What a first run makes keys for.
struct Newcomer {
    account: NewAccount,
    sheet_to: Option<NewFile>,
    passphrase: Option<SecretText>,
}

const LATER: &str = "The recovery sheet can be printed again, and accounts be made, with the service running: hustings key backup, hustings staff add. What belongs into DNS is shown by hustings dns records, and looked up by hustings dns check.";

const FILES: &str = "  put the certificate's files where [[tls.certificate]] says\n";

const NEXT: &str = "  sudo hustings config check\n  systemctl daemon-reload\n  systemctl enable --now hustings.socket hustings.service\n  usermod --append --groups hustings YOU    (and log in anew, to use these commands)\n";

fn bad_config(errors: &crate::config::ConfigErrors) -> Failure {
    Failure::failed(
        "can't use the configuration",
        errors.to_string(),
        "mend it, and run init again",
    )
}

fn credential(config: &Config) -> PathBuf {
    PathBuf::from(CREDENTIALS).join(&config.key.credential)
}

/// The service may be started anywhere.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Notes go to standard error, so that the sheet and the password alone are on standard output.
pub(super) fn println_note(text: &str) {
    write_note(&format!("{}\n", wrapped(text)));
}

pub(super) fn failure(error: &InitError) -> Failure {
    Failure::from_error(Class::Failed, "can't set up", error)
}
