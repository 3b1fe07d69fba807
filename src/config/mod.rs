//! The configuration file: what can be set, its documentation and its errors.
//!
//! Every key is declared once, beside its documentation, in `party.rs`, `lists.rs`, `delivery.rs`,
//! `service.rs` and here; the annotated
//! `config/hustings.toml` and `docs/config.md` are written from those declarations. What is read is checked as a whole:
//! a person who mends a file hears of everything that's wrong with it at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::address::{Domain, EmailAddress};
use declare::{Check, Section, section};
use problem::{Place, Problems};
use read::Reader;

mod certificates;
mod check;
mod choices;
mod declare;
mod delivery;
mod document;
mod file;
mod leaf;
mod lists;
mod mail_doors;
mod names;
mod party;
mod problem;
mod read;
mod service;
mod syntax;
mod values;

pub use certificates::{Acme, CertificateFiles, Tls};
pub(crate) use check::{ROLE_LOCALS, USUAL_LOCALS};
pub use choices::{
    Approval, CertificateSource, ChallengeKind, Division, DmarcPolicy, Dnssec, FirstContact,
    KeySource, LogFormat, LogLevel, LogTarget, RequireTls, SecondFactor, StsMode,
};
pub use delivery::Delivery;
pub use document::{annotated_toml, reference};
pub use file::FileDigest;
pub use lists::{List, Mailbox};
pub use mail_doors::{MailDoor, MailProtocol};
pub use names::{Dns, MtaSts};
pub use party::{Colours, Company, Imprint, Party, Retention};
pub use problem::{ConfigErrors, Problem};
pub use service::{
    Dkim, Incoming, Limits, Listen, ListenHttp, ListenHttps, ListenSmtp, ListenSubmission,
    ListenSubmissions, Log, Pages, RootKey, StaffLimits,
};
pub use values::{
    ByteSize, Colour, ConstituencySource, HostPort, Name, NotAName, Period, WebAddress,
};

/// The youngest that may be asked for consent (DPA 2018 s.9; law row B12).
pub const LEAST_AGE: u32 = 13;

section! {
    /// Hustings reads this file when it starts and at `systemctl reload hustings`. `hustings config check` says what is
    /// wrong with it; a file with mistakes is not loaded, and the last good one stays in force.
    pub struct Config {
        /// The party's mail domains. Lists get their address in the first.
        domains: Vec<Domain> = required(r#"["party.example"]"#),
        /// The full name of this machine, as its MX record and its certificate say.
        hostname: Domain = required("mail.party.example"),
        /// The mailbox that gets what is sent to postmaster@ and abuse@ of every domain, and to hostmaster@, webmaster@ and
        /// security@ unless they are somebody else's.
        postmaster: Name = required("office"),
        /// The age that a person states to have reached when they sign up: 13 or more (DPA 2018 s.9).
        minimum_age: u32 = default(16),
        /// "built-in" (the 650 of the United Kingdom), "none", or the path of a CSV file with the columns code, name,
        /// nation and, if wanted, name_cy.
        constituencies: ConstituencySource = default(ConstituencySource::BuiltIn),
        /// Where the database is.
        data_dir: PathBuf = default(PathBuf::from("/var/lib/hustings")),
        /// Where the control socket is.
        runtime_dir: PathBuf = default(PathBuf::from("/run/hustings")),
        /// Your own texts of pages and mail. What isn't there is built in.
        templates: Option<PathBuf> = optional("/etc/hustings/templates"),
        /// The party.
        party: Party = section(),
        /// The imprint.
        imprint: Imprint = section(),
        /// The company.
        company: Option<Company> = optional_section(),
        /// Role mailboxes.
        mailbox: BTreeMap<Name, Mailbox> = keyed("office"),
        /// Lists.
        list: BTreeMap<Name, List> = keyed("news"),
        /// The root key.
        key: RootKey = section(),
        /// The doors.
        listen: Listen = section(),
        /// Certificates.
        tls: Tls = section(),
        /// The pages.
        pages: Pages = section(),
        /// Signatures.
        dkim: Dkim = section(),
        /// DNS records.
        dns: Dns = section(),
        /// The party's own MTA-STS policy.
        mta_sts: MtaSts = section(),
        /// Mail to other servers.
        delivery: Delivery = section(),
        /// Mail from other servers.
        incoming: Incoming = section(),
        /// Staff.
        staff: StaffLimits = section(),
        /// Limits.
        limits: Limits = section(),
        /// Retention.
        retention: Retention = section(),
        /// The log.
        log: Log = section(),
    }
}

impl Config {
    /// Reads and checks a file, and the files it names: certificates, keys and directories.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_for_record(path).1
    }

    /// The same, and which file it was: for whoever puts on record what was read, be it good or bad. None if it couldn't
    /// be read at all.
    pub fn load_for_record(path: &Path) -> (Option<FileDigest>, Result<Self, ConfigErrors>) {
        Self::read(path, |config, at| {
            check::between_sections(config, at);
            check::files(config, at);
        })
    }

    /// Reads and checks a file without a look at the files it names: for commands that only need to know where the
    /// daemon is, and run as somebody who may not read its keys.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn load_without_files(path: &Path) -> Result<Self, ConfigErrors> {
        Self::read(path, check::between_sections).1
    }

    /// Reads and checks a text, without a look at the files it names; `file` is what errors call it.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn parse(text: &str, file: Option<&Path>) -> Result<Self, ConfigErrors> {
        read_text(text, file, check::between_sections)
    }

    /// A configuration that is complete and passes its checks: examples for what must be given, defaults for the rest.
    /// The sandbox and tests set what they want otherwise, and call [`Config::check`].
    pub fn example() -> Self {
        <Self as Section>::example()
    }

    /// Checks values that were set in code, without a look at the files they name.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let problems = Problems::default();
        let root = Place::root(&problems);
        Check::check(self, &root);
        self.check_nested(&root);
        check::between_sections(self, &root);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors::new(None, "", problems.into_vec()))
        }
    }

    fn read(
        path: &Path,
        checks: impl Fn(&Self, &Place<'_>),
    ) -> (Option<FileDigest>, Result<Self, ConfigErrors>) {
        let failed = |(message, help): (String, String)| {
            let problems = Problems::default();
            problems.add("", None, message, help);
            ConfigErrors::new(Some(path), "", problems.into_vec())
        };
        let bytes = match file::read(path) {
            Ok(bytes) => bytes,
            Err(why) => return (None, Err(failed(why))),
        };
        let digest = FileDigest::of(&bytes);
        let read = file::text(bytes)
            .map_err(failed)
            .and_then(|text| read_text(&text, Some(path), checks));
        (Some(digest), read)
    }

    /// The first of the party's domains: lists and service mail are at home there.
    pub fn domain(&self) -> &Domain {
        self.domains.first().unwrap_or(&self.hostname)
    }

    /// The host of the pages.
    pub fn web_host(&self) -> Option<Domain> {
        match &self.pages.url {
            Some(url) => Domain::parse(url.host()).ok(),
            None => Some(self.hostname.clone()),
        }
    }

    /// The names that our certificates are for: this host first.
    pub fn certificate_names(&self) -> Vec<Domain> {
        let mut names = vec![self.hostname.clone()];
        names.extend(self.web_host());
        for domain in &self.domains {
            if self.mta_sts.mode != StsMode::Off {
                names.extend(Domain::parse(&format!("mta-sts.{domain}")).ok());
            }
            if self.dns.autoconfig {
                names.extend(Domain::parse(&format!("autoconfig.{domain}")).ok());
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// Whether a domain is the party's own.
    pub fn is_own(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// The address of a list, where staff send.
    pub fn list_address(&self, key: &Name) -> Option<EmailAddress> {
        self.list.get(key)?;
        EmailAddress::from_parts(key.as_str(), self.domain()).ok()
    }

    /// The mailbox that an address is delivered to by this configuration: a mailbox's own address, a list's `from` with
    /// its `replies_to`, or postmaster and the like. (Staff's own mailboxes are in the store.)
    pub fn mailbox_of(&self, address: &EmailAddress) -> Option<&Name> {
        let wanted = address.match_form();
        let is_wanted = |one: &EmailAddress| one.match_form() == wanted;
        let own = self
            .mailbox
            .iter()
            .find(|(_, mailbox)| mailbox.addresses.iter().any(is_wanted));
        if let Some((name, _)) = own {
            return Some(name);
        }
        if let Some(list) = self
            .list
            .values()
            .find(|list| list.replies_to.is_some() && is_wanted(&list.from))
        {
            return list.replies_to.as_ref();
        }
        let local = address.local().to_ascii_lowercase();
        let local = local.as_str();
        let is_list = self.list.keys().any(|key| key.as_str() == local);
        let role = ROLE_LOCALS.contains(&local) || (USUAL_LOCALS.contains(&local) && !is_list);
        (role && self.is_own(address.domain())).then_some(&self.postmaster)
    }

    /// Where the key file is, if the root key comes from one.
    pub fn key_file(&self) -> PathBuf {
        let usual = || PathBuf::from("/etc/hustings/root.key");
        self.key.file.clone().unwrap_or_else(usual)
    }

    /// The address of the pages, without a slash at its end.
    pub fn pages_url(&self) -> String {
        self.pages
            .url
            .as_ref()
            .map_or_else(|| format!("https://{}", self.hostname), ToString::to_string)
    }

    /// The name said in EHLO.
    pub fn ehlo_name(&self) -> &Domain {
        self.delivery.ehlo.as_ref().unwrap_or(&self.hostname)
    }
}

impl Check for Config {
    fn check(&self, at: &Place<'_>) {
        at.expect(
            self.minimum_age >= LEAST_AGE,
            "minimum_age",
            format!(
                "`minimum_age` is {}: below {LEAST_AGE} a child can't consent alone (DPA 2018 s.9)",
                self.minimum_age
            ),
            format!("write {LEAST_AGE} or more; 16 is the default"),
        );
        at.expect(
            self.minimum_age <= 21,
            "minimum_age",
            format!(
                "`minimum_age` is {}: that would shut out voters",
                self.minimum_age
            ),
            "write 13 to 21",
        );
        at.expect(
            !self.domains.is_empty(),
            "domains",
            "`domains` is empty",
            "add the party's mail domain",
        );
        for domain in self.domains.iter().chain([&self.hostname]) {
            at.expect(
                domain.is_qualified(),
                if *domain == self.hostname {
                    "hostname"
                } else {
                    "domains"
                },
                format!("\"{domain}\" is no full name"),
                "write it with its ending, as in party.example",
            );
        }
        let twice =
            (1..self.domains.len()).find(|n| self.domains[..*n].contains(&self.domains[*n]));
        at.expect(
            twice.is_none(),
            "domains",
            "`domains` names a domain twice",
            "remove one",
        );
    }
}

fn read_text(
    text: &str,
    file: Option<&Path>,
    checks: impl Fn(&Config, &Place<'_>),
) -> Result<Config, ConfigErrors> {
    let problems = Problems::default();
    let (table, syntax) = DeTable::parse_recoverable(text);
    // What follows the first mistake is read out of step, so that its mistakes aren't there.
    let begins = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    if let Some(error) = syntax.iter().min_by_key(|error| begins(error)) {
        add_syntax(&problems, text, error);
    }
    // What could be read of a broken file would be full of gaps that aren't there.
    if !problems.is_empty() {
        return Err(ConfigErrors::new(file, text, problems.into_vec()));
    }
    let root = Place::root(&problems);
    let config = <Config as Section>::read(&mut Reader::new(table.get_ref(), root.clone(), None));
    Check::check(&config, &root);
    // Against examples in the place of what couldn't be read, checks between sections would report what isn't there.
    if !problems.is_incomplete() {
        checks(&config, &root);
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors::new(file, text, problems.into_vec()))
    }
}

/// Notes a mistake of syntax at its line, or where what should have been closed before it was opened.
fn add_syntax(problems: &Problems, text: &str, error: &toml::de::Error) {
    let place = error.span().map_or(text.len(), |span| span.start);
    if let Some(opened) = syntax::opened_before(text, place) {
        let line = text.as_bytes().iter().take(place);
        let line = line.filter(|byte| **byte == b'\n').count() + 1;
        let message = format!(
            "what is opened here is not closed, or a comma is missing in it: line {line} can't be part of it"
        );
        let help = "close it: [ ] around lists, { } around tables in a line, quotes around texts";
        return problems.add(&opened.key, Some(opened.at), message, help);
    }
    let help = "mend the line: key = value, texts in quotes, tables in [ ] on a line of their own";
    problems.add("", error.span(), error.message(), help);
}

#[cfg(test)]
mod tests;
