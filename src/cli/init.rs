//! `init`: asks the questions; the daemon's `init` does the work.

use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};

use super::Global;
use super::body::NewFile;
use super::context::{Context, write_out};
use super::style::{Style, Tone, wrapped};
use super::{init_dns, prompt};
use crate::address::EmailAddress;
use crate::config::{CertificateSource, Config, KeySource};
use crate::control::{Class, Failure, SecretText};
use crate::daemon::hardening;
use crate::daemon::init::{self, Answer, Answers, InitError, NewRoot, Step};
use crate::staff::NewAccount;
use crate::vault::{KeySource as Source, RecoverySheet, check_passphrase};

/// Where an encrypted credential lies, as hustings.service says.
pub(super) const CREDENTIALS: &str = "/etc/credstore.encrypted";

/// Set an installation up: configuration, keys, recovery sheet, first admin, units
///
/// Asks what it isn't told. Each step can be repeated: what is there is kept. Stop the service first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo hustings init\n  hustings init --config ./h.toml --domain party.example --hostname mail.party.example --party \"The Example Party\" --postal-address \"1 High Street, Leeds LS1 1AA\" --key file --admin ada --admin-uid 1000 --sheet-to ./sheet.txt --no-units"
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

/// Where the root key comes from
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyArg {
    /// systemd decrypts it at start
    Credential,
    /// A file on this host
    File,
    /// Typed at `hustings unlock` after each start
    Passphrase,
}

/// Where the certificates come from
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CertificatesArg {
    /// Let's Encrypt, asked by the service itself; this says that you agree to its terms of service
    Acme,
    /// Files that another program renews
    Files,
    /// The service itself: for DANE, or to begin with
    SelfMade,
}

impl CertificatesArg {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Files => "files",
            Self::SelfMade => "self-made",
        }
    }
}

impl KeyArg {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::File => "file",
            Self::Passphrase => "passphrase",
        }
    }
}

/// Before a key or a passphrase is in memory.
pub(super) fn guard_memory() {
    for warning in hardening::guard_memory() {
        println_note(&format!("Warning: {warning}."));
    }
}

pub(super) fn run(args: &Args, global: &Global, context: &Context) -> Result<(), Failure> {
    guard_memory();
    let done = set_up(args, global, context);
    if done.is_err() {
        println_note(
            "What is named above as made or kept stays. Mend what is said below and run init again: it goes on where it stopped.",
        );
    }
    done
}

fn set_up(args: &Args, global: &Global, context: &Context) -> Result<(), Failure> {
    let path = &global.config;
    let step = if path.exists() {
        Step::WasThere
    } else {
        check_given(args)?;
        init::write_config(path, &answers(args)?).map_err(|error| failure(&error))?
    };
    say(context, step, &format!("configuration {}", path.display()));
    let config = Config::load_without_files(path).map_err(|errors| {
        Failure::failed(
            "can't use the configuration",
            errors.to_string(),
            "mend it, and run init again",
        )
    })?;
    let has_store = context.run(async {
        init::has_store(&config)
            .await
            .map_err(|error| failure(&error))
    })?;
    say_unused(args, &config, path, has_store);
    if has_store {
        say(context, Step::WasThere, "keys and database");
        println_note(
            "The recovery sheet can be printed again, and accounts be made, with the service running: hustings key backup, hustings staff add. What belongs into DNS is shown by hustings dns records, and looked up by hustings dns check. While there is no account, root makes the first: hustings staff add NAME --address NAME@DOMAIN --role admin --uid UID.",
        );
        if config.key.source == KeySource::File {
            show_records(&config, &make_root(args, &config, None)?, context)?;
        }
    } else {
        new_store(args, &config, context)?;
    }
    if args.no_units {
        return Ok(());
    }
    install(args, &config, context)
}

/// What goes into DNS; the keys for it are made with it.
fn show_records(config: &Config, root: &NewRoot, context: &Context) -> Result<(), Failure> {
    say(context, root.step, "DKIM keys");
    init_dns::walk(config, root, context)
}

impl Args {
    /// What the configuration is made from, as far as it is given.
    fn given(&self) -> [(Answer, &'static str, Option<&str>); 4] {
        [
            (Answer::Domain, "--domain", self.domain.as_deref()),
            (Answer::Hostname, "--hostname", self.hostname.as_deref()),
            (Answer::Party, "--party", self.party.as_deref()),
            (
                Answer::PostalAddress,
                "--postal-address",
                self.postal_address.as_deref(),
            ),
        ]
    }
}

/// Looks at what was given before anything is asked.
fn check_given(args: &Args) -> Result<(), Failure> {
    for (which, flag, given) in args.given() {
        let checked = given.map_or(Ok(()), |given| init::check_answer(which, given));
        checked.map_err(|(why, next)| Failure::misuse(format!("can't use {flag}"), why, next))?;
    }
    Ok(())
}

/// Says which options a repeated run has no use for.
fn say_unused(args: &Args, config: &Config, path: &Path, has_store: bool) {
    let mut given: Vec<_> = args.given().map(|(_, flag, given)| (flag, given)).into();
    given.push(("--key", args.key.map(KeyArg::as_str)));
    for unused in init::answered_otherwise(&given, config) {
        println_note(&format!(
            "Not used: {unused}. To change it, edit {}.",
            path.display()
        ));
    }
    if !has_store {
        return;
    }
    for (flag, given) in [
        ("--admin", args.admin.is_some()),
        ("--admin-uid", args.admin_uid.is_some()),
        ("--sheet-to", args.sheet_to.is_some()),
        ("--tpm", args.tpm),
    ] {
        if given {
            println_note(&format!(
                "Not used: {flag}, since keys and database are there."
            ));
        }
    }
}

fn answers(args: &Args) -> Result<Answers, Failure> {
    let [domain, hostname, party, postal_address] = args.given();
    Ok(Answers {
        domain: ask(domain, "The party's mail domain:")?,
        hostname: ask(hostname, "The full name of this machine (its MX record):")?,
        party: ask(party, "The party's registered name:")?,
        postal_address: ask(postal_address, "Its postal address, with the postcode:")?,
        key: key_source(args)?.as_str().to_owned(),
        certificates: certificates(args)?.to_owned(),
    })
}

/// An answer that was given, or that is asked for until it is good.
fn ask(
    (which, flag, given): (Answer, &'static str, Option<&str>),
    question: &str,
) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    if !prompt::somebody_there() {
        return Err(Failure::misuse(
            "can't set up",
            format!("{flag} was not given, and nobody is there to ask"),
            format!("add {flag}"),
        ));
    }
    loop {
        let typed = prompt::text(question, None)?;
        let typed = typed.trim();
        match init::check_answer(which, typed) {
            Ok(()) => return Ok(typed.to_owned()),
            Err((why, next)) => println_note(&format!("{why}; {next}")),
        }
    }
}

const TERMS: &str = "https://letsencrypt.org/repository/";

/// Files, as long as nobody is there to agree to an authority's terms.
fn certificates(args: &Args) -> Result<&'static str, Failure> {
    if let Some(certificates) = args.certificates {
        return Ok(certificates.as_str());
    }
    if !prompt::somebody_there() {
        return Ok(CertificatesArg::Files.as_str());
    }
    println_note(&format!(
        "Certificates can come from Let's Encrypt, asked and renewed by the service itself: for that, ports 80 and 443 of this \
         machine are reached from outside, and you agree to the terms at {TERMS} by choosing it."
    ));
    prompt::choose(
        "Where shall the certificates come from?",
        &["acme", "files", "self-made"],
    )
}

fn key_source(args: &Args) -> Result<KeyArg, Failure> {
    if let Some(key) = args.key {
        return Ok(key);
    }
    if !prompt::somebody_there() {
        return Err(Failure::misuse(
            "can't set up",
            "--key was not given, and nobody is there to ask",
            "add --key credential, file or passphrase",
        ));
    }
    println_note(Source::ADVICE);
    let chosen = prompt::choose(
        "Where shall the root key come from?",
        &["credential", "file", "passphrase"],
    )?;
    Ok(match chosen {
        "file" => KeyArg::File,
        "passphrase" => KeyArg::Passphrase,
        _ => KeyArg::Credential,
    })
}

/// Root key, key ring, recovery sheet, first admin.
fn new_store(args: &Args, config: &Config, context: &Context) -> Result<(), Failure> {
    let account = first_account(args, config)?;
    // Before anything is made: afterwards there would be keys without a sheet.
    if args.sheet_to.is_none() && !prompt::somebody_there() {
        return Err(Failure::misuse(
            "can't set up",
            "the recovery sheet must be taken by somebody, and nobody is there",
            "add --sheet-to FILE, print the file, and delete it",
        ));
    }
    let passphrase = match config.key.source {
        KeySource::Passphrase => Some(prompt::new_passphrase(|text| {
            check_passphrase(text).map_err(|error| error.to_string())
        })?),
        KeySource::Credential | KeySource::File => None,
    };
    let root = make_root(args, config, passphrase.as_ref())?;
    say(
        context,
        root.step,
        crate::daemon::keeper::key_source(&config.key).protection(),
    );
    let sheet = context.run(async {
        init::make_store(config, &root)
            .await
            .map_err(|error| failure(&error))
    })?;
    say(
        context,
        Step::Done,
        &format!("keys and database in {}", config.data_dir.display()),
    );
    if let Some(sheet) = sheet {
        hand_over(&sheet, args.sheet_to.as_deref(), context.style)?;
    }
    let issued = context.run(async {
        init::first_admin(config, &root.key, account)
            .await
            .map_err(|error| failure(&error))
    })?;
    if let Some(issued) = issued {
        say(context, Step::Done, &format!("first admin {}", issued.name));
        write_out(
            format!(
                "Account:   {}\nPassword:  {}\n\nThe password is shown this once.\n",
                issued.name,
                context.style.paint(issued.password.reveal(), Tone::Strong)
            )
            .as_bytes(),
        )?;
    }
    show_records(config, &root, context)
}

fn make_root(
    args: &Args,
    config: &Config,
    passphrase: Option<&SecretText>,
) -> Result<NewRoot, Failure> {
    let credential = PathBuf::from(CREDENTIALS).join(&config.key.credential);
    init::root_key(config, passphrase, &credential, args.tpm).map_err(|error| failure(&error))
}

fn first_account(args: &Args, config: &Config) -> Result<NewAccount, Failure> {
    let name = match &args.admin {
        Some(name) => name.clone(),
        None if prompt::somebody_there() => {
            prompt::text("The login name of the first admin:", None)?
        }
        None => {
            return Err(Failure::misuse(
                "can't set up",
                "--admin was not given, and nobody is there to ask",
                "add --admin NAME and --admin-uid UID",
            ));
        }
    };
    crate::staff::check_name(&name).map_err(|error| {
        Failure::from_error(
            Class::Misuse,
            format!("can't make the account {name}"),
            &error,
        )
    })?;
    let address = format!("{name}@{}", config.domain());
    let address = EmailAddress::parse(&address).map_err(|error| {
        Failure::from_error(Class::Misuse, "can't make the first address", &error)
    })?;
    Ok(NewAccount {
        name,
        addresses: vec![address],
        roles: Vec::new(),
        uid: admin_uid(args)?,
    })
}

/// The Unix user of the first admin: told, the person behind sudo, or asked for.
fn admin_uid(args: &Args) -> Result<Option<u32>, Failure> {
    let known = args.admin_uid.or_else(behind_sudo);
    if known.is_some() || !prompt::somebody_there() {
        return Ok(known);
    }
    println_note(
        "The command line knows people by their Unix user. Root is nobody, since anybody may have become it.",
    );
    loop {
        let typed = prompt::text("The number of the admin's own Unix user (id -u):", None)?;
        match typed.trim().parse() {
            Ok(0) => println_note("That is root; give the number of a person's own account."),
            Ok(uid) => return Ok(Some(uid)),
            Err(_) => println_note("That is no number; `id -u NAME` shows it."),
        }
    }
}

/// The person behind sudo; root is nobody.
fn behind_sudo() -> Option<u32> {
    let uid = std::env::var("SUDO_UID").ok()?.parse().ok()?;
    (uid != 0).then_some(uid)
}

/// Shows the recovery sheet or writes it, and insists that it was taken.
pub(super) fn hand_over(
    sheet: &RecoverySheet,
    to: Option<&Path>,
    style: Style,
) -> Result<(), Failure> {
    let text = sheet.to_text(jiff::Timestamp::now());
    if let Some(path) = to {
        let mut file = NewFile::create(path)?;
        file.write(text.as_bytes())?;
        file.finish()?;
        println_note(&format!(
            "The recovery sheet is in {}. Print it, keep it away from this host, and delete the file.",
            path.display()
        ));
        return Ok(());
    }
    write_out(text.as_bytes())?;
    println_note(&style.paint(
        "This is the recovery sheet. Print it and keep it away from this host: losing it and the root key loses the data.",
        Tone::Warning,
    ));
    let end = text
        .lines()
        .rev()
        .find(|line| line.starts_with("END"))
        .unwrap_or("END")
        .split_whitespace()
        .collect::<String>();
    loop {
        let typed = prompt::text(
            "Type its last line, which begins with END, to show that you have it:",
            None,
        )?;
        let typed: String = typed.to_uppercase().split_whitespace().collect();
        if typed == end.to_uppercase() {
            return Ok(());
        }
        println_note("That is not its last line; look at the paper.");
    }
}

/// Unit files, the service's user, and what is to be done by hand.
fn install(args: &Args, config: &Config, context: &Context) -> Result<(), Failure> {
    let step = init::write_units(&args.units).map_err(|error| failure(&error))?;
    say(context, step, &format!("units in {}", args.units.display()));
    if let Some((uid, gid)) = init::service_user().map_err(|error| failure(&error))? {
        give_all(config, uid, gid)?;
    }
    if config.key.source != KeySource::Credential {
        println_note(
            "Remove the line LoadCredentialEncrypted= from hustings.service: the key doesn't come from there.",
        );
    }
    let files = match config.tls.source {
        CertificateSource::Files => {
            "  put the certificate's files where [[tls.certificate]] says\n"
        }
        CertificateSource::Acme | CertificateSource::SelfMade => "",
    };
    write_out(format!("\nNext:\n{files}  hustings config check\n  systemctl daemon-reload\n  systemctl enable --now hustings.socket hustings.service\n  usermod --append --groups hustings YOU    (and log in anew, to use these commands)\n").as_bytes())
}

/// Gives database and key file to the service's user.
pub(super) fn give_all(config: &Config, uid: u32, gid: u32) -> Result<(), Failure> {
    init::give_to_service(&config.data_dir, uid, gid).map_err(|error| failure(&error))?;
    if config.key.source == KeySource::File {
        init::give_to_service(&config.key_file(), uid, gid).map_err(|error| failure(&error))?;
    }
    Ok(())
}

fn say(context: &Context, step: Step, what: &str) {
    let (word, tone) = match step {
        Step::Done => ("made", Tone::Good),
        Step::WasThere => ("kept", Tone::Quiet),
    };
    println_note(&format!("{}  {what}", context.style.paint(word, tone)));
}

/// Notes go to standard error, so that the sheet and the password alone are on standard output.
pub(super) fn println_note(text: &str) {
    eprintln!("{}", wrapped(text));
}

pub(super) fn failure(error: &InitError) -> Failure {
    Failure::from_error(Class::Failed, "can't set up", error)
}
