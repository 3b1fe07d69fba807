//! Stories at the real control socket, with all rooms on a real store and a clock that stands.

mod codes;
mod dns;
mod mail;
mod people;
mod second;

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::audit::{Act, LogKind};
use crate::clock::Clock;
use crate::config::Config;
use crate::consent::Consent;
use crate::control::testing::{TestServer, serve};
use crate::control::{Ask, Client, ClientError, Event, Limits, WhoIs};
use crate::daemon::mail_in::Checks;
use crate::daemon::names::Names;
use crate::daemon::rooms;
use crate::daemon::settings::Settings;
use crate::delivery::engine::Bell;
use crate::delivery::pace::PaceBook;
use crate::delivery::queue::{MailQueue, QueueSettings};
use crate::delivery::signing::Signing;
use crate::id::MailboxId;
use crate::list::Mailings;
use crate::staff::{AccountChanges, Caller, StaffRoom};
use crate::store::{
    Change, ChangeOutcome, Delivery, Files, FolderName, LockedStore, MessageRecord, OwnMessage,
    Staff, StaffRecord, Step, Store, Subscriber, SubscriberRecord, SubscriptionRecord,
};
use crate::vault::Vault;

const ALDERSHOT: &str = "E14001063";
const LEEDS: &str = "E14001323";

/// Everybody at the socket is this account, or nobody.
#[derive(Clone)]
struct Is {
    room: StaffRoom,
    name: Arc<Mutex<&'static str>>,
}

impl WhoIs for Is {
    fn who_is(&self, uid: u32) -> Caller {
        let name = *self.name.lock().expect("no panic");
        let found = self.room.roll().by_name(name).map(|member| member.id);
        match found.and_then(|id| self.room.actor(id)) {
            Some(actor) => Caller::Member(actor),
            None => Caller::Nobody { uid },
        }
    }
}

/// A party whose staff are ada and ben (admins), cy (sender and approver), dee (approver) and eve (reader).
pub(in crate::daemon) struct World {
    server: TestServer,
    is: Is,
    pub(in crate::daemon) rooms: Arc<Rooms>,
    _directory: TempDir,
}

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

async fn done(store: &Store, step: Step) {
    let outcome = store.change(Change::new().then(step)).await;
    assert_eq!(outcome.expect("writes"), ChangeOutcome::Done);
}

async fn staff(store: &Store) {
    let staff: [(&str, &[Role]); 5] = [
        ("ada", &[Role::Admin]),
        ("ben", &[Role::Admin]),
        ("cy", &[Role::Sender, Role::Approver]),
        ("dee", &[Role::Approver]),
        ("eve", &[Role::Reader]),
    ];
    for (name, roles) in staff {
        let record = StaffRecord {
            name: name.into(),
            addresses: vec![typed(&format!("{name}@party.example"))],
            roles: roles.to_vec(),
            mailboxes: Vec::new(),
            verifier: None,
            passwords: Vec::new(),
            uid: None,
            created_at: noon(),
            revoked_at: None,
            trained_until: None,
            grants: Vec::new(),
            second_factor: None,
        };
        done(store, Step::PutStaff(Staff::new(store.vault(), record))).await;
    }
}

fn record() -> MessageRecord {
    MessageRecord {
        received_at: noon(),
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    }
}

fn typed(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

async fn build(store: Store, clock: Clock) -> Rooms {
    let settings = Settings::new(
        Config::example(),
        noon().to_zoned(jiff::tz::TimeZone::UTC).date(),
    )
    .expect("the example is sound");
    let letters = Arc::new(settings.letters());
    let consent = Consent::open(store.clone(), clock.clone(), settings.consent(), letters)
        .await
        .expect("opens");
    let staff = StaffRoom::open(store.clone(), clock.clone(), settings.premises())
        .await
        .expect("opens");
    let (domains, selectors) = (&settings.config.domains, settings.selectors());
    let signing = Signing::open(&store, domains, &selectors, clock.now())
        .await
        .expect("opens");
    let (signing, bell) = (Arc::new(signing), Bell::new());
    let mut config = Config::example();
    config.dns.check = false;
    let none = crate::tls::Certificates::fixed(Vec::new());
    let names = Names::new(clock.clone(), Arc::new(config), signing.clone(), none, None);
    let mailings = Mailings::open(
        store.clone(),
        clock.clone(),
        consent.clone(),
        staff.clone(),
        settings.mailings(&signing, names.clone()),
        bell.clone(),
    )
    .await
    .expect("opens");
    let queue = QueueSettings {
        schedule: settings.schedule(),
        host: settings.config.hostname.to_string(),
        postmaster: settings.postmaster(),
        templates: settings.templates.clone(),
    };
    let queue = MailQueue::new(
        store.clone(),
        clock.clone(),
        None,
        Arc::new(consent.clone()),
        queue,
    );
    let parts = rooms::Parts {
        staff,
        consent,
        mailings,
        queue,
        signing,
        names,
        certificates: None,
        bell,
        pace: PaceBook::default(),
        checks: Checks::new(&settings.config).expect("a resolver"),
    };
    Rooms::new(store, clock, &settings, parts)
}

impl World {
    pub(in crate::daemon) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = LockedStore::open(Files::in_directory(directory.path()))
            .await
            .expect("opens")
            .unlock(Vault::for_tests(), 1 << 20)
            .await
            .expect("unlocks");
        staff(&store).await;
        let rooms = Arc::new(build(store, Clock::frozen(noon())).await);
        let is = Is {
            room: rooms.staff.clone(),
            name: Arc::new(Mutex::new("ada")),
        };
        let desk = register(Desk::new(), &rooms);
        Self {
            server: serve(desk, is.clone(), Limits::default()),
            is,
            rooms,
            _directory: directory,
        }
    }

    fn am(&self, name: &'static str) {
        *self.is.name.lock().expect("no panic") = name;
    }

    fn actor(&self, name: &str) -> Actor {
        let id = self.rooms.staff.roll().by_name(name).expect("is there").id;
        self.rooms.staff.actor(id).expect("is live")
    }

    async fn ask<A: Ask>(&self, ask: &A) -> Result<(Vec<A::Row>, A::Answer), Failure> {
        self.server.ask(ask).await
    }

    /// Asks with a body; gives the rows, the body that came back and the answer.
    async fn talk<A: Ask>(
        &self,
        ask: &A,
        body: &[u8],
    ) -> Result<(Vec<A::Row>, Vec<u8>, A::Answer), Failure> {
        let client = Client::connect(&self.server.socket)
            .await
            .expect("connects");
        let (mut conversation, mut sender) = client.ask(ask).await.expect("asks");
        if A::BODY {
            for piece in body.chunks(700) {
                // If nobody reads on, the reason comes below.
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            let _ = sender.end().await;
        }
        let (mut rows, mut bytes) = (Vec::new(), Vec::new());
        loop {
            let event = conversation.next().await;
            match event.map_err(ClientError::into_failure)? {
                Event::Row(row) => rows.push(row),
                Event::Body(piece) => bytes.extend_from_slice(&piece),
                Event::Answer(answer) => return Ok((rows, bytes, answer)),
                Event::Progress(_) | Event::Note(_) => {}
            }
        }
    }

    /// Somebody who confirmed a moment ago.
    async fn subscribe(&self, who: &str, code: Option<&str>) {
        let record = SubscriberRecord {
            address: typed(who),
            constituency: code.map(str::to_owned),
            subscriptions: vec![SubscriptionRecord {
                list: "news".into(),
                confirmed_at: noon(),
                paused_until: None,
            }],
        };
        let store = &self.rooms.store;
        let subscriber = Subscriber::new(store.vault(), record);
        done(store, Step::PutSubscriber(subscriber)).await;
    }

    /// Puts a mail of so many bytes into a folder.
    pub(in crate::daemon) async fn keep(
        &self,
        mailbox: MailboxId,
        folder: &str,
        at: Timestamp,
        size: usize,
    ) {
        let store = &self.rooms.store;
        let message = OwnMessage::new(store.vault(), record(), &vec![b'x'; size]);
        let folder = FolderName::parse(folder).expect("a name");
        let delivery = Delivery::new(mailbox, folder, message.id(), at);
        let change = Change::new()
            .then(Step::PutMessage(message))
            .then(Step::Deliver(delivery));
        assert_eq!(
            store.change(change).await.expect("writes"),
            ChangeOutcome::Done
        );
    }

    /// Lets an account into a role's mailbox.
    pub(in crate::daemon) async fn let_into(&self, name: &str, mailbox: &str) {
        let changes = AccountChanges {
            let_into: vec![mailbox.to_owned()],
            ..AccountChanges::default()
        };
        let ada = self.actor("ada");
        let ada = ada.admin().expect("an admin");
        let changed = self.rooms.staff.change(ada, name, &changes, None).await;
        changed.expect("changes");
    }

    /// Goes by the example's configuration with a change.
    pub(in crate::daemon) fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::example();
        change(&mut config);
        let checks = Checks::new(&config).expect("a resolver");
        let today = noon().to_zoned(jiff::tz::TimeZone::UTC).date();
        let settings = Settings::new(config, today).expect("is sound");
        self.rooms.reload(&settings, checks);
    }

    /// The same rooms anew, as after a restart: what was written beside them is counted.
    async fn reopen(mut self) -> Self {
        let (store, clock) = (self.rooms.store.clone(), self.rooms.clock.clone());
        self.rooms = Arc::new(build(store, clock).await);
        self.is.room = self.rooms.staff.clone();
        let desk = register(Desk::new(), &self.rooms);
        self.server = serve(desk, self.is.clone(), Limits::default());
        self
    }

    /// What the audit log says was done, and by whom.
    async fn acts(&self) -> Vec<Act> {
        let events = self.rooms.store.events(LogKind::Audit, 0, 1000).await;
        let events = events.expect("reads").into_iter();
        let texts = events.filter_map(|event| event.event);
        texts
            .map(|(_, text)| serde_json::from_slice(&text).expect("an act"))
            .collect()
    }

    async fn verbs(&self) -> Vec<String> {
        self.acts().await.into_iter().map(|act| act.verb).collect()
    }
}

#[tokio::test]
async fn every_request_is_answered_but_those_of_the_service_itself() {
    let world = World::new().await;
    let desk = register(Desk::new(), &world.rooms);
    let left = [
        "key backup",
        "lock",
        "reload",
        "sandbox clock",
        "status",
        "unlock",
    ];
    assert_eq!(desk.unanswered(), left);
}
