//! Records as they are written into a zone and read out of one: the kinds that a party publishes.

use std::fmt;
use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

/// The longest string of a TXT record (RFC 1035 §3.3.14).
const STRING: usize = 255;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    A,
    Aaaa,
    Ptr,
    Mx,
    Txt,
    Tlsa,
    Srv,
    Cname,
    Caa,
    Ns,
    Ds,
}

impl Kind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Ptr => "PTR",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Tlsa => "TLSA",
            Self::Srv => "SRV",
            Self::Cname => "CNAME",
            Self::Caa => "CAA",
            Self::Ns => "NS",
            Self::Ds => "DS",
        }
    }

    pub(super) const fn record_type(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Ptr => RecordType::PTR,
            Self::Mx => RecordType::MX,
            Self::Txt => RecordType::TXT,
            Self::Tlsa => RecordType::TLSA,
            Self::Srv => RecordType::SRV,
            Self::Cname => RecordType::CNAME,
            Self::Caa => RecordType::CAA,
            Self::Ns => RecordType::NS,
            Self::Ds => RecordType::DS,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a record says. Names are in lower case and have no dot at their end; the root is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// MX.
    Mx {
        /// Smaller is tried first.
        preference: u16,
        /// The host.
        host: String,
    },
    /// TXT, its strings put together; what isn't UTF-8 is replaced.
    Text(String),
    /// SRV.
    Service {
        /// Smaller is tried first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port; 0 where the service isn't offered.
        port: u16,
        /// The host; empty where the service isn't offered.
        target: String,
    },
    /// TLSA: usage, selector, matching type, and what is matched.
    Tlsa([u8; 3], Vec<u8>),
    /// CAA.
    Caa {
        /// Whether who doesn't know the tag must not issue.
        critical: bool,
        /// The tag: `issue`.
        tag: String,
        /// Its value.
        value: String,
    },
    /// CNAME.
    Alias(String),
    /// PTR or NS.
    Name(String),
    /// DS: that it is there is all we ask.
    Signed,
}

impl Data {
    /// Its kind; a name is a PTR's.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Address(IpAddr::V4(_)) => Kind::A,
            Self::Address(IpAddr::V6(_)) => Kind::Aaaa,
            Self::Mx { .. } => Kind::Mx,
            Self::Text(_) => Kind::Txt,
            Self::Service { .. } => Kind::Srv,
            Self::Tlsa(..) => Kind::Tlsa,
            Self::Caa { .. } => Kind::Caa,
            Self::Alias(_) => Kind::Cname,
            Self::Name(_) => Kind::Ptr,
            Self::Signed => Kind::Ds,
        }
    }

    /// The value as people type it into a form: a text without quotes, names without a dot at the end.
    pub fn value(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.written(""),
        }
    }

    /// The value as it stands in a zone file (RFC 1035 §5.1): long texts in strings of 255 octets, names with their dot.
    pub fn in_zone(&self) -> String {
        match self {
            Self::Text(text) => strings(text),
            other => other.written("."),
        }
    }

    fn written(&self, dot: &str) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Mx { preference, host } => format!("{preference} {host}{dot}"),
            Self::Text(text) => text.clone(),
            Self::Service {
                priority,
                weight,
                port,
                target,
            } => match target.as_str() {
                "" => format!("{priority} {weight} {port} ."),
                target => format!("{priority} {weight} {port} {target}{dot}"),
            },
            Self::Tlsa([usage, selector, matching], data) => {
                let data: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{usage} {selector} {matching} {data}")
            }
            Self::Caa {
                critical,
                tag,
                value,
            } => format!("{} {tag} \"{value}\"", if *critical { 128 } else { 0 }),
            Self::Alias(name) | Self::Name(name) => format!("{name}{dot}"),
            Self::Signed => String::new(),
        }
    }

    /// From an answer; nothing for a kind that isn't ours to know.
    pub(super) fn read(data: &RData) -> Option<Self> {
        Some(match data {
            RData::A(a) => Self::Address(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Self::Address(IpAddr::V6(aaaa.0)),
            RData::MX(mx) => Self::Mx {
                preference: mx.preference,
                host: text(&mx.exchange),
            },
            RData::TXT(txt) => Self::Text(String::from_utf8_lossy(&txt.txt_data.concat()).into()),
            RData::SRV(srv) => Self::Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: text(&srv.target),
            },
            RData::TLSA(tlsa) => Self::Tlsa(
                [
                    tlsa.cert_usage.into(),
                    tlsa.selector.into(),
                    tlsa.matching.into(),
                ],
                tlsa.cert_data.clone(),
            ),
            RData::CAA(caa) => Self::Caa {
                critical: caa.issuer_critical,
                tag: caa.tag.to_ascii_lowercase(),
                value: String::from_utf8_lossy(&caa.value).into(),
            },
            RData::CNAME(name) => Self::Alias(text(&name.0)),
            RData::PTR(name) => Self::Name(text(&name.0)),
            RData::NS(name) => Self::Name(text(&name.0)),
            RData::DNSSEC(_) => Self::Signed,
            _ => return None,
        })
    }
}

/// A text as quoted strings.
fn strings(text: &str) -> String {
    let mut strings = Vec::new();
    let mut rest = text;
    loop {
        let (string, later) = rest.split_at(rest.floor_char_boundary(STRING));
        let quoted = string.replace('\\', "\\\\").replace('"', "\\\"");
        strings.push(format!("\"{quoted}\""));
        rest = later;
        if rest.is_empty() {
            return strings.join(" ");
        }
    }
}

/// A name as text, lower case, without its last dot.
pub(super) fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').to_owned()
}

/// The name under which an address's names stand (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> String {
    text(&Name::from(address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_nothing_of_it_lost() {
        let long = format!("v=DKIM1; p={}", "A".repeat(600));
        let zone = Data::Text(long.clone()).in_zone();
        let strings: Vec<_> = zone.split('"').skip(1).step_by(2).collect();
        assert_eq!(strings.concat(), long);
        assert!(strings.len() == 3 && strings.iter().all(|one| one.len() <= STRING));
        assert_eq!(Data::Text(String::new()).in_zone(), "\"\"");
        assert_eq!(Data::Text("a\"b\\c".into()).in_zone(), r#""a\"b\\c""#);
    }

    #[test]
    fn each_kind_as_a_zone_has_it() {
        let none = Data::Service {
            priority: 0,
            weight: 0,
            port: 0,
            target: String::new(),
        };
        assert_eq!(none.in_zone(), "0 0 0 .");
        let mx = Data::Mx {
            preference: 10,
            host: "mail.party.example".into(),
        };
        assert_eq!(mx.in_zone(), "10 mail.party.example.");
        assert_eq!(mx.value(), "10 mail.party.example");
        let tlsa = Data::Tlsa([3, 1, 1], vec![0, 255]);
        assert_eq!(tlsa.in_zone(), "3 1 1 00ff");
        let address = "192.0.2.7".parse().unwrap_or(IpAddr::from([0; 4]));
        assert_eq!(reverse_name(address), "7.2.0.192.in-addr.arpa");
    }
}
