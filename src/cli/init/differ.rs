//! What a repeated `init` is told that isn't so: it changes nothing that is there, and doesn't pass over what it was told
//! either.

use std::path::Path;

use super::{Args, absolute};
use crate::address::Domain;
use crate::config::Config;
use crate::control::Failure;
use crate::daemon::init::FirstAdmin;

/// The flags that say otherwise than the configuration.
pub(super) fn from_config(args: &Args, config: &Config) -> Vec<String> {
    let mut differ = Vec::new();
    let mut compare = |flag: &str, given: Option<String>, there: String| {
        if let Some(given) = given.filter(|given| *given != there) {
            differ.push(format!("{flag} {given}: it is {there}"));
        }
    };
    let domain = |text: &String| {
        Domain::parse(text).map_or_else(|_| text.clone(), |domain| domain.to_string())
    };
    compare(
        "--domain",
        args.domain.as_ref().map(domain),
        config.domain().to_string(),
    );
    compare(
        "--hostname",
        args.hostname.as_ref().map(domain),
        config.hostname.to_string(),
    );
    compare("--party", args.party.clone(), config.party.name.clone());
    compare(
        "--postal-address",
        args.postal_address.clone(),
        config.party.postal_address.clone(),
    );
    compare(
        "--key",
        args.key.map(|key| key.as_str().to_owned()),
        config.key.source.as_str().to_owned(),
    );
    compare(
        "--certificates",
        args.certificates.map(|source| source.as_str().to_owned()),
        config.tls.source.as_str().to_owned(),
    );
    for (flag, given, there) in [
        ("--data-dir", &args.data_dir, config.data_dir.clone()),
        (
            "--runtime-dir",
            &args.runtime_dir,
            config.runtime_dir.clone(),
        ),
        ("--key-file", &args.key_file, config.key_file()),
    ] {
        let given = given.as_deref().map(absolute);
        compare(
            flag,
            given.map(|path| path.display().to_string()),
            absolute(&there).display().to_string(),
        );
    }
    differ
}

/// The flags that say otherwise than the accounts: who is the first admin was decided once.
pub(super) fn from_admin(args: &Args, admin: FirstAdmin) -> Vec<String> {
    let told = match (&args.admin, args.admin_uid) {
        (Some(name), Some(uid)) => format!("--admin {name} --admin-uid {uid}"),
        (Some(name), None) => format!("--admin {name}"),
        (None, Some(uid)) => format!("--admin-uid {uid}"),
        (None, None) => return Vec::new(),
    };
    match admin {
        FirstAdmin::Another => vec![format!(
            "{told}: there is an admin, and it is somebody else (more accounts: hustings staff add)"
        )],
        FirstAdmin::Missing | FirstAdmin::Same => Vec::new(),
    }
}

/// Says all of them.
pub(super) fn refused(differ: &[String], config: &Path) -> Failure {
    Failure::refused(
        "can't set up again",
        format!("this is not what is there:\n  {}", differ.join("\n  ")),
        format!(
            "nothing was changed. Leave these out, or change {} by hand; --config FILE sets another installation up",
            config.display()
        ),
    )
}
