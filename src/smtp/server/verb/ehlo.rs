//! EHLO and HELO (RFC 5321 §4.1.1.1): the client says its name, and hears what we offer.

use std::borrow::Cow;

use super::super::envelope::HelloName;
use super::super::session::{Session, Step};
use crate::smtp::path::MAX_DOMAIN;
use crate::smtp::reply::Reply;

/// Reads the one argument. The name proves nothing and decides nothing, so its grammar is loose where real clients
/// are (underscores, odd literals); no octet that could harm the `Received:` field passes.
pub(in crate::smtp::server) fn hello_name(arguments: &str) -> Result<HelloName, Reply> {
    let bad = || Reply::new(501, (5, 5, 4), "Say EHLO and one host name");
    let literal = arguments
        .strip_prefix('[')
        .map(|rest| rest.strip_suffix(']').ok_or_else(bad))
        .transpose()?;
    let extra = if literal.is_some() { ".-_:%" } else { ".-_" };
    let name = literal.unwrap_or(arguments);
    let well_formed = (1..=MAX_DOMAIN - 2).contains(&name.len())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || extra.contains(character));
    well_formed
        .then(|| HelloName(arguments.to_owned()))
        .ok_or_else(bad)
}

/// Takes whatever is said where nobody looks at the name: before TLS, and from a person's mail program, which says what
/// its computer happens to be called. One that isn't a host name stands as `unknown`.
pub(in crate::smtp::server) fn any_name(arguments: &str) -> Result<HelloName, Reply> {
    match hello_name(arguments) {
        Err(_) if !arguments.trim().is_empty() => Ok(HelloName("unknown".to_owned())),
        read => read,
    }
}

impl Session {
    pub(in crate::smtp::server) fn ehlo(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        self.hello(arguments, true)?;
        let mut lines: Vec<Cow<'static, str>> = vec![
            self.host_name.to_string().into(),
            "PIPELINING".into(),
            format!("SIZE {}", self.limits.message_size).into(),
            "8BITMIME".into(),
            "SMTPUTF8".into(),
            "CHUNKING".into(),
            "ENHANCEDSTATUSCODES".into(),
            "REQUIRETLS".into(),
            format!(
                "LIMITS MAILMAX={} RCPTMAX={}",
                self.limits.mails, self.limits.recipients
            )
            .into(),
        ];
        if self.phase.is_submission() {
            lines.push("DSN".into());
        }
        if self.phase.may_log_in() {
            lines.push(format!("AUTH {}", self.mechanisms()).into());
        }
        Ok(Step::Reply(Reply::from_parts(250, None, lines)))
    }

    pub(in crate::smtp::server) fn helo(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        self.hello(arguments, false)?;
        Ok(Step::Reply(Reply::plain(250, self.host_name.to_string())))
    }

    /// A new name ends the mail in progress (RFC 5321 §4.1.4).
    fn hello(&mut self, arguments: &str, extended: bool) -> Result<(), Reply> {
        let name = match self.phase.is_submission() {
            true => any_name(arguments)?,
            false => hello_name(arguments)?,
        };
        self.transaction = None;
        self.phase.hello(name, extended);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_program_may_call_itself_what_it_likes() {
        for name in ["Ada's iPhone", "foo bar", "büro", "[]"] {
            assert_eq!(any_name(name).expect(name).as_str(), "unknown");
        }
        assert_eq!(any_name("WIN_PC-1").expect("a name").as_str(), "WIN_PC-1");
        for none in ["", " "] {
            assert_eq!(any_name(none).map_err(|reply| reply.code()), Err(501));
        }
    }

    #[test]
    fn a_name_is_one_host_name_or_literal() {
        for good in [
            "mx.example",
            "localhost",
            "WIN_PC-1",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "1",
        ] {
            assert_eq!(hello_name(good).expect(good).as_str(), good);
        }
        let long = "x".repeat(254);
        for bad in [
            "", " ", "foo bar", " foo", "a\tb", "[", "[]", "[1", "1]", "a(b)", "a;b", "é", "a\\b",
            &long,
        ] {
            assert_eq!(
                hello_name(bad).map_err(|reply| reply.code()),
                Err(501),
                "{bad:?}"
            );
        }
    }
}
