//! The service as a whole: status, unlock, lock, reload, the sandbox's clock.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Count, ask};
use crate::control::{Needs, SecretText};
use crate::staff::Role;

/// `status`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {}
ask!(Status, "status", Needs::Nobody, answer StatusReport);

/// Whether the vault is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockState {
    /// No key is at hand.
    Locked,
    /// A passphrase is being tried.
    Unlocking,
    /// All doors are open.
    Unlocked,
    /// The daemon drains and ends.
    Stopping,
}

impl LockState {
    /// As written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Unlocking => "unlocking",
            Self::Unlocked => "unlocked",
            Self::Stopping => "stopping",
        }
    }
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorReport {
    /// Its name: `smtp`, `submission`, `submissions`, `https`.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// What it does now: `open`, `locked`.
    pub state: String,
    /// How many connections it has.
    pub connections: u64,
}

/// A certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReport {
    /// The names that it is for.
    pub names: Vec<String>,
    /// The kind of its key: `ecdsa`, `rsa`.
    pub key: String,
    /// Where it is from: `files`, `acme`, `self-made`.
    pub source: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it's renewed, where the service does that by itself.
    pub renews_at: Option<Timestamp>,
}

/// TLS handshakes that came to nothing, by door and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedReport {
    /// The door.
    pub door: String,
    /// Why, in words.
    pub reason: String,
    /// How often.
    pub times: u64,
    /// From how many networks, at least.
    pub networks: u64,
}

/// What the service does in the open vault; no numbers of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Mail that waits in the queue; for admins alone, as a mail more or less may tell of somebody.
    pub queued: Option<u64>,
    /// Mailings that are on their way.
    pub mailings_running: u64,
    /// Mailings that wait for approval.
    pub mailings_held: u64,
    /// Live staff accounts.
    pub staff: u64,
    /// What wrong passwords hold up now; for admins alone.
    #[serde(default)]
    pub held_up: Option<HeldUpReport>,
    /// Reports between servers; for admins alone, as one more or less may tell to whom mail went.
    #[serde(default)]
    pub reports: Option<ReportWork>,
}

/// Who has to wait because of wrong passwords.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldUpReport {
    /// Networks that may not try at present.
    pub networks: u64,
    /// Names that are guessed at, and answered later.
    pub names: u64,
}

/// Reports between servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportWork {
    /// Those of others that are kept.
    pub kept: u64,
    /// Ours that were sent since the start.
    pub sent: u64,
    /// Ours that nobody took for a day, since the start.
    pub given_up: u64,
    /// Connections to others that were not as they ask for, yesterday and today, by how they failed.
    pub tls_failures: BTreeMap<String, u64>,
}

/// What `status` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The daemon's version.
    pub version: String,
    /// Whether the vault is open.
    pub state: LockState,
    /// When the daemon was started.
    pub started_at: Timestamp,
    /// Where the root key comes from, and what that protects.
    pub key: String,
    /// Whether the store takes writes: `well`, or why not.
    pub store: String,
    /// The doors.
    pub doors: Vec<DoorReport>,
    /// The certificates in use.
    #[serde(default)]
    pub certificates: Vec<CertificateReport>,
    /// TLS handshakes that came to nothing.
    #[serde(default)]
    pub refused: Vec<RefusedReport>,
    /// Since when they are counted; none before the first unlock.
    #[serde(default)]
    pub refused_since: Option<Timestamp>,
    /// What it does; none while locked.
    pub work: Option<Work>,
    /// Withdrawals that came while locked and wait for the unlock: the number for who may read the files it's counted from.
    pub waiting_withdrawals: Count,
    /// What an admin should see to.
    pub warnings: Vec<String>,
    /// Who you are to the daemon: an account's name, or `nobody`.
    pub you: String,
}

/// `unlock`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unlock {
    /// The passphrase, where the root key comes from one.
    pub passphrase: Option<SecretText>,
}
ask!(Unlock, "unlock", Needs::Nobody, answer Unlocked);

/// The vault is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocked {
    /// Whether it was open already.
    pub already: bool,
    /// How many withdrawals that came while locked took effect.
    pub applied_withdrawals: u64,
    /// How many of them named nobody, by a link that is cut or not ours: nothing came of them.
    pub void_withdrawals: u64,
    /// How many of them could not be read; they're kept aside.
    pub unreadable_withdrawals: u64,
}

/// `lock`: drain, leave a mark, end; the restart comes up locked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lock {
    /// Why.
    pub reason: Option<String>,
}
ask!(Lock, "lock", Needs::Role(Role::Admin), answer Locking);

/// The daemon is about to end and come up locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locking {
    /// How long it may take at most, in seconds.
    pub within_seconds: u64,
}

/// `config reload`: the same as SIGHUP, with an answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reload {}
ask!(Reload, "reload", Needs::Nobody, answer Reloaded);

/// The configuration was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What was changed and needs a restart to take effect.
    pub needs_restart: Vec<String>,
    /// Templates of the party's own that are not used, and why.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Which file it was: the first 16 digits of its SHA-256, as in the audit log.
    #[serde(default)]
    pub digest: Option<String>,
    /// What it leaves behind that somebody should see to.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// `sandbox clock`: moves the sandbox's clock.
#[derive(Debug, Serialize, Deserialize)]
pub struct SandboxClock {
    /// By how many seconds; negative is back. None asks what time it is there.
    pub by_seconds: Option<i64>,
}
ask!(SandboxClock, "sandbox clock", Needs::Nobody, answer ClockReading);

/// The time in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// Now, there.
    pub now: Timestamp,
}
