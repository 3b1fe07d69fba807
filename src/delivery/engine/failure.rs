//! Why an attempt failed, in the terms of [`crate::delivery::classify`], with words for staff that hold no address.

use jiff::SignedDuration;
use rustls_pki_types::ServerName;

use crate::address::EmailAddress;
use crate::delivery::classify::{Cause, Fault, Refusal, Verdict, classify, classify_lookup};
use crate::delivery::pace::Provider;
use crate::delivery::parcel::Fate;
use crate::delivery::policy::Doubt;
use crate::delivery::route::RouteError;
use crate::smtp::client::{ClientError, Phase, TlsFailure, Unfit};
use crate::smtp::reply::Reply;
use crate::tls::CertificateFault;

/// The most of the far end's words that are kept, in characters.
const LONGEST: usize = 300;
/// How long a destination is left alone that closes on us, if it says nothing better.
const CLOSED_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Whom a failure is about, beside the one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The mail's destination.
    Domain,
    /// Whoever runs the server that said it.
    Provider,
}

/// A failed attempt.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    pub(super) said: String,
    extent: Extent,
    /// Whose server said it, if that is known.
    by: Option<Provider>,
}

impl Failure {
    pub(super) fn new(cause: Cause, permanent: bool, said: impl Into<String>) -> Self {
        Self {
            verdict: Verdict {
                cause,
                permanent,
                pause: None,
            },
            said: said.into(),
            extent: Extent::Domain,
            by: None,
        }
    }

    /// It was said by this server.
    pub(super) fn by(mut self, server: &ServerName<'_>) -> Self {
        self.by = Provider::of([&*server.to_str()]);
        self
    }

    /// Whether it's how much we send, or that it's us, that isn't wanted.
    pub(super) fn is_about_our_mail(&self) -> bool {
        matches!(
            self.verdict.cause,
            Cause::OurFault(Fault::Rate | Fault::Blocked)
        )
    }

    /// Whether it speaks for this provider: it is one of its servers that said it. A domain's own word goes no further
    /// than the domain, whoever else its MX records name.
    pub(super) fn speaks_for(&self, provider: &Provider) -> bool {
        self.extent == Extent::Provider && self.by.as_ref() == Some(provider)
    }

    pub(super) fn fate(self) -> Fate {
        Fate::Failed {
            verdict: self.verdict,
            said: self.said,
        }
    }

    /// The same for somebody else who waits for the destination: never for good.
    pub(super) fn for_others(mut self) -> Self {
        self.verdict.permanent = false;
        self
    }

    /// How long the destination is to be left alone.
    pub(super) fn pause(&self) -> Option<std::time::Duration> {
        self.verdict.pause.and_then(|pause| pause.try_into().ok())
    }

    /// What a server's refusal of a recipient or a message means.
    pub(super) fn of_reply(reply: &Reply, recipient: Option<&EmailAddress>) -> Self {
        let text = text(reply);
        let enhanced = reply
            .enhanced()
            .map(|code| (code.class(), code.subject(), code.detail()));
        let mut verdict = classify(&Refusal {
            code: Some(reply.code()),
            enhanced,
            text: &text,
        });
        if reply.code() == 421 {
            verdict.pause = verdict.pause.or(Some(CLOSED_PAUSE));
        }
        // "Not now, you send too much" is the provider's word, and so is what it thinks of our signatures. Another refusal for
        // good may be one customer's rule.
        let is_distrusted = verdict.cause == Cause::OurFault(Fault::Authentication);
        let extent = match verdict.permanent {
            true if is_distrusted && verdict.pause.is_some() => Extent::Provider,
            true => Extent::Domain,
            false => Extent::Provider,
        };
        Self {
            verdict,
            said: said(reply, &text, recipient),
            extent,
            by: None,
        }
    }

    /// What the end of a conversation means, if it ended before the final dot.
    pub(super) fn of_error(error: &ClientError, recipient: Option<&EmailAddress>) -> Self {
        let ours = |cause, code: &str| Self::new(cause, false, format!("{code} {error}"));
        match error {
            ClientError::Body(_) => Self::new(
                Cause::OurFault(Fault::Content),
                true,
                format!("5.6.0 {error}"),
            ),
            ClientError::Tls(TlsFailure::Certificate(fault)) => {
                let doubt = match fault {
                    CertificateFault::Tlsa => Doubt::Tlsa,
                    _ => Doubt::Certificate,
                };
                ours(Cause::Unproven(doubt), "4.7.5")
            }
            // Encryption that was refused is no encryption, whatever the code says.
            ClientError::Tls(_) => ours(Cause::NoTls, "4.7.10"),
            ClientError::Refused(phase, reply) => {
                let mut failure = Self::of_reply(reply, recipient);
                // A host that doesn't want us at all says nothing about the recipient: it may want us tomorrow.
                if matches!(phase, Phase::Greeting | Phase::Hello | Phase::Reset)
                    || reply.code() == 421
                {
                    failure.verdict.permanent = false;
                    if matches!(
                        failure.verdict.cause,
                        Cause::AddressDead | Cause::AddressBusy
                    ) {
                        failure.verdict.cause = Cause::Unknown;
                    }
                }
                failure
            }
            ClientError::Connect(_) | ClientError::TimedOut(Phase::Connect) => {
                ours(Cause::Unknown, "4.4.1")
            }
            ClientError::Protocol(..) => ours(Cause::Unknown, "4.5.0"),
            _ => ours(Cause::Unknown, "4.4.2"),
        }
    }

    /// What it means that a domain's mail can't be brought anywhere.
    pub(super) fn of_route(error: &RouteError) -> Self {
        let verdict = match error {
            RouteError::Lookup(lookup) => classify_lookup(lookup),
            RouteError::Ourselves | RouteError::Unreachable => {
                Self::new(Cause::Unknown, true, "").verdict
            }
        };
        let (class, subject, detail) = error.enhanced();
        Self {
            verdict,
            said: format!("{class}.{subject}.{detail} {error}"),
            extent: Extent::Domain,
            by: None,
        }
    }

    /// What it means that a server is passed over. For good only if nothing is to be hoped for: certificates, policies and
    /// zones are mended.
    pub(super) fn of_doubt(doubt: Doubt, permanent: bool) -> Self {
        let code = match doubt {
            Doubt::Certificate | Doubt::NotInPolicy | Doubt::Tlsa => "4.7.5",
            Doubt::Dnssec => "4.4.3",
            Doubt::RequireTls if permanent => "5.7.30",
            Doubt::RequireTls => "4.7.30",
        };
        Self::new(Cause::Unproven(doubt), permanent, format!("{code} {doubt}"))
    }

    /// What it means that a server can't take this message.
    pub(super) fn of_unfit(unfit: Unfit) -> Self {
        if unfit == Unfit::RequireTls {
            return Self::of_doubt(Doubt::RequireTls, true);
        }
        let said = format!("{} {unfit}", unfit.enhanced());
        Self::new(Cause::OurFault(Fault::Content), unfit.is_permanent(), said)
    }
}

fn text(reply: &Reply) -> String {
    let lines: Vec<_> = reply.lines().collect();
    lines.join(" ")
}

/// Code, enhanced code and text, with words left out that are an address or the recipient's own name.
fn said(reply: &Reply, text: &str, recipient: Option<&EmailAddress>) -> String {
    let mut out = reply.code().to_string();
    if let Some(enhanced) = reply.enhanced() {
        out.push_str(&format!(" {enhanced}"));
    }
    let local = recipient.map(|recipient| recipient.local().to_lowercase());
    let clean = text.replace(char::is_control, " ");
    for word in clean.split_whitespace() {
        let bare = word
            .trim_matches(|c: char| !c.is_alphanumeric())
            .to_lowercase();
        let names = word.contains('@') || local.as_deref().is_some_and(|local| bare == local);
        out.push(' ');
        out.push_str(if names { "(address)" } else { word });
        if out.len() > 4 * LONGEST {
            break;
        }
    }
    out.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::ErrorKind;

    use super::*;
    use crate::dns::LookupError;

    fn ann() -> EmailAddress {
        EmailAddress::parse("ann.o@voter.example").unwrap()
    }

    #[test]
    fn what_is_said_holds_no_address() {
        let reply = Reply::new(
            550,
            (5, 1, 1),
            "<Ann.O@voter.example>: no mailbox Ann.O here\u{7}\r\nmailto:ann.o@voter.example",
        );
        let failure = Failure::of_reply(&reply, Some(&ann()));
        assert_eq!(
            failure.said,
            "550 5.1.1 (address) no mailbox (address) here (address)"
        );
        assert_eq!(failure.verdict.cause, Cause::AddressDead);
        assert!(failure.verdict.permanent && !failure.for_others().verdict.permanent);
        let long = Failure::of_reply(&Reply::plain(450, "é ".repeat(5_000)), None);
        assert_eq!(long.said.chars().count(), LONGEST);
    }

    #[test]
    fn a_host_that_does_not_want_us_is_no_dead_address() {
        for phase in [Phase::Greeting, Phase::Hello] {
            let error =
                ClientError::Refused(phase, Reply::new(550, (5, 1, 1), "no such user here"));
            let failure = Failure::of_error(&error, None);
            assert_eq!(failure.verdict.cause, Cause::Unknown);
            assert!(!failure.verdict.permanent);
        }
        let error = ClientError::Refused(Phase::Mail, Reply::new(421, (4, 3, 2), "closing"));
        assert_eq!(
            Failure::of_error(&error, None).pause(),
            Some(std::time::Duration::from_secs(60))
        );
    }

    #[test]
    fn a_server_speaks_for_its_own_provider_alone() {
        let server = |name| ServerName::try_from(name).unwrap();
        let google = Provider::of(["aspmx.l.google.com"]).unwrap();
        let slow = Failure::of_reply(&Reply::new(451, (4, 7, 606), "access denied"), None);
        assert!(!slow.speaks_for(&google), "nobody knows whose word it is");
        let by = |name| slow.clone().by(&server(name));
        assert!(by("alt1.aspmx.l.google.com").speaks_for(&google));
        assert!(!by("mx.evil.example").speaks_for(&google));
        let no = Failure::of_reply(&Reply::new(550, (5, 7, 1), "our rule"), None);
        let no = no.by(&server("alt1.aspmx.l.google.com"));
        assert!(!no.speaks_for(&google), "one customer's rule");
    }

    #[test]
    fn every_cause_has_its_code() {
        let table = [
            (
                Failure::of_error(&TlsFailure::NotOffered.into(), None),
                Cause::NoTls,
                false,
                "4.7.10 ",
            ),
            (
                Failure::of_error(&ClientError::Connect(ErrorKind::ConnectionRefused), None),
                Cause::Unknown,
                false,
                "4.4.1 ",
            ),
            (
                Failure::of_error(&ClientError::Closed(Phase::Mail), None),
                Cause::Unknown,
                false,
                "4.4.2 ",
            ),
            (
                Failure::of_route(&LookupError::NoSuchDomain.into()),
                Cause::AddressDead,
                true,
                "5.1.2 ",
            ),
            (
                Failure::of_route(&RouteError::Ourselves),
                Cause::Unknown,
                true,
                "5.4.6 ",
            ),
            (
                Failure::of_unfit(Unfit::Utf8),
                Cause::OurFault(Fault::Content),
                true,
                "5.6.7 ",
            ),
        ];
        for (failure, cause, permanent, code) in table {
            assert_eq!(failure.verdict.cause, cause);
            assert_eq!(failure.verdict.permanent, permanent, "{}", failure.said);
            assert!(failure.said.starts_with(code), "{}", failure.said);
        }
    }
}
