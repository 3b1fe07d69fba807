//! The rooms, built over an open store: all that the doors ask while the vault is unlocked.

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::address::EmailAddress;
use crate::certificate::OwnCertificates;
use crate::clock::Clock;
use crate::config::{ByteSize, Config, SecondFactor};
use crate::consent::Consent;
use crate::delivery::engine::{Bell, EngineView, Network};
use crate::delivery::pace::PaceBook;
use crate::delivery::queue::MailQueue;
use crate::delivery::schedule::Schedule;
use crate::delivery::signing::Signing;
use crate::delivery::sts::StsPolicies;
use crate::id::MailboxId;
use crate::list::Mailings;
use crate::mailbox::directory::{Destination, Directory};
use crate::mailbox::{Allowance, Keeping, Mailboxes};
use crate::net::Loads;
use crate::report::sender::Road;
use crate::report::{Reporter, Reports};
use crate::smtp::path::{ForwardPath, Mailbox};
use crate::staff::{CodeRule, StaffRoom, TryRules};
use crate::store::Store;

use super::adapters::OwnAddresses;
use super::mail_in::{Checks, Unknown};
use super::names::Names;
use super::settings::{self, Settings, Trust};

/// The rooms. All doors share one of these.
pub struct Rooms {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Staff accounts.
    pub staff: StaffRoom,
    /// Folders.
    pub mailboxes: Mailboxes,
    /// Consent.
    pub consent: Consent,
    /// Mailings.
    pub mailings: Mailings,
    /// Mail to others.
    pub queue: MailQueue,
    /// Signatures.
    pub signing: Arc<Signing>,
    /// What the party publishes in DNS.
    pub names: Arc<Names>,
    /// Our own certificates; none if they come from files.
    pub certificates: Option<Arc<OwnCertificates>>,
    /// Rung when something was queued.
    pub bell: Bell,
    /// What other servers have to prove, and what came of it.
    pub trust: Trust,
    /// What other servers tell us.
    pub reports: Reports,
    /// What we tell other domains; none without somebody who counts.
    pub reporter: Option<Reporter>,
    policies: ArcSwapOption<StsPolicies>,
    /// How fast providers get copies.
    pub pace: PaceBook,
    /// The engine at work, once it is.
    pub engine: OnceLock<EngineView>,
    checks: ArcSwap<Checks>,
    /// Mail that is coming in, and not yet whole.
    under_way: Arc<Loads>,
    /// What of strangers' mail is in memory meanwhile.
    in_memory: Arc<Loads>,
    /// How much a mailbox may hold, for who is logged in while that changes.
    allowance: Allowance,
    directory: Arc<ArcSwap<Directory>>,
    config: ArcSwap<Config>,
}

/// The rooms that are opened one by one.
pub struct Parts {
    /// Staff accounts.
    pub staff: StaffRoom,
    /// Consent.
    pub consent: Consent,
    /// Mailings.
    pub mailings: Mailings,
    /// Mail to others.
    pub queue: MailQueue,
    /// Signatures.
    pub signing: Arc<Signing>,
    /// What the party publishes in DNS.
    pub names: Arc<Names>,
    /// Our own certificates; none if they come from files.
    pub certificates: Option<Arc<OwnCertificates>>,
    /// Rung when something was queued.
    pub bell: Bell,
    /// How fast providers get copies.
    pub pace: PaceBook,
    /// What mail from strangers goes through.
    pub checks: Checks,
}

/// What one stranger's mail may hold in memory whatever its network's part is: a report, and what is looked at of a mail.
const LARGEST_HELD: u64 = 4 << 20;

impl Rooms {
    /// Puts the rooms together.
    pub fn new(store: Store, clock: Clock, settings: &Settings, parts: Parts) -> Self {
        parts.staff.tries().set(try_rules(&settings.config));
        parts.staff.ask_codes(code_rule(&settings.config));
        let trust = Trust::new(&store, &clock);
        let reporter = trust.tally().map(|tally| {
            let (store, clock) = (store.clone(), clock.clone());
            let bell = parts.bell.clone();
            Reporter::new(store, clock, tally.clone(), bell, settings.reporter())
        });
        Self {
            reports: Reports::new(store.clone(), clock.clone(), settings.ours()),
            reporter,
            checks: ArcSwap::from_pointee(parts.checks),
            under_way: {
                let (most, largest) = under_way(&settings.config);
                Loads::new(most, largest)
            },
            in_memory: Loads::new(settings.config.limits.buffers.bytes(), LARGEST_HELD),
            allowance: Allowance::new(settings.config.staff.mailbox_size.bytes()),
            directory: Arc::new(ArcSwap::from_pointee(directory(&store, settings))),
            config: ArcSwap::new(settings.config.clone()),
            mailboxes: Mailboxes::new(store.clone(), clock.clone()),
            staff: parts.staff,
            consent: parts.consent,
            mailings: parts.mailings,
            queue: parts.queue,
            signing: parts.signing,
            names: parts.names,
            certificates: parts.certificates,
            bell: parts.bell,
            pace: parts.pace,
            engine: OnceLock::new(),
            trust,
            policies: ArcSwapOption::empty(),
            store,
            clock,
        }
    }

    /// Takes the addresses, limits and checks of a new configuration.
    pub fn reload(&self, settings: &Settings, checks: Checks) {
        self.checks.store(Arc::new(checks));
        self.pace.set(settings.pace());
        let (most, largest) = under_way(&settings.config);
        self.under_way.set(most, largest);
        self.allowance
            .set(settings.config.staff.mailbox_size.bytes());
        let reserve = settings.config.limits.disk_reserve;
        self.store.keep_free(reserve.map(ByteSize::bytes));
        self.names.reload(settings.config.clone());
        self.reports.reload(settings.ours());
        if let Some(reporter) = &self.reporter {
            reporter.reload(settings.reporter());
        }
        self.staff.reload(settings.premises());
        self.staff.tries().set(try_rules(&settings.config));
        self.staff.ask_codes(code_rule(&settings.config));
        self.directory
            .store(Arc::new(directory(&self.store, settings)));
        self.config.store(settings.config.clone());
    }

    /// Other domains' MTA-STS policies, with the way to more; none before the engine has started.
    pub fn policies(&self) -> Option<Arc<StsPolicies>> {
        self.policies.load_full()
    }

    /// Takes the way to others of a new configuration: to their policies, and to where they want reports.
    pub(super) fn go_by(&self, network: &Network) {
        let policies = network.planner.sts.clone();
        self.policies.store(policies.map(Arc::new));
        if let Some(reporter) = &self.reporter {
            reporter.go_by(Road::of(network));
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// What mail from strangers goes through.
    pub(super) fn checks(&self) -> Arc<Checks> {
        self.checks.load_full()
    }

    /// How much mail is coming in, and may.
    pub(super) fn under_way(&self) -> &Arc<Loads> {
        &self.under_way
    }

    /// How much a mailbox may hold, now and after each reload.
    pub(super) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// What of strangers' mail is in memory, and may be: their part of the byte budget.
    pub(super) fn in_memory(&self) -> &Arc<Loads> {
        &self.in_memory
    }

    /// The largest mail that a list takes, in octets.
    pub fn max_list_size(&self, list: &str) -> usize {
        let config = self.config.load();
        let found = config.list.iter().find(|(key, _)| key.as_str() == list);
        found.map_or(0, |(_, list)| list.max_size.as_usize())
    }

    /// When mail is tried again, and for how long.
    pub fn schedule(&self) -> Schedule {
        settings::schedule(&self.config.load())
    }

    /// How long a mailbox's mail is kept.
    pub(super) fn keeping(&self, mailbox: MailboxId) -> Keeping {
        let (config, vault) = (self.config.load(), self.store.vault());
        let of_role = config
            .mailbox
            .iter()
            .find(|(name, _)| vault.role_mailbox(name.as_str()) == mailbox)
            .and_then(|(_, role)| role.keep);
        let keep = &config.retention;
        Keeping {
            mail: of_role.unwrap_or(keep.mail).to_span(),
            junk: keep.junk.to_span(),
            trash: keep.trash.to_span(),
        }
    }

    /// Our addresses.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// The same addresses, for the consent room.
    pub(super) fn own_addresses(&self) -> OwnAddresses {
        OwnAddresses {
            directory: self.directory.clone(),
            staff: self.staff.clone(),
        }
    }

    /// What becomes of mail at this path.
    ///
    /// # Errors
    /// [`Unknown`] if it isn't ours, or no address at all.
    pub(super) fn find(&self, path: &ForwardPath) -> Result<Destination, Unknown> {
        let directory = self.directory.load();
        match path {
            ForwardPath::Postmaster => Ok(Destination::Mailbox(directory.postmaster())),
            ForwardPath::Mailbox(mailbox) => {
                let address = read(mailbox)?;
                Ok(directory.find(&self.staff.roll(), &address)?)
            }
        }
    }
}

/// What the configuration says of wrong passwords.
fn try_rules(config: &Config) -> TryRules {
    let staff = &config.staff;
    TryRules {
        most: staff.wrong_passwords,
        wait: staff.wait_after_wrong_passwords,
        trusted: staff.trusted_networks.clone(),
    }
}

/// Of whom the configuration has codes asked.
fn code_rule(config: &Config) -> CodeRule {
    match config.staff.second_factor {
        SecondFactor::Enrolled => CodeRule::Enrolled,
        SecondFactor::Required => CodeRule::Required,
    }
}

/// How much mail may be coming in at once, and how much of it one is.
fn under_way(config: &Config) -> (u64, u64) {
    let limits = &config.limits;
    (limits.unfinished.bytes(), limits.message_size.bytes())
}

fn directory(store: &Store, settings: &Settings) -> Directory {
    let constituencies = settings.constituencies.clone();
    Directory::new(store.vault().clone(), &settings.config, constituencies)
}

/// The address of a path. Address literals are no addresses of anybody here.
pub(super) fn read(mailbox: &Mailbox) -> Result<EmailAddress, Unknown> {
    EmailAddress::parse(mailbox.as_str()).map_err(|_| Unknown::NoAddress)
}

/// Where the doors find the rooms: nothing while the vault is locked.
#[derive(Clone, Default)]
pub struct RoomsCell(Arc<ArcSwapOption<Rooms>>);

impl RoomsCell {
    /// The rooms, if the vault is unlocked.
    pub fn get(&self) -> Option<Arc<Rooms>> {
        self.0.load_full()
    }

    /// Opens the rooms to the doors.
    pub fn open(&self, rooms: Arc<Rooms>) {
        self.0.store(Some(rooms));
    }

    /// Closes them.
    pub fn close(&self) {
        self.0.store(None);
    }
}
