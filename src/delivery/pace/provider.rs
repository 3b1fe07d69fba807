//! Who runs a domain's mail servers, by the names of its MX hosts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The large ones, and what the names of their servers end in.
const KNOWN: &[(&str, &[&str])] = &[
    ("google", &["google.com", "googlemail.com", "smtp.goog"]),
    (
        "microsoft",
        &["outlook.com", "mx.microsoft", "hotmail.com", "office365.us"],
    ),
    ("yahoo", &["yahoodns.net"]),
    ("apple", &["icloud.com"]),
    ("proton", &["protonmail.ch"]),
    ("fastmail", &["messagingengine.com"]),
    ("zoho", &["zoho.com", "zoho.eu"]),
    ("proofpoint", &["pphosted.com", "ppe-hosted.com"]),
    ("mimecast", &["mimecast.com"]),
    ("messagelabs", &["messagelabs.com"]),
    ("openwave", &["cpcloud.co.uk"]),
    ("gmx", &["gmx.net", "kundenserver.de", "ionos.co.uk"]),
];

/// Who runs some mail servers: one of the large providers by its name, anybody else by a server's name. That may be one
/// person's domain, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Provider(Box<str>);

impl Provider {
    /// The provider behind these MX hosts, which are tried alike; none if there are none. A large one's only if all are
    /// its own: else anybody could count as one by naming its server beside theirs. Of hosts that are nobody's we know,
    /// the first in the order of the alphabet stands for all: DNS gives equal ones in any order.
    pub fn of<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let hosts: Vec<String> = hosts
            .into_iter()
            .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
            .collect();
        let unknown = hosts.iter().filter(|host| known(host).is_none());
        let own = unknown.map(String::as_str).min();
        let name = own.or_else(|| hosts.iter().filter_map(|host| known(host)).min())?;
        Some(Self(name.into()))
    }

    /// The name of one that the whole world knows; none for others.
    pub fn known(&self) -> Option<&'static str> {
        let mut names = KNOWN.iter().map(|(name, _)| *name);
        names.find(|name| **name == *self.0)
    }

    /// Its name as the configuration may have it, whoever it is. It may be one person's domain.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether the configuration means this one: by its name, by a domain that it's under, or, of a large one, by the name of
    /// its servers.
    pub fn is_named(&self, setting: &str) -> bool {
        *self.0 == *setting || is_under(&self.0, setting) || known(setting) == Some(&*self.0)
    }

    /// The names that the configuration may use for the large ones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }
}

fn known(host: &str) -> Option<&'static str> {
    let (name, _) = KNOWN
        .iter()
        .find(|(_, suffixes)| suffixes.iter().any(|suffix| is_under(host, suffix)))?;
    Some(name)
}

fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.known().unwrap_or("another"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn large_providers_are_known_by_their_servers() {
        for (hosts, name) in [
            (
                &["ALT1.ASPMX.L.Google.com.", "aspmx.l.google.com"][..],
                "google",
            ),
            (&["gmail-smtp-in.l.google.com"], "google"),
            (&["party-example.mail.protection.outlook.com"], "microsoft"),
            (&["outlook-com.olc.protection.outlook.com"], "microsoft"),
            (&["mx-eu.mail.am0.yahoodns.net"], "yahoo"),
            (&["mx01.mail.icloud.com"], "apple"),
        ] {
            assert_eq!(
                Provider::of(hosts.iter().copied()).unwrap().known(),
                Some(name)
            );
        }
        for host in ["evilgoogle.com", "google.com.example.org", "mx.example.org"] {
            assert_eq!(Provider::of([host]).unwrap().known(), None, "{host}");
        }
        assert_eq!(Provider::of([]), None);
    }

    #[test]
    fn nobody_is_a_large_one_by_naming_its_server_beside_theirs() {
        let hosts = ["aspmx.l.google.com", "mx.own.example"];
        let provider = Provider::of(hosts).unwrap();
        assert_eq!(provider, Provider::of(["mx.own.example"]).unwrap());
    }

    #[test]
    fn the_order_of_servers_makes_no_other_provider_and_none_is_shown() {
        let one = Provider::of(["mx2.voter.example", "mx1.voter.example"]).unwrap();
        let other = Provider::of(["mx1.voter.example", "MX2.voter.example."]).unwrap();
        assert_eq!(one, other);
        assert!(!format!("{one:?}").contains("voter"));
        assert!(one.is_named("voter.example") && one.is_named("mx1.voter.example"));
        assert!(!one.is_named("oter.example") && !one.is_named("google"));
    }
}
