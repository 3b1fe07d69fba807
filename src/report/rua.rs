//! Where a domain wants to hear of TLS on the way to it: the TXT record at `_smtp._tls.` (RFC 8460 §3).

use crate::address::{Domain, EmailAddress};

/// Places of one domain that are told.
const PLACES: usize = 4;
/// The longest address of a place.
const LONGEST: usize = 500;

/// Where a report goes.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// It is posted there.
    Https(HttpsPlace),
    /// It is mailed there.
    Mail(EmailAddress),
}

/// A web address.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsPlace {
    /// The host's name.
    pub host: Domain,
    /// The port.
    pub port: u16,
    /// The path, with a query if there is one.
    pub path: String,
}

/// It tells to which domain mail went.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Https(_) => "Https(..)",
            Self::Mail(_) => "Mail(..)",
        })
    }
}

impl std::fmt::Debug for HttpsPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpsPlace(..)")
    }
}

impl Place {
    /// What it is called in the record of what is done with.
    pub fn name(&self) -> String {
        match self {
            Self::Https(place) => format!("https://{}:{}{}", place.host, place.port, place.path),
            Self::Mail(address) => format!("mailto:{address}"),
        }
    }

    fn parse(uri: &str) -> Option<Self> {
        let plain = uri.bytes().all(|byte| byte.is_ascii_graphic()) && uri.len() <= LONGEST;
        let (scheme, rest) = uri.split_once(':').filter(|_| plain)?;
        if scheme.eq_ignore_ascii_case("mailto") {
            let address = rest.split('?').next().unwrap_or(rest);
            let address = EmailAddress::parse(&decoded(address)?).ok()?;
            return Some(Self::Mail(address));
        }
        if !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let rest = rest.strip_prefix("//")?;
        let rest = rest.split('#').next().unwrap_or(rest);
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
            None => (authority, 443),
        };
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        Some(Self::Https(HttpsPlace {
            host: Domain::parse(host).ok()?,
            port,
            path,
        }))
    }
}

/// `%40` and the like become what they stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        match (first, more) {
            (b'%', [high, low, more @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = more;
            }
            (b'%', _) => return None,
            (byte, more) => {
                bytes.push(*byte);
                rest = more;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// The places that the one record of a TXT answer names. None if there is no such record, or more than one, or it names
/// nothing that we can reach.
pub fn places(texts: &[Vec<u8>]) -> Vec<Place> {
    let texts = texts
        .iter()
        .filter_map(|text| std::str::from_utf8(text).ok());
    let mut records = texts.filter_map(fields);
    let (Some(fields), None) = (records.next(), records.next()) else {
        return Vec::new();
    };
    let rua = fields
        .iter()
        .find_map(|field| field.trim_start().strip_prefix("rua"));
    let rua = rua.and_then(|rest| rest.trim_start().strip_prefix('='));
    let mut places: Vec<Place> = Vec::new();
    for uri in rua.unwrap_or_default().split(',') {
        if let Some(place) = Place::parse(uri.trim())
            && places.len() < PLACES
            && !places.contains(&place)
        {
            places.push(place);
        }
    }
    places
}

/// The fields of a record of this kind, its version aside.
fn fields(text: &str) -> Option<Vec<&str>> {
    let mut fields = text.split(';');
    (fields.next()?.trim_end() == "v=TLSRPTv1").then(|| fields.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(record: &str) -> Vec<String> {
        let places = places(&[record.as_bytes().to_vec()]);
        places.iter().map(Place::name).collect()
    }

    #[test]
    fn the_rfcs_examples_are_understood() {
        let mail = "v=TLSRPTv1;rua=mailto:reports@example.com";
        assert_eq!(named(mail), ["mailto:reports@example.com"]);
        let https = "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt";
        assert_eq!(
            named(https),
            ["https://reporting.example.com:443/v1/tlsrpt"]
        );
        let both = "v=TLSRPTv1; x=y; rua=mailto:a%2Cb%40c@example.com?x=1 , https://r.example:8443?a=b#c,ftp://x/;";
        assert_eq!(named(both), ["https://r.example:8443/?a=b"]);
        let both = "v=TLSRPTv1; rua=mailto:tls%2Breports@example.com,https://r.example;";
        assert_eq!(
            named(both),
            ["mailto:tls+reports@example.com", "https://r.example:443/"]
        );
    }

    #[test]
    fn one_record_and_no_more() {
        let record = b"v=TLSRPTv1; rua=https://r.example/".to_vec();
        assert_eq!(places(&[record.clone(), b"v=spf1 -all".to_vec()]).len(), 1);
        assert!(places(&[record.clone(), record]).is_empty());
        for bad in [
            "",
            "v=TLSRPTv2; rua=https://r.example/",
            "rua=https://r.example/; v=TLSRPTv1",
            "v=TLSRPTv1",
            "v=TLSRPTv1; rua=http://r.example/",
            "v=TLSRPTv1; rua=https://127.0.0.1/",
            "v=TLSRPTv1; rua=https://a@r.example/",
            "v=TLSRPTv1; rua=https://r.example:0/",
            "v=TLSRPTv1; rua=https://r.example/a b",
            "v=TLSRPTv1; rua=mailto:",
            "v=TLSRPTv1; rua=mailto:a%0d%0ab@r.example",
        ] {
            assert!(named(bad).is_empty(), "{bad}");
        }
        let many: Vec<_> = (0..9).map(|n| format!("https://r.example/{n}")).collect();
        let many = format!("v=TLSRPTv1; rua={}", many.join(","));
        assert_eq!(named(&many).len(), PLACES);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(noise in prop::collection::vec(any::<u8>(), 0..200), uri in "[a-z:/%@.,;=0-9-]{0,80}") {
            let _ = places(std::slice::from_ref(&noise));
            for place in places(&[format!("v=TLSRPTv1;rua={uri}").into_bytes()]) {
                prop_assert!(place.name().bytes().all(|byte| !byte.is_ascii_control()));
            }
        }
    }
}
