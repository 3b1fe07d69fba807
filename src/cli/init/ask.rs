//! The questions of `init`. Each answer is checked as it is given, and asked for again with the reason; where nobody is
//! there to be asked, everything that is missing or wrong is named at once.

use super::{Args, CertificatesArg, KeyArg, absolute, println_note};
use crate::address::EmailAddress;
use crate::cli::prompt;
use crate::config::Config;
use crate::control::Failure;
use crate::daemon::init::{
    Answers, check_account, check_domain, check_party, check_postal_address,
};
use crate::staff::{NewAccount, check_name};
use crate::vault::KeySource as Source;

const WHAT: &str = "can't set up";

/// What can be told before anything is asked. `fresh`: there is no configuration yet; `keys`: nor keys.
pub(super) fn before_asking(args: &Args, fresh: bool, keys: bool) -> Result<(), Failure> {
    let mut missing = Vec::new();
    if fresh {
        let given = [
            ("--domain", args.domain.is_some()),
            ("--hostname", args.hostname.is_some()),
            ("--party", args.party.is_some()),
            ("--postal-address", args.postal_address.is_some()),
            ("--key", args.key.is_some()),
        ];
        missing.extend(given.iter().filter(|(_, is)| !is).map(|(flag, _)| *flag));
    }
    named(args, missing, keys, keys)
}

/// The same where there are keys: what is due of sheet and account.
pub(super) fn before_asking_again(args: &Args, sheet: bool, account: bool) -> Result<(), Failure> {
    named(args, Vec::new(), sheet, account)
}

fn named(
    args: &Args,
    mut missing: Vec<&'static str>,
    sheet: bool,
    account: bool,
) -> Result<(), Failure> {
    if account && args.admin.is_none() {
        missing.push("--admin");
    }
    if sheet && args.sheet_to.is_none() {
        missing.push(
            "--sheet-to (somebody must take the recovery sheet: print the file, and delete it)",
        );
    }
    let mut said = wrong(args);
    if !prompt::somebody_there() && !missing.is_empty() {
        let missing = missing.join(", ");
        said.insert(
            0,
            format!("not given, and nobody is there to ask: {missing}"),
        );
    }
    match said.is_empty() {
        true => Ok(()),
        false => Err(Failure::misuse(
            WHAT,
            said.join("\n  "),
            "give all of it; hustings init --help has an example",
        )),
    }
}

/// Which of the given answers can't be.
fn wrong(args: &Args) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |flag: &str, given: &Option<String>, check: fn(&str) -> Result<(), String>| {
        if let Some(Err(why)) = given.as_deref().map(check) {
            wrong.push(format!("{flag}: {why}"));
        }
    };
    check("--domain", &args.domain, check_domain);
    check("--hostname", &args.hostname, check_domain);
    check("--party", &args.party, check_party);
    check(
        "--postal-address",
        &args.postal_address,
        check_postal_address,
    );
    check("--admin", &args.admin, login_name);
    if args.admin_uid == Some(0) {
        wrong.push(format!("--admin-uid: {ROOT}"));
    }
    if args.tpm && args.key.is_some_and(|key| key != KeyArg::Credential) {
        wrong.push("--tpm: it goes with --key credential alone".to_owned());
    }
    if args.key_file.is_some() && args.key.is_some_and(|key| key != KeyArg::File) {
        wrong.push("--key-file: it goes with --key file alone".to_owned());
    }
    wrong
}

const ROOT: &str =
    "that is root, who is nobody here; give the number of a person's own Unix user (id -u)";

fn login_name(text: &str) -> Result<(), String> {
    check_name(text).map_err(|error| error.to_string())
}

/// Given and checked before, or asked for until it is good.
fn answer(
    given: &Option<String>,
    question: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    loop {
        let typed = prompt::text(question, None)?;
        let typed = typed.trim();
        match check(typed) {
            Ok(()) => return Ok(typed.to_owned()),
            Err(why) => println_note(&format!("That can't be: {why}.")),
        }
    }
}

/// What goes into the configuration.
pub(super) fn answers(args: &Args) -> Result<Answers, Failure> {
    let domain = answer(&args.domain, "The party's mail domain:", check_domain)?;
    let hostname = answer(
        &args.hostname,
        "The full name of this machine (its MX record):",
        check_domain,
    )?;
    let party = answer(&args.party, "The party's registered name:", check_party)?;
    let postal_address = answer(
        &args.postal_address,
        "Its postal address, with the postcode:",
        check_postal_address,
    )?;
    Ok(Answers {
        domain,
        hostname,
        party,
        postal_address,
        key: key_source(args)?.as_str().to_owned(),
        certificates: certificates(args)?.to_owned(),
        data_dir: args.data_dir.as_deref().map(absolute),
        runtime_dir: args.runtime_dir.as_deref().map(absolute),
        key_file: args.key_file.as_deref().map(absolute),
    })
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

/// The first admin: a name that can log in, with an address that is free.
pub(super) fn first_account(args: &Args, config: &Config) -> Result<NewAccount, Failure> {
    let account = |name: &str, uid| -> Result<NewAccount, String> {
        login_name(name)?;
        let address = format!("{name}@{}", config.domain());
        let address = EmailAddress::parse(&address).map_err(|error| error.to_string())?;
        let account = NewAccount {
            name: name.to_owned(),
            addresses: vec![address],
            roles: Vec::new(),
            uid,
        };
        check_account(config, &account).map_err(|error| error.to_string())?;
        Ok(account)
    };
    let name = answer(&args.admin, "The login name of the first admin:", |name| {
        account(name, None).map(drop)
    })?;
    // Before the next question: no answer to it would mend the name.
    let refused = |why: String| {
        let (why, next) = why.rsplit_once("; ").unwrap_or((&why, "give another name"));
        Failure::misuse(format!("can't make the account {name}"), why, next)
    };
    account(&name, None).map_err(refused)?;
    account(&name, admin_uid(args)?).map_err(refused)
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
