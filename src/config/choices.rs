//! Values that are one of a few words.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::declare::Leaf;
use super::leaf::{quote, text_of};

/// Enums whose value is one of a few words.
macro_rules! choices {
    ($($(#[doc = $doc:literal])* $name:ident {
        $($(#[doc = $case_doc:literal])* $case:ident = $word:literal),* $(,)?
    } expected $expected:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $case_doc])* $case),*
        }

        impl $name {
            /// The word that stands in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word),* }
            }
        }

        impl Leaf for $name {
            const EXPECTED: &'static str = $expected;
            fn read(
                value: &Spanned<DeValue<'_>>,
                bad: &mut dyn FnMut(Range<usize>, String),
            ) -> Option<Self> {
                match text_of(value, bad)? {
                    $($word => Some(Self::$case),)*
                    _ => {
                        bad(value.span(), format!("expected {}", $expected));
                        None
                    }
                }
            }
            fn to_toml(&self) -> String {
                quote(self.as_str())
            }
        }
    )*};
}

choices! {
    /// Which bank holidays count in legal deadlines: those of the division the party has its seat in.
    Division {
        /// England and Wales.
        EnglandAndWales = "england-and-wales",
        /// Scotland.
        Scotland = "scotland",
        /// Northern Ireland.
        NorthernIreland = "northern-ireland",
    } expected "\"england-and-wales\", \"scotland\" or \"northern-ireland\"";

    /// Where the root key comes from.
    KeySource {
        /// A systemd credential.
        Credential = "credential",
        /// A file that only the service can read.
        File = "file",
        /// A passphrase typed at `hustings unlock`.
        Passphrase = "passphrase",
    } expected "\"credential\", \"file\" or \"passphrase\"";

    /// Who must approve a mailing before it leaves.
    Approval {
        /// The sender alone, who has seen the preview.
        SelfApproved = "self",
        /// Somebody else, once two people have the role `approver`.
        SecondPerson = "second-person",
    } expected "\"self\" or \"second-person\"";

    /// Of whom a code of a second factor is asked.
    SecondFactor {
        /// Of whoever has one.
        Enrolled = "enrolled",
        /// Of everybody.
        Required = "required",
    } expected "\"enrolled\" or \"required\"";

    /// What becomes of mail from somebody who isn't known to have written themselves.
    FirstContact {
        /// It waits until its author says that it was them, or staff take it out.
        Challenge = "challenge",
        /// It goes to the inbox.
        Deliver = "deliver",
    } expected "\"challenge\" or \"deliver\"";

    /// What other servers are asked to do with mail in the party's name that the party didn't send.
    DmarcPolicy {
        /// Nothing.
        None = "none",
        /// To put it among the junk.
        Quarantine = "quarantine",
        /// To refuse it.
        Reject = "reject",
    } expected "\"none\", \"quarantine\" or \"reject\"";

    /// Who checks the signatures in DNS.
    Dnssec {
        /// The service itself.
        Validate = "validate",
        /// The resolver, which has to be on this machine.
        TrustAd = "trust-ad",
    } expected "\"validate\" or \"trust-ad\"";

    /// Where the certificates come from.
    CertificateSource {
        /// Files that somebody else renews.
        Files = "files",
        /// An authority that is asked by ACME.
        Acme = "acme",
        /// Ourselves: good for whoever finds the key in DNS (DANE), or asks nobody.
        SelfMade = "self-made",
    } expected "\"files\", \"acme\" or \"self-made\"";

    /// How an ACME authority looks whether a name is ours.
    ChallengeKind {
        /// It asks on port 80.
        Http = "http-01",
        /// It asks on the https port.
        TlsAlpn = "tls-alpn-01",
    } expected "\"http-01\" or \"tls-alpn-01\"";

    /// What other servers shall do about our MTA-STS policy.
    StsMode {
        /// There is none.
        Off = "off",
        /// Report what doesn't keep to it.
        Testing = "testing",
        /// Keep to it.
        Enforce = "enforce",
    } expected "\"off\", \"testing\" or \"enforce\"";

    /// What the servers of a domain have to show.
    RequireTls {
        /// Encryption alone, whatever the domain asks for.
        Encrypted = "encrypted",
        /// A certificate that is good for their name.
        Verified = "verified",
        /// A certificate that is the one in DNS (DANE).
        Dane = "dane",
    } expected "\"encrypted\", \"verified\" or \"dane\"";

    /// How much is logged.
    LogLevel {
        /// What failed.
        Error = "error",
        /// And what looks wrong.
        Warn = "warn",
        /// And what happens.
        Info = "info",
        /// And how.
        Debug = "debug",
    } expected "\"error\", \"warn\", \"info\" or \"debug\"";

    /// How a log line looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    } expected "\"text\" or \"json\"";

    /// Where the log goes.
    LogTarget {
        /// The system's journal, with levels it understands.
        Journald = "journald",
        /// Standard error.
        Stderr = "stderr",
    } expected "\"journald\" or \"stderr\"";
}
