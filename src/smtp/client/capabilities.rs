//! What a server offers in its EHLO reply. Only the reply inside TLS counts for anything but STARTTLS itself.

use crate::smtp::reply::Reply;

/// The extensions that change what we send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// STARTTLS (RFC 3207).
    pub start_tls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SIZE (RFC 1870): offered, and the limit in octets if one is stated.
    pub size: Option<Option<u64>>,
    /// The most messages a connection may carry (RFC 9422 `MAILMAX`).
    pub mail_max: Option<u32>,
    /// The most recipients a message may have (RFC 9422 `RCPTMAX`).
    pub rcpt_max: Option<u32>,
}

impl Capabilities {
    /// Reads the lines after the first (RFC 5321 §4.1.1.1). Unknown keywords and odd parameters are passed over.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offered = Self::default();
        for line in reply.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else {
                continue;
            };
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => offered.start_tls = true,
                "PIPELINING" => offered.pipelining = true,
                "8BITMIME" => offered.eight_bit = true,
                "SMTPUTF8" => offered.utf8 = true,
                "REQUIRETLS" => offered.require_tls = true,
                "DSN" => offered.dsn = true,
                "SIZE" => offered.size = Some(size_limit(words.next())),
                "LIMITS" => words.for_each(|word| offered.limit(word)),
                _ => {}
            }
        }
        offered
    }

    fn limit(&mut self, word: &str) {
        let Some((name, value)) = word.split_once('=') else {
            return;
        };
        let value = value.parse().ok().filter(|&n: &u32| n > 0);
        match name.to_ascii_uppercase().as_str() {
            "MAILMAX" => self.mail_max = value,
            "RCPTMAX" => self.rcpt_max = value,
            _ => {}
        }
    }

    /// The stated size limit, if there is one.
    pub fn size_limit(&self) -> Option<u64> {
        self.size.flatten()
    }
}

/// RFC 1870 §4: zero or nothing means that no limit is stated.
fn size_limit(word: Option<&str>) -> Option<u64> {
    word?.parse().ok().filter(|&limit| limit > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::smtp::client::reply_parser::ReplyParser;

    fn read(text: &str) -> Capabilities {
        let mut parser = ReplyParser::new();
        parser.push(text.as_bytes());
        Capabilities::read(&parser.next().unwrap().unwrap())
    }

    #[test]
    fn the_usual_reply() {
        let offered = read(
            "250-mx.example.org at your service\r\n250-SIZE 35882577\r\n250-8bitmime\r\n250-STARTTLS\r\n\
             250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-LIMITS MAILMAX=20 RCPTMAX=100 X=1\r\n250-DSN\r\n250 SMTPUTF8\r\n",
        );
        assert_eq!(
            offered,
            Capabilities {
                start_tls: true,
                pipelining: true,
                eight_bit: true,
                utf8: true,
                require_tls: false,
                dsn: true,
                size: Some(Some(35_882_577)),
                mail_max: Some(20),
                rcpt_max: Some(100),
            }
        );
    }

    #[test]
    fn the_first_line_is_a_greeting_whatever_it_says() {
        assert!(!read("250 STARTTLS\r\n").start_tls);
        assert!(!read("250-STARTTLS\r\n250 PIPELINING\r\n").start_tls);
    }

    #[test]
    fn odd_parameters_are_no_limits() {
        let offered = read(
            "250-x\r\n250-SIZE 0\r\n250-LIMITS MAILMAX=0 RCPTMAX=99999999999 =\r\n250 XSTARTTLS\r\n",
        );
        assert_eq!(
            offered,
            Capabilities {
                size: Some(None),
                ..Capabilities::default()
            }
        );
        assert_eq!(read("250-x\r\n250 SIZE many\r\n").size, Some(None));
    }
}
