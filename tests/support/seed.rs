//! Fills a stopped party's store with confirmed subscribers, with the evidence that the confirm page would have left. Fast
//! enough for a million: many in one transaction, nothing of them kept in memory.

use std::time::Duration;

use hustings::address::EmailAddress;
use hustings::audit::{LogKind, canonical};
use hustings::clock::Clock;
use hustings::config::Config;
use hustings::consent::constituency::Constituencies;
use hustings::consent::{ConfirmedEvent, Consent, ConsentEvent, Lang};
use hustings::daemon::settings::Settings;
use hustings::store::{
    Change, ChangeOutcome, Channel, NewEvent, Step, Store, Subscriber, SubscriberRecord,
    SubscriptionRecord,
};
use hustings::vault::{ConfirmToken, IndexColumn, Vault};
use jiff::{SignedDuration, Timestamp};

/// Subscribers in one transaction.
const BATCH: usize = 2_000;

/// Who is to be there.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// The key of the list that they are on.
    pub list: &'static str,
    /// How many.
    pub people: usize,
    /// On how many domains.
    pub domains: usize,
}

impl Crowd {
    /// The address of one of them.
    pub fn address(&self, n: usize) -> String {
        format!("Elector.{n}@voters{}.example", n % self.domains)
    }

    /// The path of the page by which one of them leaves the list.
    pub fn way_out(&self, vault: &Vault, n: usize) -> String {
        let form = EmailAddress::parse(&self.address(n)).unwrap().match_form();
        let index = vault.index(IndexColumn::Suppression, form.as_bytes());
        let token = vault.withdrawal_token(vault.list_tag(self.list), &index);
        format!("/u/{token}")
    }

    /// Brings them into the store, as if each had confirmed a day ago. Their constituencies are spread over all there are.
    pub async fn seed(&self, store: &Store, config: Config) {
        let began = std::time::Instant::now();
        let shown = Shown::of(self.list, store, config).await;
        let seats = Constituencies::builtin();
        let seats: Vec<_> = seats.iter().map(|seat| seat.code().to_string()).collect();
        let mut writing: Option<tokio::task::JoinHandle<()>> = None;
        for first in (0..self.people).step_by(BATCH) {
            let mut change = Change::new();
            for n in first..self.people.min(first + BATCH) {
                // Some don't say where they live.
                let seat = seats.get(n % (seats.len() + 1)).cloned();
                change = change.then_all(self.confirmed(n, seat, store.vault(), &shown));
            }
            if let Some(writing) = writing.take() {
                writing.await.unwrap();
            }
            let store = store.clone();
            writing = Some(tokio::spawn(async move {
                assert_eq!(store.change(change).await.unwrap(), ChangeOutcome::Done);
            }));
        }
        if let Some(writing) = writing {
            writing.await.unwrap();
        }
        let took = began.elapsed().max(Duration::from_millis(1));
        let rate = self.people * 1000 / usize::try_from(took.as_millis()).unwrap();
        println!("{} subscribers in {took:.1?}, {rate}/s", self.people);
    }

    fn confirmed(
        &self,
        n: usize,
        constituency: Option<String>,
        vault: &Vault,
        shown: &Shown,
    ) -> [Step; 2] {
        let record = SubscriberRecord {
            address: EmailAddress::parse(&self.address(n)).unwrap(),
            constituency,
            subscriptions: vec![SubscriptionRecord {
                list: self.list.to_owned(),
                confirmed_at: shown.at,
                paused_until: None,
            }],
        };
        let form = record.address.match_form();
        let subject = vault.index(IndexColumn::EvidenceSubject, form.as_bytes());
        let event = ConsentEvent::Confirmed(ConfirmedEvent {
            subject,
            list: self.list.to_owned(),
            channel: Channel::Web,
            wording: shown.wording.clone(),
            language: Lang::En.tag().to_owned(),
            notice: shown.notice.clone(),
            asked_at: shown.at,
            confirmed_at: shown.at,
            token: hex(&ConfirmToken::generate().hash().0),
            stated_age: Some(shown.age),
            batch: None,
            entered_by: None,
            origin: None,
        });
        [
            Step::PutSubscriber(Subscriber::new(vault, record)),
            Step::Append(NewEvent {
                log: LogKind::Consent,
                subject: Some(subject),
                event: canonical(&event).unwrap(),
            }),
        ]
    }
}

/// What stood on the form.
struct Shown {
    wording: String,
    notice: String,
    age: u8,
    at: Timestamp,
}

impl Shown {
    /// The words of the configuration, which are in the store afterwards.
    async fn of(list: &str, store: &Store, config: Config) -> Self {
        let clock = Clock::system();
        let at = clock.now() - SignedDuration::from_hours(24);
        let settings = Settings::new(config, at.to_zoned(jiff::tz::TimeZone::UTC).date()).unwrap();
        let letters = std::sync::Arc::new(settings.letters());
        let consent = Consent::open(store.clone(), clock, settings.consent(), letters);
        let consent = consent.await.unwrap();
        Self {
            wording: consent.wording(list, Lang::En).unwrap().digest.to_string(),
            notice: consent.notice(Lang::En).digest.to_string(),
            age: consent.settings().minimum_age,
            at,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
