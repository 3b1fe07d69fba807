//! RCPT (RFC 5321 §4.1.1.3), on submission with NOTIFY and ORCPT (RFC 3461). A recipient is in the envelope only if the host
//! said so.

use super::super::envelope::Recipient;
use super::super::host::Refusal;
use super::super::session::{AskRecipient, Session, Step};
use super::{bad_parameter, out_of_turn, parameter, path_and_parameters, unknown_parameter};
use crate::smtp::path::ForwardPath;
use crate::smtp::reply::Reply;
use crate::smtp::xtext;
use crate::store::{DsnWish, NotifyOn};

/// The longest ORCPT as it is written (RFC 3461 §4.2).
const LONGEST_ORCPT: usize = 500;

/// What is offered to the caller.
#[derive(Clone, Copy)]
struct Offered {
    utf8: bool,
    /// Delivery reports.
    dsn: bool,
}

/// `wish` is what was said at MAIL.
fn parse(arguments: &str, offered: Offered, wish: &DsnWish) -> Result<Recipient, Reply> {
    let syntax = || Reply::new(501, (5, 5, 4), "Say RCPT TO:<address>");
    let (path, parameters) = path_and_parameters(arguments, "TO:").ok_or_else(syntax)?;
    let path =
        ForwardPath::parse(path).map_err(|error| Reply::new(501, (5, 1, 3), error.to_string()))?;
    let mut dsn = wish.clone();
    let mut seen = Vec::new();
    for text in parameters.split(' ').filter(|text| !text.is_empty()) {
        let (key, value) = parameter(text);
        match (key.as_str(), value) {
            _ if !offered.dsn => return Err(unknown_parameter()),
            ("NOTIFY", Some(value)) => dsn.notify = Some(notify(value)?),
            ("ORCPT", Some(value)) => dsn.original_recipient = Some(original(value)?),
            ("NOTIFY" | "ORCPT", None) => return Err(bad_parameter()),
            _ => return Err(unknown_parameter()),
        }
        if seen.contains(&key) {
            return Err(bad_parameter());
        }
        seen.push(key);
    }
    if !offered.utf8 && path.mailbox().is_some_and(|mailbox| !mailbox.is_ascii()) {
        return Err(Reply::new(553, (5, 6, 7), "Such an address needs SMTPUTF8"));
    }
    Ok(Recipient { path, dsn })
}

/// `NEVER`, or one or more of the others.
fn notify(value: &str) -> Result<NotifyOn, Reply> {
    let mut notify = NotifyOn::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(notify);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return Err(bad_parameter()),
        }
    }
    Ok(notify)
}

/// `type;xtext`, decoded.
fn original(value: &str) -> Result<String, Reply> {
    let fits = value.len() <= LONGEST_ORCPT;
    let (kind, address) = value.split_once(';').ok_or_else(bad_parameter)?;
    let atom = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    let address = xtext::decode(address).filter(|address| !address.is_empty());
    match address {
        Some(address) if fits && !kind.is_empty() && kind.bytes().all(atom) => {
            Ok(format!("{kind};{address}"))
        }
        _ => Err(bad_parameter()),
    }
}

impl Session {
    pub(in crate::smtp::server) fn rcpt(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        let Some(transaction) = &self.transaction else {
            return Err(out_of_turn("MAIL first"));
        };
        if transaction.intake.is_some() {
            return Err(out_of_turn("The message has begun already"));
        }
        let envelope = transaction.envelope();
        let offered = Offered {
            utf8: envelope.utf8,
            dsn: envelope.caller.staff.is_some() && envelope.caller.extended,
        };
        let recipient = parse(arguments, offered, &envelope.dsn)?;
        if envelope.recipients.len() >= self.limits.recipients {
            return Err(Reply::new(452, (4, 5, 3), "Too many recipients"));
        }
        Ok(Step::AskRecipient(AskRecipient(recipient)))
    }

    /// The host's answer to [`Step::AskRecipient`].
    pub fn answer_recipient(
        &mut self,
        asked: AskRecipient,
        answer: Result<(), Refusal>,
    ) -> Step<'static> {
        match (answer, &mut self.transaction) {
            (Ok(()), Some(transaction)) => {
                transaction.add(asked.0);
                Step::Reply(Reply::new(250, (2, 1, 5), "Recipient accepted"))
            }
            (Ok(()), None) => self.say(out_of_turn("MAIL first")),
            (Err(refusal), _) => self.say(refusal.into_reply()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(arguments: &str, offered: Offered) -> u16 {
        parse(arguments, offered, &DsnWish::default()).map_or_else(|reply| reply.code(), |_| 250)
    }

    #[test]
    fn arguments_are_read_strictly() {
        for (arguments, utf8, expected) in [
            ("TO:<a@b.example>", false, 250),
            ("to:<Postmaster>", false, 250),
            ("TO:<@c.example:a@b.example>", false, 250),
            ("TO:<a@[192.0.2.1]>", false, 250),
            ("TO:<siân@b.example>", true, 250),
            ("TO:<siân@b.example>", false, 553),
            ("TO:<>", false, 501),
            ("TO: <a@b.example>", false, 501),
            ("TO:<a\rb@c.example>", false, 501),
            ("TO:<a@b.example>>", false, 501),
            ("TO:<a@b.example><c@d.example>", false, 501),
            ("FROM:<a@b.example>", false, 501),
            ("TO:<a@b.example> NOTIFY=NEVER", false, 555),
            ("TO:<a@b.example> X", false, 555),
        ] {
            let offered = Offered { utf8, dsn: false };
            assert_eq!(code(arguments, offered), expected, "{arguments:?}");
        }
    }

    #[test]
    fn reports_are_asked_for_where_they_are_offered() {
        let offered = Offered {
            utf8: false,
            dsn: true,
        };
        for (parameters, expected) in [
            ("NOTIFY=NEVER", 250),
            (
                "notify=success,Failure,DELAY ORCPT=rfc822;a+2Bb@c.example",
                250,
            ),
            ("ORCPT=utf-8;b+5Cx{E9}@c.example", 250),
            ("NOTIFY=NEVER,SUCCESS", 501),
            ("NOTIFY=", 501),
            ("NOTIFY=SUCCESS,", 501),
            ("NOTIFY", 501),
            ("NOTIFY=NEVER NOTIFY=NEVER", 501),
            ("ORCPT=a@b.example", 501),
            ("ORCPT=rfc822;", 501),
            ("ORCPT=;a@b.example", 501),
            ("ORCPT=rfc822;a+0D+0Ab", 501),
            ("SIZE=1", 555),
        ] {
            let arguments = format!("TO:<a@b.example> {parameters}");
            assert_eq!(code(&arguments, offered), expected, "{parameters:?}");
        }
        let long = format!("TO:<a@b.example> ORCPT=rfc822;{}", "a".repeat(500));
        assert_eq!(code(&long, offered), 501);
    }

    #[test]
    fn what_was_said_at_mail_holds_for_each_recipient() {
        let offered = Offered {
            utf8: false,
            dsn: true,
        };
        let wish = DsnWish {
            whole: Some(true),
            envelope_id: Some("QQ".into()),
            ..DsnWish::default()
        };
        let arguments = "TO:<a@b.example> NOTIFY=SUCCESS ORCPT=rfc822;b+2Bc@d.example";
        let recipient = parse(arguments, offered, &wish).expect("it is well formed");
        assert!(recipient.dsn.success() && !recipient.dsn.failure() && !recipient.dsn.delay());
        assert_eq!(
            recipient.dsn.original_recipient.as_deref(),
            Some("rfc822;b+c@d.example")
        );
        assert_eq!(recipient.dsn.envelope_id.as_deref(), Some("QQ"));
        assert_eq!(recipient.dsn.whole, Some(true));
        let never = parse("TO:<a@b.example> NOTIFY=never", offered, &wish);
        let never = never.expect("it is well formed").dsn;
        assert!(!never.success() && !never.failure() && !never.delay());
    }
}
