//! What the set-up is told, and the configuration that it makes. Each answer can be checked by itself, as it is given.

use std::path::{Path, PathBuf};

use super::InitError;
use crate::address::Domain;
use crate::config::{Config, annotated_toml};

/// What the steps need to be told.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The party's mail domain.
    pub domain: String,
    /// The full name of this machine.
    pub hostname: String,
    /// The party's registered name.
    pub party: String,
    /// Its postal address, with the postcode.
    pub postal_address: String,
    /// Where the root key comes from: `credential`, `file` or `passphrase`.
    pub key: String,
    /// Where the certificates come from: `files`, `acme` (whose terms were agreed to) or `self-made`.
    pub certificates: String,
    /// Where the database goes, if not to the usual place.
    pub data_dir: Option<PathBuf>,
    /// Where the control socket goes, if not to the usual place.
    pub runtime_dir: Option<PathBuf>,
    /// Where a key file goes, if not to the usual place.
    pub key_file: Option<PathBuf>,
}

impl Answers {
    /// Good ones, to try another beside.
    fn examples() -> Self {
        Self {
            domain: "party.example".to_owned(),
            hostname: "mail.party.example".to_owned(),
            party: "The Example Party".to_owned(),
            postal_address: "1 High Street, Leeds LS1 1AA".to_owned(),
            key: "file".to_owned(),
            certificates: "files".to_owned(),
            data_dir: None,
            runtime_dir: None,
            key_file: None,
        }
    }
}

/// A text with the answers in place of the examples.
///
/// # Errors
/// [`InitError::Config`] if an answer doesn't fit.
pub fn config_text(answers: &Answers) -> Result<String, InitError> {
    let path = |given: &Option<PathBuf>, usual: &str| {
        let given = given.as_deref().unwrap_or(Path::new(usual));
        quoted(&given.display().to_string())
    };
    // The names first, and each in one go: what an answer says is not looked through.
    let host = "\u{1}";
    let mut text = annotated_toml()
        .replace("mail.party.example", host)
        .replace("party.example", &answers.domain)
        .replace(host, &answers.hostname)
        .replace("\"The Example Party\"", &quoted(&answers.party))
        .replace(
            "\"1 High Street, Leeds LS1 1AA\"",
            &quoted(&answers.postal_address),
        )
        .replace(
            "#source = \"credential\"",
            &format!("source = {}", quoted(&answers.key)),
        )
        .replace(
            "#file = \"/etc/hustings/root.key\"",
            &format!(
                "file = {}",
                path(&answers.key_file, "/etc/hustings/root.key")
            ),
        );
    for (key, given, usual) in [
        ("data_dir", &answers.data_dir, "/var/lib/hustings"),
        ("runtime_dir", &answers.runtime_dir, "/run/hustings"),
    ] {
        if given.is_some() {
            let line = format!("{key} = {}", path(given, usual));
            text = text.replace(&format!("#{key} = {}", quoted(usual)), &line);
        }
    }
    let text = match answers.certificates.as_str() {
        "files" => text,
        source => without_files(&text, source),
    };
    Config::parse(&text, None).map_err(InitError::Config)?;
    Ok(text)
}

/// The text with certificates that come from elsewhere. An authority's certificates let the party have an MTA-STS policy;
/// one that only asks for reports does no harm.
fn without_files(text: &str, source: &str) -> String {
    let mut text = text.replace(
        "#source = \"files\"",
        &format!("source = {}", quoted(source)),
    );
    for key in [
        "[[tls.certificate]]",
        "chain = ",
        "key = \"/etc/hustings/tls",
    ] {
        text = text.replace(&format!("\n{key}"), &format!("\n#{key}"));
    }
    if source == "acme" {
        text = text
            .replace("#terms_agreed = false", "terms_agreed = true")
            .replace("#mode = \"off\"", "mode = \"testing\"");
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Whether this can be the mail domain, or the full name of a machine.
///
/// # Errors
/// Why not, for a person.
pub fn check_domain(text: &str) -> Result<(), String> {
    let domain = Domain::parse(text).map_err(|error| error.to_string())?;
    match domain.is_qualified() {
        true => Ok(()),
        false => Err("it is one label: write the full name, as in mail.party.example".to_owned()),
    }
}

/// Whether this can be the party's name.
///
/// # Errors
/// Why not, for a person.
pub fn check_party(text: &str) -> Result<(), String> {
    tried(&Answers {
        party: text.to_owned(),
        ..Answers::examples()
    })
}

/// Whether this can be its postal address.
///
/// # Errors
/// Why not, for a person.
pub fn check_postal_address(text: &str) -> Result<(), String> {
    tried(&Answers {
        postal_address: text.to_owned(),
        ..Answers::examples()
    })
}

fn tried(answers: &Answers) -> Result<(), String> {
    match config_text(answers) {
        Err(InitError::Config(errors)) => {
            let problems = errors.problems().iter();
            let all = problems.map(|one| format!("{}: {}", one.message, one.help));
            Err(all.collect::<Vec<_>>().join("; "))
        }
        Err(error) => Err(error.to_string()),
        Ok(_) => Ok(()),
    }
}
