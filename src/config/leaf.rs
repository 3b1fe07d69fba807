//! How each kind of value reads itself from TOML, says what it expects and writes itself.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::DeValue;

use super::choices::ChallengeKind;
use super::declare::Leaf;
use super::read::type_of;
use super::values::{ByteSize, Colour, ConstituencySource, HostPort, Name, Period, WebAddress};
use crate::address::{Domain, EmailAddress};
use crate::net::Subnet;

/// Characters in a text.
const MAX_TEXT: usize = 1_000;
/// Items in a list of values.
const MAX_ITEMS: usize = 100;

/// Writes a text as TOML.
pub(super) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn text_of<'v>(
    value: &'v Spanned<DeValue<'_>>,
    bad: &mut dyn FnMut(Range<usize>, String),
) -> Option<&'v str> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        bad(
            value.span(),
            format!(
                "expected a text in quotes, found {}",
                type_of(value.get_ref())
            ),
        );
    }
    text
}

/// Values that are written as a text and read by `FromStr`.
macro_rules! text_leaf {
    ($($type:ty, $expected:literal;)*) => {$(
        impl Leaf for $type {
            const EXPECTED: &'static str = $expected;
            fn read(
                value: &Spanned<DeValue<'_>>,
                bad: &mut dyn FnMut(Range<usize>, String),
            ) -> Option<Self> {
                let read = text_of(value, bad)?.parse::<$type>();
                read.map_err(|error| bad(value.span(), error.to_string())).ok()
            }
            fn to_toml(&self) -> String {
                quote(&self.to_string())
            }
        }
    )*};
}

text_leaf! {
    ByteSize, "a size such as \"25 MiB\"";
    Period, "a period such as \"30 days\", \"24 months\" or \"6 years\"";
    Colour, "a colour such as \"#5b2a86\"";
    WebAddress, "a web address such as \"https://party.example\"";
    ConstituencySource, "\"built-in\", \"none\" or the absolute path of a CSV file";
    HostPort, "a host and port such as \"relay.example.org:25\" or \"127.0.0.1:2525\"";
    EmailAddress, "a mail address such as \"office@party.example\"";
    Domain, "a domain such as \"party.example\"";
    SocketAddr, "an address and port such as \"0.0.0.0:25\" or \"[::]:25\"";
    IpAddr, "an IP address such as \"192.0.2.1\"";
    Subnet, "a network such as \"192.0.2.0/24\"";
    Name, "a name of lower-case letters, digits and hyphens such as \"office\"";
}

impl Leaf for String {
    const EXPECTED: &'static str = "a text in quotes";
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self> {
        let text = text_of(value, bad)?.trim();
        let wrong = if text.is_empty() {
            "the text is empty".to_owned()
        } else if text.chars().count() > MAX_TEXT {
            format!("the text is longer than {MAX_TEXT} characters")
        } else if text.chars().any(char::is_control) {
            "the text has a line break or control character: keep it on one line".to_owned()
        } else {
            return Some(text.to_owned());
        };
        bad(value.span(), wrong);
        None
    }
    fn to_toml(&self) -> String {
        quote(self)
    }
}

impl Leaf for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            bad(
                value.span(),
                format!("expected true or false, found {}", type_of(value.get_ref())),
            );
        }
        read
    }
    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Leaf for u32 {
    const EXPECTED: &'static str = "a whole number";
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self> {
        let number = value.get_ref().as_integer();
        let read = number.and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        if read.is_none() {
            let found = if number.is_some() {
                "one that is negative or too large"
            } else {
                type_of(value.get_ref())
            };
            bad(
                value.span(),
                format!("expected a whole number, found {found}"),
            );
        }
        read
    }
    fn to_toml(&self) -> String {
        self.to_string()
    }
}

const SPANS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Leaf for Duration {
    const EXPECTED: &'static str = "a time such as \"30s\", \"5m\", \"4h\" or \"7d\"";
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self> {
        let text = text_of(value, bad)?;
        let seconds = SPANS.iter().find_map(|(unit, factor)| {
            let count: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
            Some(u64::from(count) * factor)
        });
        match seconds {
            Some(seconds) if (1..=366 * 86_400).contains(&seconds) => {
                Some(Self::from_secs(seconds))
            }
            Some(_) => {
                bad(value.span(), "expected one second to a year".to_owned());
                None
            }
            None => {
                bad(value.span(), format!("expected {}", Self::EXPECTED));
                None
            }
        }
    }
    fn to_toml(&self) -> String {
        let seconds = self.as_secs();
        let (unit, factor) = SPANS
            .iter()
            .find(|(_, factor)| seconds.is_multiple_of(*factor))
            .unwrap_or(&("s", 1));
        quote(&format!("{}{unit}", seconds / factor))
    }
}

impl Leaf for PathBuf {
    const EXPECTED: &'static str = "an absolute path such as \"/var/lib/hustings\"";
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self> {
        let path = Self::from(text_of(value, bad)?);
        let plain = path
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir));
        if path.is_absolute() && plain {
            return Some(path);
        }
        bad(
            value.span(),
            "expected an absolute path without `..`".to_owned(),
        );
        None
    }
    fn to_toml(&self) -> String {
        quote(&self.to_string_lossy())
    }
}

impl Leaf for Date {
    const EXPECTED: &'static str = "a date such as 2027-11-21";
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self> {
        let text = match value.get_ref() {
            DeValue::Datetime(date) => date.to_string(),
            DeValue::String(text) => text.to_string(),
            other => {
                bad(
                    value.span(),
                    format!("expected a date, found {}", type_of(other)),
                );
                return None;
            }
        };
        let date = (text.len() == 10).then(|| text.parse().ok()).flatten();
        if date.is_none() {
            bad(value.span(), "expected a date as year-month-day".to_owned());
        }
        date
    }
    fn to_toml(&self) -> String {
        self.to_string()
    }
}

/// Lists, and what is expected of them.
macro_rules! list_leaf {
    ($($type:ty, $expected:literal;)*) => {$(
        impl Leaf for Vec<$type> {
            const EXPECTED: &'static str = $expected;
            fn read(
                value: &Spanned<DeValue<'_>>,
                bad: &mut dyn FnMut(Range<usize>, String),
            ) -> Option<Self> {
                let Some(items) = value.get_ref().as_array() else {
                    let found = type_of(value.get_ref());
                    bad(value.span(), format!("expected a list in [ ], found {found}"));
                    return None;
                };
                if items.len() > MAX_ITEMS {
                    bad(value.span(), format!("the list has more than {MAX_ITEMS} items"));
                    return None;
                }
                // Not `collect` into an Option at once: each wrong item is to be named.
                let read: Vec<_> = items.iter().map(|item| <$type>::read(item, bad)).collect();
                read.into_iter().collect()
            }
            fn to_toml(&self) -> String {
                let items: Vec<_> = self.iter().map(Leaf::to_toml).collect();
                format!("[{}]", items.join(", "))
            }
        }
    )*};
}

list_leaf! {
    Subnet, "a list of networks such as [\"192.0.2.0/24\", \"2001:db8::/48\"]";
    Domain, "a list of domains such as [\"party.example\"]";
    EmailAddress, "a list of mail addresses such as [\"office@party.example\"]";
    SocketAddr, "a list of addresses and ports such as [\"0.0.0.0:25\", \"[::]:25\"]";
    IpAddr, "a list of IP addresses such as [\"192.0.2.1\", \"2001:db8::1\"]";
    Duration, "a list of times such as [\"5m\", \"1h\"]";
    ChallengeKind, "a list of \"http-01\" and \"tls-alpn-01\"";
}
