//! The kinds of value that keys take beside texts and numbers. Each reads and writes itself as text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::address::Domain;

/// A name chosen by the admin for a table, such as `news` in `[list.news]`: 1 to 20 lower-case letters, digits and
/// hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// A text that can't be a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 20 lower-case letters, digits and hyphens, and starts with a letter")]
pub struct NotAName;

impl Name {
    /// `KEY+slug@` with the longest constituency must stay a local part of 64 octets.
    const MAX: usize = 20;

    /// Reads a name.
    ///
    /// # Errors
    /// [`NotAName`] if it has other characters, starts or ends wrongly, or is too long.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = text.len() <= Self::MAX
            && text.bytes().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(NotAName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A number of bytes, written as `"25 MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// This many mebibytes.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, for sizes in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "is no size".to_owned();
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let (_, factor) = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))
            .ok_or_else(wrong)?;
        let count: u64 = count.parse().map_err(|_| wrong())?;
        count
            .checked_mul(*factor)
            .map(Self)
            .ok_or_else(|| "is too large".to_owned())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

/// How long something is kept, counted on the calendar: `"7 days"`, `"24 months"`, `"6 years"`. `Display` writes it so,
/// for the privacy notice as for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    count: i32,
    unit: PeriodUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PeriodUnit {
    Days,
    Months,
    Years,
}

impl Period {
    const UNITS: [(&'static str, PeriodUnit); 3] = [
        ("day", PeriodUnit::Days),
        ("month", PeriodUnit::Months),
        ("year", PeriodUnit::Years),
    ];

    /// This many days.
    pub const fn days(count: i32) -> Self {
        Self {
            count,
            unit: PeriodUnit::Days,
        }
    }

    /// This many calendar months.
    pub const fn months(count: i32) -> Self {
        Self {
            count,
            unit: PeriodUnit::Months,
        }
    }

    /// This many calendar years.
    pub const fn years(count: i32) -> Self {
        Self {
            count,
            unit: PeriodUnit::Years,
        }
    }

    /// The span to add to a date.
    pub fn to_span(self) -> jiff::Span {
        match self.unit {
            PeriodUnit::Days => jiff::Span::new().days(self.count),
            PeriodUnit::Months => jiff::Span::new().months(self.count),
            PeriodUnit::Years => jiff::Span::new().years(self.count),
        }
    }

    /// About how many days that is, to compare periods.
    pub(super) fn about_days(self) -> i32 {
        match self.unit {
            PeriodUnit::Days => self.count,
            PeriodUnit::Months => self.count * 61 / 2,
            PeriodUnit::Years => self.count * 365,
        }
    }
}

impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "is no period".to_owned();
        let (count, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let unit = unit.trim().strip_suffix('s').unwrap_or(unit.trim());
        let (_, unit) = Self::UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=36_500).contains(count));
        let period = Self {
            count: count.ok_or_else(wrong)?,
            unit: *unit,
        };
        if period.about_days() <= 36_500 {
            Ok(period)
        } else {
            Err("is over a hundred years".to_owned())
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::UNITS
            .iter()
            .find(|(_, unit)| *unit == self.unit)
            .map_or("", |(name, _)| name);
        write!(
            f,
            "{} {name}{}",
            self.count,
            if self.count == 1 { "" } else { "s" }
        )
    }
}

/// A colour, written as `"#rrggbb"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

impl Colour {
    /// A colour of three parts, 0 to 255 each.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// The contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl FromStr for Colour {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "is no colour".to_owned();
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let [_, red, green, blue] = u32::from_str_radix(digits.ok_or_else(wrong)?, 16)
            .map_err(|_| wrong())?
            .to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// The address of a web page or site: `https://` and a host name, perhaps with port and path. (Plain `http://` is taken
/// for loopback alone, for the sandbox.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(Box<str>);

impl WebAddress {
    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and, if written, port.
    pub fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host)
    }
}

impl FromStr for WebAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("is no web address")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            Some(_) => return Err("has a port that is none".to_owned()),
            None => authority,
        };
        let loopback = matches!(host, "localhost" | "127.0.0.1");
        match scheme {
            "https" => {}
            "http" if loopback => {}
            _ => return Err("doesn't start with https://".to_owned()),
        }
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>`\\^{}|?#@".contains(&b);
        if !text.bytes().all(plain) || (!loopback && Domain::parse(host).is_err()) {
            return Err("is no plain web address".to_owned());
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which constituencies there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstituencySource {
    /// The built-in 650 of the United Kingdom.
    BuiltIn,
    /// None: nobody is asked.
    None,
    /// The party's own, from a CSV file.
    File(PathBuf),
}

impl FromStr for ConstituencySource {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "built-in" => Ok(Self::BuiltIn),
            "none" => Ok(Self::None),
            path if path.starts_with('/') => Ok(Self::File(path.into())),
            _ => Err("is neither \"built-in\" nor \"none\" nor an absolute path".to_owned()),
        }
    }
}

impl fmt::Display for ConstituencySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::None => f.write_str("none"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A host to connect to: a name or an IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host: a name in A-labels or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let (host, port) = text.rsplit_once(':').ok_or("has no port")?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or("has a port that is none")?;
        let host = Domain::parse(host).map_err(|error| error.to_string())?;
        Ok(Self {
            host: host.as_str().to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => write!(f, "{}", SocketAddr::new(ip, self.port)),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Name {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::parse(text)
    }
}
