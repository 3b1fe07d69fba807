//! What a party publishes in DNS, and whether it is there: the records wanted, the records seen, and what follows.
//!
//! | file | |
//! |---|---|
//! | `wanted` | the whole set for each domain, from what is configured and which keys sign |
//! | `seen` | what is looked up, behind a port |
//! | `judge` | wanted × seen → findings; pure |
//! | `sts` | the party's own MTA-STS policy; pure |
//! | `text` | the records that are texts: SPF, DKIM, DMARC and their kin; pure |
//!
//! It knows no resolver, store or clock, and what is done about a finding others decide.

mod judge;
mod seen;
mod sts;
mod text;
mod wanted;

use crate::address::Domain;
use crate::dns::{Data, Kind};

pub use judge::{judge, published, red};
pub use seen::{Answer, Asked, Looks, Proof, Reach, Reverse, Seen, Silent, look};
pub use sts::OwnPolicy;
pub use wanted::{Facts, ServiceFact, wanted};

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Topic {
    Address,
    Reverse,
    Mx,
    Spf,
    Dkim,
    Dmarc,
    MtaSts,
    TlsReports,
    Tlsa,
    Services,
    Autoconfig,
    Caa,
    Port25,
    Blocklist,
    Dnssec,
}

impl Topic {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Reverse => "reverse name",
            Self::Mx => "MX",
            Self::Spf => "SPF",
            Self::Dkim => "DKIM",
            Self::Dmarc => "DMARC",
            Self::MtaSts => "MTA-STS",
            Self::TlsReports => "TLS reports",
            Self::Tlsa => "TLSA",
            Self::Services => "services",
            Self::Autoconfig => "autoconfig",
            Self::Caa => "CAA",
            Self::Port25 => "port 25 out",
            Self::Blocklist => "blocklist",
            Self::Dnssec => "DNSSEC",
        }
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Large receivers refuse a mailing without it.
    Mailings,
    /// Mail goes wrong without it.
    Mail,
    /// It's better with it.
    Advised,
}

impl Need {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mailings => "mailings",
            Self::Mail => "mail",
            Self::Advised => "advised",
        }
    }
}

/// What is to be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Publish it, and leave it there.
    Publish,
    /// Have the hosting provider set it.
    AskProvider,
    /// Leave it there until its day; it is needed for mail that is on its way.
    Keep,
    /// Take it away.
    Remove,
}

impl Act {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::AskProvider => "ask the host",
            Self::Keep => "keep",
            Self::Remove => "remove",
        }
    }
}

/// A record that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it is for.
    pub topic: Topic,
    /// For which domain; none is this host.
    pub domain: Option<Domain>,
    /// Its name.
    pub name: String,
    /// What it says.
    pub data: Data,
    /// How much it matters.
    pub need: Need,
    /// What is to be done.
    pub act: Act,
    /// What one should know.
    pub note: Option<String>,
}

impl Wanted {
    /// Its line in a zone file.
    pub fn line(&self) -> String {
        format!(
            "{}. IN {} {}",
            self.name,
            self.data.kind(),
            self.data.in_zone()
        )
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Right,
    /// It isn't there.
    Missing,
    /// It is there and says something else.
    Different,
    /// Worth knowing, and no mistake.
    Note,
    /// This host can't know it.
    NotChecked,
}

impl State {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Missing => "missing",
            Self::Different => "different",
            Self::Note => "note",
            Self::NotChecked => "not checked",
        }
    }

    /// Whether something is to be mended.
    pub const fn is_wrong(self) -> bool {
        matches!(self, Self::Missing | Self::Different)
    }
}

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// For which domain; none is this host.
    pub domain: Option<Domain>,
    /// The name that was looked up.
    pub name: String,
    /// The kind of record, if it is about one.
    pub kind: Option<Kind>,
    /// How it is.
    pub state: State,
    /// How much it matters.
    pub need: Need,
    /// In words.
    pub said: String,
    /// The line to publish, if something is to be mended.
    pub fix: Option<String>,
}

#[cfg(test)]
mod tests;
