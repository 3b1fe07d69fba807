//! Pages that say one thing, and the privacy notice.

use serde::Serialize;

use super::super::party::Text;
use super::Page;

/// A page that says one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// After a sign-up, for everybody alike: look into your inbox.
    Inbox,
    /// After "never write to me again".
    NeverDone,
    /// After the button of a stranger who wrote.
    MetDone,
    /// The same, where what they wrote is there no more.
    MetTooLate,
    /// After a withdrawal that came while the vault was locked.
    Kept,
    /// After the approval of a mailing.
    Approved,
    /// After its refusal.
    Refused,
    /// A mailing that large receivers would refuse now.
    NotReady,
    /// A link that is unknown, used or expired: one page for all three.
    LinkUnknown,
    /// A way out that isn't one of ours: those never expire.
    WayOutUnknown,
    /// 404.
    NotFound,
    /// 503 while the vault is locked or the store is closed.
    Locked,
    /// 503 for a withdrawal that could not be kept: it must be asked for again.
    NotStopped,
    /// 429.
    TooMany,
    /// 400, 415, 414.
    BadRequest,
    /// 413.
    TooLarge,
    /// 408.
    TooSlow,
    /// 405.
    Method,
    /// 500.
    ServerError,
}

impl NoticeKind {
    /// Every kind, for tests and rehearsals.
    pub const ALL: [Self; 19] = [
        Self::Inbox,
        Self::NeverDone,
        Self::MetDone,
        Self::MetTooLate,
        Self::Kept,
        Self::Approved,
        Self::Refused,
        Self::NotReady,
        Self::LinkUnknown,
        Self::WayOutUnknown,
        Self::NotFound,
        Self::Locked,
        Self::NotStopped,
        Self::TooMany,
        Self::BadRequest,
        Self::TooLarge,
        Self::TooSlow,
        Self::Method,
        Self::ServerError,
    ];

    /// The page for this kind.
    pub fn page(self) -> Notice {
        let front = !matches!(
            self,
            Self::Inbox
                | Self::NeverDone
                | Self::MetDone
                | Self::MetTooLate
                | Self::Kept
                | Self::Approved
                | Self::Refused
                | Self::NotReady
                | Self::Locked
                | Self::NotStopped
                | Self::TooMany
        );
        Notice { kind: self, front }
    }
}

/// The page of a [`NoticeKind`].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Notice {
    /// What it says.
    pub kind: NoticeKind,
    /// Whether it links to the first page.
    pub front: bool,
}

impl Page for Notice {
    const NAME: &'static str = "notice";
}

/// The privacy notice (law A12), rendered from the config.
#[derive(Clone, Debug, Serialize)]
pub struct Privacy {
    /// The date of this version, as people write it. `None` in the text that consents refer to: a new date alone is no
    /// new notice.
    pub date: Option<Text>,
    /// Number in the register of fee payers.
    pub ico_number: Option<String>,
    /// Name and contact of the data protection officer.
    pub dpo: Option<String>,
    /// Whether the party decided that it needs none. If neither is so, nothing is said of one.
    pub no_dpo: bool,
    /// The age that the form asks people to state.
    pub minimum_age: u8,
    /// The lists: one purpose each.
    pub lists: Vec<ListPurpose>,
    /// Who else handles the data, and for what; empty while the party hasn't said.
    pub recipients: Vec<Text>,
    /// Where the data is held, once the party has said.
    pub location: Option<Text>,
    /// Transfers out of the United Kingdom and their safeguard.
    pub transfers: Option<Text>,
    /// Whether the party states that there are none. If neither is so, nothing is claimed.
    pub no_transfers: bool,
    /// How long what is kept.
    pub retention: Retention,
    /// Path of the complaint form, where there is one.
    pub complaint_form: Option<String>,
    /// As in [`SignUp::ogl`].
    pub ogl: bool,
}

impl Page for Privacy {
    const NAME: &'static str = "privacy";
}

/// A list and what it is for.
#[derive(Clone, Debug, Serialize)]
pub struct ListPurpose {
    /// The list's title.
    pub title: Text,
    /// Its purpose, a noun phrase such as "news of our campaigns".
    pub purpose: Text,
}

/// How long what is kept (law 3.2). The defaults are the law table's.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Retention {
    /// A request that nobody confirmed.
    pub pending_days: u32,
    /// Months between "do you still want this?" mails.
    pub reconfirm_months: u32,
    /// Backups.
    pub backup_days: u32,
    /// Evidence without address, after withdrawal.
    pub evidence_years: u32,
    /// Technical logs.
    pub log_days: u32,
    /// Correspondence after its last message.
    pub mail_months: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            pending_days: 7,
            reconfirm_months: 24,
            backup_days: 35,
            evidence_years: 6,
            log_days: 30,
            mail_months: 24,
        }
    }
}
