//! An open house for the plumbing: a real consent room on a store of its own, and no list room.

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::address::Domain;
use crate::consent::constituency::Constituencies;
use crate::consent::{
    ConsentLimits, ConsentSettings, Envelope, Letter, LetterError, Letters, ListSettings,
};
use crate::list::Decision;
use crate::store::{Files, LockedStore};
use crate::template::{Factor, Problem};
use crate::vault::{KeyRing, Vault};

struct NoLetters;

impl Letters for NoLetters {
    fn write(&self, _: &Letter, _: &Envelope<'_>) -> Result<Vec<u8>, LetterError> {
        Ok(Vec::new())
    }
}

/// One mailing waits, and its link is "good"; that of an approver who has a second factor is "coded".
struct OneMailing;

impl Approvals for OneMailing {
    fn look<'a>(&'a self, token: &'a str) -> Asking<'a, Option<MailingToApprove>> {
        let mailing = MailingToApprove {
            sender: "ann".to_owned(),
            list: Text::english("News"),
            constituencies: Some("Aldershot".to_owned()),
            subject: "Rally <soon>".to_owned(),
            count: "fewer than 5".to_owned(),
            digest: "9f86d081".repeat(8),
            configured: true,
            factor: Factor::Nothing,
            text: "Come.".to_owned(),
            designed: Some("Come <all>.".to_owned()),
            files: vec!["leaflet.pdf (application/pdf, 1 KiB)".to_owned()],
        };
        Box::pin(async move {
            match token {
                "sick" => Err(RoomTrouble("the disk is full".to_owned())),
                "listless" => Ok(Some(MailingToApprove {
                    configured: false,
                    ..mailing
                })),
                "coded" => Ok(Some(MailingToApprove {
                    factor: Factor::Code,
                    ..mailing
                })),
                "bare" => Ok(Some(MailingToApprove {
                    factor: Factor::Missing,
                    ..mailing
                })),
                token => Ok(matches!(token, "good" | "held").then_some(mailing)),
            }
        })
    }

    fn decide<'a>(
        &'a self,
        token: &'a str,
        _: Decision,
        code: Option<&'a str>,
    ) -> Asking<'a, Decided> {
        Box::pin(async move {
            Ok(match (token, code) {
                ("good", _) | ("coded", Some("123 456")) => Decided::Done,
                ("coded", None) => Decided::NoCode(Problem::CodeMissing),
                ("coded", _) => Decided::NoCode(Problem::CodeWrong),
                ("held", _) => Decided::NotReady,
                _ => Decided::NoLink,
            })
        })
    }
}

/// Has no room, or half of it.
struct Nowhere {
    filling: bool,
}

impl LockedWithdrawals for Nowhere {
    fn keep(
        &self,
        withdrawal: Zeroizing<Vec<u8>>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>> {
        let withdrawal = LockedWithdrawal::from_bytes(&withdrawal).expect("reads");
        assert!(
            withdrawal.at.is_some(),
            "when it was pressed is kept with it"
        );
        let kept = match self.filling {
            true => Ok(()),
            false => Err(NotKept::Failed("no room".to_owned())),
        };
        Box::pin(async { kept })
    }

    fn is_filling(&self) -> bool {
        self.filling
    }
}

/// The pages with the vault locked.
pub(super) fn locked(site: Site) -> Arc<Web> {
    locked_with(site, false)
}

/// The same with a locked box that is full, or half full.
pub(super) fn locked_with(site: Site, filling: bool) -> Arc<Web> {
    Web::new(WebParts {
        site,
        https: true,
        clock: Clock::system(),
        signups_per_network: NonZeroU32::new(20).expect("not zero"),
        locked: Arc::new(Nowhere { filling }),
    })
}

/// The pages with their rooms; the directory must live as long.
pub(super) async fn open(site: Site) -> (Arc<Web>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LockedStore::open(Files::in_directory(directory.path())).await;
    let vault = Vault::from_ring(KeyRing::generate());
    let store = store.expect("opens").unlock(vault, 1 << 20).await;
    let settings = settings(&site);
    let store = store.expect("unlocks");
    let ours = crate::report::Ours {
        domains: vec![Domain::parse("company-y.example").expect("a domain")],
        addresses: Vec::new(),
    };
    let reports = Reports::new(store.clone(), Clock::system(), ours);
    let consent = Consent::open(store, Clock::system(), settings, Arc::new(NoLetters));
    let rooms = Rooms {
        consent: consent.await.expect("the room opens"),
        approvals: Arc::new(OneMailing),
        reports,
    };
    let web = locked(site);
    web.open(rooms);
    (web, directory)
}

fn settings(site: &Site) -> ConsentSettings {
    let list = |list: &ListChoice| ListSettings {
        key: list.key.clone(),
        title: list.title.clone(),
        purpose: Text::english("news of its campaigns"),
        statement: Text::english(list.statement.get(Lang::En)),
        open: true,
    };
    ConsentSettings {
        party: party().name,
        lists: site.lists().iter().map(list).collect(),
        minimum_age: 16,
        languages: Lang::ALL.to_vec(),
        notice: Text::english(party().name),
        constituencies: Arc::new(Constituencies::builtin()),
        base_url: party().url,
        mail_domain: Domain::parse("party.example").expect("a domain"),
        limits: ConsentLimits::default(),
    }
}
