//! MAIL (RFC 5321 §4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), REQUIRETLS
//! (RFC 8689), on submission AUTH (RFC 4954 §5), RET and ENVID (RFC 3461).

use super::super::host::Refusal;
use super::super::session::phase::MailFrom;
use super::super::session::{AskSender, Session, Step};
use super::{bad_parameter, out_of_turn, parameter, path_and_parameters, unknown_parameter};
use crate::smtp::path::ReversePath;
use crate::smtp::reply::Reply;
use crate::smtp::xtext;
use crate::store::DsnWish;

/// Which parameters a caller was offered.
#[derive(Clone, Copy)]
struct Offered {
    extensions: bool,
    /// AUTH, and delivery reports: nobody outside is ever sent one, so that the MX promises none.
    staff: bool,
}

/// The longest ENVID as it is written (RFC 3461 §4.4).
const LONGEST_ENVID: usize = 100;

impl MailFrom {
    fn parse(arguments: &str, offered: Offered) -> Result<Self, Reply> {
        let syntax = || Reply::new(501, (5, 5, 4), "Say MAIL FROM:<address>");
        let (path, parameters) = path_and_parameters(arguments, "FROM:").ok_or_else(syntax)?;
        let mut mail = Self {
            path: ReversePath::parse(path)
                .map_err(|error| Reply::new(501, (5, 1, 7), error.to_string()))?,
            size: None,
            eight_bit: false,
            utf8: false,
            require_tls: false,
            dsn: DsnWish::default(),
        };
        let mut seen = Vec::new();
        for text in parameters.split(' ').filter(|text| !text.is_empty()) {
            let (key, value) = parameter(text);
            mail.set(&key, value, offered)?;
            if seen.contains(&key) {
                return Err(bad_parameter());
            }
            seen.push(key);
        }
        if !mail.utf8
            && mail
                .path
                .mailbox()
                .is_some_and(|mailbox| !mailbox.is_ascii())
        {
            return Err(Reply::new(553, (5, 6, 7), "Such an address needs SMTPUTF8"));
        }
        Ok(mail)
    }

    fn set(&mut self, key: &str, value: Option<&str>, offered: Offered) -> Result<(), Reply> {
        match (key, value) {
            _ if !offered.extensions => return Err(unknown_parameter()),
            ("SIZE", Some(value)) => self.size = Some(size(value)?),
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => {
                self.eight_bit = true;
            }
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => {}
            ("SMTPUTF8", None) => self.utf8 = true,
            // Nobody gets here without TLS.
            ("REQUIRETLS", None) => self.require_tls = true,
            // Who wrote the mail is known from the log-in; what the client says of it is read past.
            ("AUTH", Some(value)) if offered.staff => {
                if value.is_empty() || !value.bytes().all(|octet| octet.is_ascii_graphic()) {
                    return Err(bad_parameter());
                }
            }
            ("RET", Some(value)) if offered.staff => {
                self.dsn.whole = Some(match value.to_ascii_uppercase().as_str() {
                    "FULL" => true,
                    "HDRS" => false,
                    _ => return Err(bad_parameter()),
                });
            }
            ("ENVID", Some(value)) if offered.staff => {
                let id = xtext::decode(value).filter(|id| !id.is_empty());
                let id = id.filter(|_| value.len() <= LONGEST_ENVID);
                self.dsn.envelope_id = Some(id.ok_or_else(bad_parameter)?);
            }
            ("RET" | "ENVID", None) if offered.staff => return Err(bad_parameter()),
            ("SIZE" | "BODY" | "SMTPUTF8" | "REQUIRETLS", _) => return Err(bad_parameter()),
            _ => return Err(unknown_parameter()),
        }
        Ok(())
    }
}

fn log_in_first() -> Reply {
    Reply::new(
        530,
        (5, 7, 0),
        "Authentication required: set user name and password for sending in your mail program",
    )
}

/// Up to twenty digits (RFC 1870 §5).
fn size(value: &str) -> Result<u64, Reply> {
    let digits =
        (1..=20).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit());
    if !digits {
        return Err(bad_parameter());
    }
    // What is too big to count is too big to take.
    Ok(value.parse().unwrap_or(u64::MAX))
}

impl Session {
    pub(in crate::smtp::server) fn mail(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        let Some(caller) = self.phase.caller() else {
            return Err(out_of_turn("EHLO first"));
        };
        if self.phase.may_send().is_none() {
            return Err(log_in_first());
        }
        if self.transaction.is_some() {
            return Err(out_of_turn("A mail is in progress already"));
        }
        if self.counts.mails >= self.limits.mails {
            return Err(Reply::new(
                421,
                (4, 7, 0),
                "Enough mails on one connection, please dial again",
            ));
        }
        let offered = Offered {
            extensions: caller.extended,
            staff: caller.staff.is_some(),
        };
        let mail = MailFrom::parse(arguments, offered)?;
        if mail
            .size
            .is_some_and(|size| size > self.limits.message_size)
        {
            return Err(Reply::new(552, (5, 3, 4), "Message too big"));
        }
        Ok(Step::AskSender(AskSender(mail)))
    }

    /// The host's answer to [`Step::AskSender`].
    pub fn answer_sender(
        &mut self,
        asked: AskSender,
        answer: Result<(), Refusal>,
    ) -> Step<'static> {
        let number = self.counts.mails + 1;
        match (answer, self.phase.may_send()) {
            (Ok(()), Some(may_send)) => {
                self.transaction = Some(may_send.begin(asked.0, number));
                Step::Reply(Reply::new(250, (2, 1, 0), "Sender accepted"))
            }
            (Ok(()), None) => self.say(log_in_first()),
            (Err(refusal), _) => self.say(refusal.into_reply()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offered = Offered {
        extensions: true,
        staff: true,
    };

    fn code(arguments: &str, offered: Offered) -> u16 {
        MailFrom::parse(arguments, offered).map_or_else(|reply| reply.code(), |_| 250)
    }

    #[test]
    fn arguments_are_read_strictly() {
        for (arguments, expected) in [
            ("FROM:<>", 250),
            ("from:<a@b.example>", 250),
            ("FROM:<a@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8", 250),
            ("FROM:<a@b.example> size=10 body=7bit", 250),
            ("FROM:<\"a> b\"@b.example> SIZE=1", 250),
            ("FROM:<siân@b.example> SMTPUTF8", 250),
            ("FROM:<a@b.example> AUTH=<>", 250),
            ("FROM:<siân@b.example>", 553),
            ("FROM: <a@b.example>", 501),
            ("FROM:a@b.example", 501),
            ("FROM<a@b.example>", 501),
            ("TO:<a@b.example>", 501),
            ("", 501),
            ("FROM:<postmaster>", 501),
            ("FROM:<a@b.example>SIZE=1", 501),
            ("FROM:<a@b.example> SIZE=", 501),
            ("FROM:<a@b.example> SIZE=-1", 501),
            ("FROM:<a@b.example> SIZE", 501),
            ("FROM:<a@b.example> SIZE=1 SIZE=2", 501),
            ("FROM:<a@b.example> BODY=BINARYMIME", 501),
            ("FROM:<a@b.example> SMTPUTF8=1", 501),
            ("FROM:<a@b.example> REQUIRETLS", 250),
            ("FROM:<a@b.example> REQUIRETLS=1", 501),
            ("FROM:<a@b.example> AUTH=", 501),
            ("FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1", 250),
            ("FROM:<a@b.example> ret=full", 250),
            ("FROM:<a@b.example> RET=ALL", 501),
            ("FROM:<a@b.example> RET", 501),
            ("FROM:<a@b.example> RET=FULL RET=FULL", 501),
            ("FROM:<a@b.example> ENVID=", 501),
            ("FROM:<a@b.example> ENVID=a+2b", 501),
            ("FROM:<a@b.example> ENVID=a+0Ab", 501),
            ("FROM:<a@b.example> X", 555),
            ("FROM:<a@b.example> =", 555),
        ] {
            assert_eq!(code(arguments, ALL), expected, "{arguments:?}");
        }
    }

    #[test]
    fn only_offered_parameters_are_taken() {
        let after_helo = Offered {
            extensions: false,
            staff: false,
        };
        assert_eq!(code("FROM:<a@b.example> SIZE=1", after_helo), 555);
        assert_eq!(code("FROM:<a@b.example>", after_helo), 250);
        let on_the_mx = Offered {
            extensions: true,
            staff: false,
        };
        for parameter in ["AUTH=<>", "RET=FULL", "RET", "ENVID=x"] {
            let arguments = format!("FROM:<a@b.example> {parameter}");
            assert_eq!(code(&arguments, on_the_mx), 555, "{parameter}");
        }
    }

    #[test]
    fn a_size_beyond_counting_is_the_biggest() {
        assert_eq!(size("99999999999999999999"), Ok(u64::MAX));
        assert!(size("999999999999999999999").is_err());
    }
}
