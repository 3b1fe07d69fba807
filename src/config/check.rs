//! Checks between sections, and of the files that the configuration names.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

use super::choices::{Dnssec, KeySource};
use super::problem::Place;
use super::values::ConstituencySource;
use super::{Config, Delivery, List, Name};
use crate::address::{EmailAddress, RESERVED_LOCALS};

/// Local parts that go to the postmaster's mailbox in every domain (RFC 2142).
pub(crate) const ROLE_LOCALS: [&str; 2] = ["postmaster", "abuse"];
/// Local parts at which others look for whoever runs a domain and its pages (RFC 2142), and where researchers tell of a hole
/// (RFC 9116): the postmaster's as well, unless the party has them otherwise. (`noc` is for networks, which it has none of.)
pub(crate) const USUAL_LOCALS: [&str; 3] = ["hostmaster", "webmaster", "security"];
/// What `mailbox list` calls the mail that came back, which is no role's.
const BOUNCED: &str = "bounced";

/// Checks that need more than one section.
pub(super) fn between_sections(config: &Config, at: &Place<'_>) {
    own_addresses(config, at);
    lists(config, at);
    at.expect(
        config.mailbox.contains_key(&config.postmaster),
        "postmaster",
        format!(
            "`postmaster` is \"{}\", and there's no such mailbox",
            config.postmaster
        ),
        format!(
            "name one of: {}; or add [mailbox.{}]",
            names(config.mailbox.keys()),
            config.postmaster
        ),
    );
    contacts(config, at);
    for (key, list) in &config.list {
        at.expect(
            list.max_size <= config.limits.message_size,
            &format!("list.{key}.max_size"),
            format!(
                "`max_size` is {}, more than limits.message_size ({})",
                list.max_size, config.limits.message_size
            ),
            "make one smaller or the other larger",
        );
    }
    at.expect(
        config.limits.buffers > config.limits.message_size
            || config.limits.buffers.bytes() >= 32 << 20,
        "limits.buffers",
        format!(
            "`buffers` is {}, too little for mails of {}",
            config.limits.buffers, config.limits.message_size
        ),
        "make it at least \"32 MiB\"",
    );
    places(config, at);
}

fn names<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// Each address of a mailbox is the party's own, once, and means nothing else.
fn own_addresses(config: &Config, at: &Place<'_>) {
    let mut seen = BTreeMap::new();
    for (name, mailbox) in &config.mailbox {
        at.expect(
            name.as_str() != BOUNCED,
            &format!("mailbox.{name}"),
            format!(
                "a mailbox can't be called `{name}`: so is what came back of the party's own mail"
            ),
            "choose another name for the mailbox",
        );
        let key = format!("mailbox.{name}.addresses");
        for address in &mailbox.addresses {
            at.expect(
                config.is_own(address.domain()),
                &key,
                format!("{address} is in no domain of yours ({})", domains(config)),
                "correct the address, or add its domain to `domains`",
            );
            if let Some(other) = seen.insert(address.match_form(), name) {
                at.problem(
                    &key,
                    format!("{address} is an address of mailbox `{other}` as well"),
                    "remove one",
                );
            }
            at.expect(
                !address.is_reserved(),
                &key,
                format!("{address} has a local part that means something else here (a single letter, +, {})", RESERVED_LOCALS.join(", ")),
                "choose another address",
            );
        }
    }
}

fn domains(config: &Config) -> String {
    config
        .domains
        .iter()
        .map(|domain| domain.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn lists(config: &Config, at: &Place<'_>) {
    for (key, list) in &config.list {
        let at = at.child("list").child(key.as_str());
        let local = key.as_str();
        at.expect(
            local.len() > 1 && !RESERVED_LOCALS.contains(&local) && !ROLE_LOCALS.contains(&local),
            "",
            format!("a list can't be called `{key}`: the address {key}@ means something else"),
            "choose another name for the list",
        );
        let address = config.list_address(key);
        let taken = |wanted: &EmailAddress| {
            config
                .mailbox
                .values()
                .flat_map(|mailbox| &mailbox.addresses)
                .any(|one| one.match_form() == wanted.match_form())
        };
        at.expect(
            !address.as_ref().is_some_and(taken),
            "",
            format!("the list `{key}` and a mailbox have the same address"),
            "choose another name for the list, or another address for the mailbox",
        );
        identity(config, &at, list);
    }
}

/// Mail of a list must come from an address that takes answers (a law of manners, and of providers: Microsoft refuses
/// others).
fn identity(config: &Config, at: &Place<'_>, list: &List) {
    let from = &list.from;
    if !config.is_own(from.domain()) {
        at.problem(
            "from",
            format!(
                "`from` is in no domain of yours ({}): mail from it could not be signed",
                domains(config)
            ),
            "use an address of your own domain that takes answers",
        );
        return;
    }
    let is_list = config
        .list
        .keys()
        .filter_map(|key| config.list_address(key));
    if is_list
        .into_iter()
        .any(|address| address.match_form() == from.match_form())
    {
        at.problem(
            "from",
            "`from` is a list's address: that takes mail from staff alone, so nobody could answer",
            "use an address of a mailbox",
        );
        return;
    }
    if let Some(mailbox) = list
        .replies_to
        .as_ref()
        .filter(|name| !config.mailbox.contains_key(*name))
    {
        at.problem(
            "replies_to",
            format!("`replies_to` is \"{mailbox}\", and there's no such mailbox"),
            format!(
                "name one of: {}; or add [mailbox.{mailbox}]",
                names(config.mailbox.keys())
            ),
        );
    } else if config.mailbox_of(from).is_none() {
        at.problem(
            "from",
            "`from` is not an address of a mailbox: what people answer would be lost",
            "add it to the `addresses` of a mailbox, or say with `replies_to` which mailbox gets the answers",
        );
    }
}

fn contacts(config: &Config, at: &Place<'_>) {
    let privacy = &config.party.privacy_contact;
    at.expect(
        !config.is_own(privacy.domain()) || config.mailbox_of(privacy).is_some(),
        "party.privacy_contact",
        "`privacy_contact` is not an address of a mailbox: what people ask about their data would be lost",
        "add it to the `addresses` of a mailbox",
    );
}

fn places(config: &Config, at: &Place<'_>) {
    if let Some(file) = config
        .key
        .file
        .as_ref()
        .filter(|_| config.key.source == KeySource::File)
    {
        at.expect(
            !file.starts_with(&config.data_dir),
            "key.file",
            "the key file is inside the data directory: whoever copies the one has the other",
            "put it elsewhere, as in /etc/hustings/root.key",
        );
    }
    for (n, pair) in config.tls.certificate.iter().enumerate() {
        at.expect(
            !pair.key.starts_with(&config.data_dir),
            &format!("tls.certificate.{n}.key"),
            "the TLS key is inside the data directory: it would be in every backup",
            "put it elsewhere, as in /etc/hustings/tls",
        );
    }
    at.expect(
        !config.tls.directory.starts_with(&config.data_dir),
        "tls.directory",
        "the directory of the TLS keys is inside the data directory: they would be in every backup",
        "put it elsewhere, as in /var/lib/hustings-tls",
    );
    at.expect(
        config.data_dir != config.runtime_dir,
        "runtime_dir",
        "`runtime_dir` and `data_dir` are the same directory",
        "leave runtime_dir = \"/run/hustings\", which is emptied at each start",
    );
}

/// Checks of what the configuration names on this machine.
pub(super) fn files(config: &Config, at: &Place<'_>) {
    if let Some(file) = config
        .key
        .file
        .as_ref()
        .filter(|_| config.key.source == KeySource::File)
    {
        key_file(file, &at.child("key"));
    }
    if let ConstituencySource::File(path) = &config.constituencies {
        readable(path, at, "constituencies");
    }
    if let Some(path) = &config.templates {
        templates(path, at);
    }
    certificates(config, &at.child("tls").child("certificate"));
    data_directory(&config.data_dir, at);
    proofs(&config.delivery, &at.child("delivery"));
}

fn templates(path: &Path, at: &Place<'_>) {
    let shown = path.display();
    match std::fs::read_dir(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => at.unseen(
            "templates",
            format!("`templates` can't be looked at: {shown}: {error}"),
            "let the service's user read it",
        ),
        Err(_) => at.problem(
            "templates",
            format!("`templates` names no directory: {shown}"),
            "make the directory, or remove the line to use the built-in texts",
        ),
    }
}

/// The service makes files in it, and no directory.
fn data_directory(path: &Path, at: &Place<'_>) {
    let shown = path.display();
    let problem = |why: &str, help: String| {
        at.problem(
            "data_dir",
            format!("the data directory {shown} {why}"),
            help,
        );
    };
    let owner = format!("give it to the service's user: chown -R hustings: {shown}");
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => {
            return problem("is a file", "name a directory in `data_dir`".to_owned());
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return at.unseen(
                "data_dir",
                format!("the data directory {shown} can't be looked at: {error}"),
                owner,
            );
        }
        Err(error) => {
            return problem(
                &format!("is not there ({error})"),
                "correct `data_dir`, mount what it lies on, or set a new party up: hustings init"
                    .to_owned(),
            );
        }
    }
    let may = rustix::fs::accessat(
        rustix::fs::CWD,
        path,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    );
    match may {
        Err(Errno::ROFS) => problem(
            "is on a file system that is mounted read-only",
            "mount it to be written (mount -o remount,rw); `dmesg` says whether the disk is sick"
                .to_owned(),
        ),
        Err(error @ Errno::ACCESS) => at.unseen(
            "data_dir",
            format!("the data directory {shown} can't be written by this Unix user: {error}"),
            owner,
        ),
        // Also where the kernel can't say.
        _ => {}
    }
}

/// By what other servers prove who they are.
fn proofs(delivery: &Delivery, at: &Place<'_>) {
    if let Some(file) = &delivery.trusted_certificates
        && readable(file, at, "trusted_certificates")
        && let Err(error) = crate::tls::trusted_roots(Some(file))
    {
        let help =
            "put certificates in PEM into it, or remove the line to trust the system's alone";
        at.problem("trusted_certificates", error.to_string(), help);
    }
    let anchor = delivery.trust_anchor.as_ref();
    if let Some(file) = anchor.filter(|_| delivery.dnssec == Dnssec::Validate)
        && readable(file, at, "trust_anchor")
        && !crate::dns::is_trust_anchor(file)
    {
        at.problem(
            "trust_anchor",
            format!("{} holds no DNSKEY record that can be read", file.display()),
            "put the root zone's DNSKEY records into it, or remove the line to use those that are built in",
        );
    }
}

fn readable(path: &Path, at: &Place<'_>, key: &str) -> bool {
    let opened = std::fs::File::open(path).and_then(|file| file.metadata());
    let wrong = match &opened {
        Ok(meta) if meta.is_file() => return true,
        Ok(_) => "it's no file".to_owned(),
        Err(error) => error.to_string(),
    };
    let message = format!("{} can't be read: {wrong}", path.display());
    let help = "check the path, and that the service's user may read it";
    if opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        at.unseen(key, message, help);
    } else {
        at.problem(key, message, help);
    }
    false
}

fn key_file(path: &Path, at: &Place<'_>) {
    if !readable(path, at, "file") {
        return;
    }
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode() & 0o777);
    at.expect(
        mode & 0o077 == 0,
        "file",
        format!("{} may be read by others (mode {mode:04o})", path.display()),
        format!("run: chmod 0400 {}", path.display()),
    );
}

/// Each pair must be readable, belong together, be in date, and one must be for the host name.
fn certificates(config: &Config, at: &Place<'_>) {
    let now = jiff::Timestamp::now();
    let mut named = false;
    let mut all_read = true;
    for (n, pair) in config.tls.certificate.iter().enumerate() {
        match crate::tls::Pair::load(&pair.chain, &pair.key, now) {
            Ok(pair) => named |= pair.is_for(&config.hostname),
            Err(error) => {
                all_read = false;
                let key = if error.is_about_key() { "key" } else { "chain" };
                let at = at.child(&n.to_string());
                if error.is_forbidden() {
                    at.unseen(key, error.to_string(), error.next_step());
                } else {
                    at.problem(key, error.to_string(), error.next_step());
                }
            }
        }
    }
    at.expect(
        named || !all_read || config.tls.certificate.is_empty(),
        "",
        format!("no certificate is for the host name {}", config.hostname),
        "get a certificate for that name, or correct `hostname`",
    );
}
