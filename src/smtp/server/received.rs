//! The `Received:` field (RFC 5321 §4.4) that each mail gets as its first line.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::envelope::Envelope;

/// The field with its CRLF. On the MX it says whom it came from; on submission nothing of that, for neither the address
/// nor the name of the client's computer is the world's business.
pub fn received_field(envelope: &Envelope, host_name: &str, at: Timestamp) -> String {
    let caller = &envelope.caller;
    let from = if caller.role.is_submission() {
        String::new()
    } else {
        let (hello, client) = (caller.hello.as_str(), literal(caller.client));
        format!("from {hello} ({client})\r\n\t")
    };
    format!(
        "Received: {from}by {host_name} with {}\r\n\tid {}-{} tls {};\r\n\t{}\r\n",
        protocol(envelope),
        caller.connection,
        envelope.number,
        caller.tls.cipher(),
        date(at),
    )
}

/// The header with the peer's name, once it is known, beside its address in our own `Received:`, which is its first
/// field: `from hello (name [address])`.
pub fn name_peer(header: &[u8], name: &str) -> Vec<u8> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let line = memchr::memchr(b'\n', header).unwrap_or(header.len());
    let at = memchr::memmem::find(&header[..line], b" ([");
    let Some(at) = at.filter(|_| !name.is_empty() && name.bytes().all(plain)) else {
        return header.to_vec();
    };
    let (before, after) = header.split_at(at + 2);
    [before, name.as_bytes(), b" ", after].concat()
}

/// The protocol's registered name: RFC 3848, for SMTPUTF8 RFC 6531 §4.3. HELO has no name that tells of TLS.
fn protocol(envelope: &Envelope) -> &'static str {
    let caller = &envelope.caller;
    match (envelope.utf8, caller.extended, caller.staff.is_some()) {
        (true, _, true) => "UTF8SMTPSA",
        (true, _, false) => "UTF8SMTPS",
        (false, true, true) => "ESMTPSA",
        (false, true, false) => "ESMTPS",
        (false, false, _) => "SMTP",
    }
}

fn literal(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// RFC 5322 §3.3, in UTC.
fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%a, %d %b %Y %H:%M:%S +0000")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::envelope::{Caller, ConnectionId, HelloName, Role, TlsInfo};
    use super::*;
    use crate::id::{PasswordId, StaffId};
    use crate::smtp::path::ReversePath;
    use crate::staff::Entrant;

    fn entrant() -> Entrant {
        Entrant {
            staff: StaffId::random(),
            password: PasswordId::random(),
        }
    }

    fn envelope(role: Role) -> Envelope {
        let staff = role.is_submission().then(entrant);
        Envelope {
            caller: Caller {
                connection: ConnectionId::random(),
                role,
                client: "192.0.2.1".parse().expect("an address"),
                hello: HelloName("mx.other.example".to_owned()),
                extended: true,
                tls: TlsInfo::pretended(),
                staff,
            },
            number: 2,
            reverse_path: ReversePath::Null,
            declared_size: None,
            eight_bit: false,
            utf8: false,
            require_tls: false,
            recipients: Vec::new(),
            dsn: Default::default(),
        }
    }

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().expect("a timestamp")
    }

    #[test]
    fn on_the_mx_the_peer_is_named() {
        let envelope = envelope(Role::Mx);
        let id = envelope.caller.connection;
        assert_eq!(
            received_field(&envelope, "mx.party.example", noon()),
            format!(
                "Received: from mx.other.example ([192.0.2.1])\r\n\tby mx.party.example with ESMTPS\r\n\
                 \tid {id}-2 tls TLS_AES_256_GCM_SHA384;\r\n\tSat, 21 Nov 2026 12:00:00 +0000\r\n"
            )
        );
    }

    #[test]
    fn the_peer_s_name_goes_beside_its_address() {
        let field = received_field(&envelope(Role::Mx), "mx.party.example", noon());
        let named = name_peer(field.as_bytes(), "peer.example");
        let named = String::from_utf8(named).expect("text");
        assert!(
            named.starts_with("Received: from mx.other.example (peer.example [192.0.2.1])\r\n\tby")
        );
        for bad in ["", "a b", "a)\r\nX: y"] {
            assert_eq!(name_peer(field.as_bytes(), bad), field.as_bytes());
        }
    }

    #[test]
    fn on_submission_nothing_of_the_client_is_named() {
        let field = received_field(&envelope(Role::Submission), "mx.party.example", noon());
        assert!(field.starts_with("Received: by mx.party.example with ESMTPSA\r\n\tid "));
        assert!(!field.contains("192.0.2.1") && !field.contains("other.example"));
    }

    #[test]
    fn protocols_have_their_registered_names() {
        let mut envelope = envelope(Role::Mx);
        envelope.utf8 = true;
        assert_eq!(protocol(&envelope), "UTF8SMTPS");
        envelope.caller.staff = Some(entrant());
        assert_eq!(protocol(&envelope), "UTF8SMTPSA");
        envelope.utf8 = false;
        envelope.caller.extended = false;
        assert_eq!(protocol(&envelope), "SMTP");
    }

    #[test]
    fn addresses_are_literals() {
        for (address, expected) in [
            ("192.0.2.1", "[192.0.2.1]"),
            ("::ffff:192.0.2.1", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(literal(address.parse().expect("an address")), expected);
        }
    }
}
