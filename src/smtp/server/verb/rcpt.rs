//! RCPT (RFC 5321 §4.1.1.3). A recipient is in the envelope only if the host said so.

use super::super::host::Refusal;
use super::super::session::{AskRecipient, Session, Step};
use super::{out_of_turn, path_and_parameters, unknown_parameter};
use crate::smtp::path::ForwardPath;
use crate::smtp::reply::Reply;

fn parse(arguments: &str, utf8: bool) -> Result<ForwardPath, Reply> {
    let syntax = || Reply::new(501, (5, 5, 4), "Say RCPT TO:<address>");
    let (path, parameters) = path_and_parameters(arguments, "TO:").ok_or_else(syntax)?;
    let path =
        ForwardPath::parse(path).map_err(|error| Reply::new(501, (5, 1, 3), error.to_string()))?;
    if !parameters.trim_matches(' ').is_empty() {
        return Err(unknown_parameter());
    }
    if !utf8 && path.mailbox().is_some_and(|mailbox| !mailbox.is_ascii()) {
        return Err(Reply::new(553, (5, 6, 7), "Such an address needs SMTPUTF8"));
    }
    Ok(path)
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
        let path = parse(arguments, envelope.utf8)?;
        if envelope.recipients.len() >= self.limits.recipients {
            return Err(Reply::new(452, (4, 5, 3), "Too many recipients"));
        }
        Ok(Step::AskRecipient(AskRecipient(path)))
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
            let code = parse(arguments, utf8).map_or_else(|reply| reply.code(), |_| 250);
            assert_eq!(code, expected, "{arguments:?}");
        }
    }
}
