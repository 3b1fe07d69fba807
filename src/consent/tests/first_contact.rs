//! Strangers who wrote, by this room's eyes: who is asked, and what the button says.

use super::*;
use crate::mailbox::Mailboxes;
use crate::store::{
    AcceptMessage, Delivery, FolderAct, FolderName, Intake, IntakeRecord, MessageRecord,
    SpecialUse, Stranger, Uids, contact_indexes,
};

const ANN: &str = "ann@good.example";
const OFFICE: &str = "office@party.example";

impl Party {
    fn office(&self) -> crate::id::MailboxId {
        self.store.vault().role_mailbox("office")
    }

    /// A stranger writes to the office, and proves that it's them.
    async fn is_written_to(&self, who: &str) {
        let mail = self.mail_of(who, true).await;
        self.store.accept(mail).await.expect("is taken");
    }

    async fn mail_of(&self, who: &str, proven: bool) -> AcceptMessage {
        self.mail_between(who, OFFICE, proven).await
    }

    async fn mail_between(&self, who: &str, to: &str, proven: bool) -> AcceptMessage {
        let mut writer = self.store.begin_body().await.expect("begins");
        writer
            .write(b"Subject: hello\r\n\r\nhello\r\n")
            .await
            .expect("takes");
        let (body, at) = (writer.finish(), self.clock.now());
        let ask = IntakeRecord::FirstContact {
            address: address(who),
            at,
            to: Some(address(to)),
        };
        let record = MessageRecord {
            received_at: at,
            size: 0,
            reverse_path: Some(who.to_owned()),
            recipients: Vec::new(),
            submitted_by: None,
        };
        let stranger = Stranger {
            author: contact_indexes(self.store.vault(), &address(who)),
            proven,
            ask: proven.then(|| Intake::new(at, ask)),
        };
        let delivery = Delivery::new(self.office(), SpecialUse::Inbox, body.id(), at);
        let message = AcceptMessage::new(self.store.vault(), body, record);
        message.keep_in(delivery).of_stranger(stranger)
    }

    fn boxes(&self) -> Mailboxes {
        Mailboxes::new(self.store.clone(), self.clock.clone())
    }

    /// How many mails stand in this folder of the office's.
    async fn stand_in(&self, folder: SpecialUse) -> u64 {
        let found = self.boxes().named(self.office(), &folder.into()).await;
        found
            .expect("reads")
            .map_or(0, |folder| folder.record.messages)
    }

    /// Staff throw away all that waits.
    async fn stands(&self, token: &str) -> bool {
        let leads_to = self.consent.question(token).await.expect("reads");
        leads_to == QuestionLink::Stands
    }

    async fn is_thrown_away(&self) {
        let boxes = self.boxes();
        let find = async |folder: SpecialUse| {
            let found = boxes.named(self.office(), &FolderName::from(folder)).await;
            found.expect("reads").expect("is there").id
        };
        let act = FolderAct::Move {
            from: find(SpecialUse::Unconfirmed).await,
            uids: Uids::all(),
            to: find(SpecialUse::Trash).await,
            at: self.clock.now(),
            room: None,
            goes_on: false,
        };
        let moved = self.store.act(act).await.expect("writes");
        moved.expect("is moved");
    }

    async fn asked(&self) -> Vec<String> {
        self.work().await;
        self.outbox()
            .await
            .into_iter()
            .map(|mail| mail.to)
            .collect()
    }
}

/// However their mail proves itself, addresses of ours that lead to no person are asked nothing.
#[tokio::test]
async fn what_is_no_persons_is_not_asked() {
    let party = Party::new().await;
    party.consent.know_own(Arc::new(sign_up::OneParty));
    party.is_written_to("news@party.example").await;
    party.no_mail().await;
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    party.is_written_to("ada@party.example").await;
    assert_eq!(party.asked().await, ["ada@party.example"]);
}

/// Who takes out more than one transaction does gets all of it where they put it.
#[tokio::test]
async fn a_thousand_and_one_go_where_staff_put_them() {
    let party = Party::new().await;
    let mut mails = Vec::new();
    // No more of one author wait who prove themselves; what others write in their name goes the same way.
    for n in 0..1_010 {
        mails.push(party.mail_of(ANN, n >= 960).await);
    }
    party.store.accept_together(mails).await.expect("are taken");
    let boxes = party.boxes();
    let find = async |folder: SpecialUse| {
        let found = boxes.named(party.office(), &folder.into()).await;
        found.expect("reads").expect("is there").id
    };
    let from = find(SpecialUse::Unconfirmed).await;
    let to = find(SpecialUse::Archive).await;
    let uids = boxes.open(from).await.expect("reads").select(&Uids::all());
    let moved = boxes.move_to(from, &uids[..1_001], to, None).await;
    assert_eq!(moved.expect("are moved").placed.len(), 1_001);
    assert_eq!(party.stand_in(SpecialUse::Archive).await, 1_001);
    assert_eq!(party.stand_in(SpecialUse::Inbox).await, 9);
    assert_eq!(party.stand_in(SpecialUse::Unconfirmed).await, 0);
}

/// Who is asked late has as long as the mail.
#[tokio::test]
async fn a_link_is_as_good_as_the_mail_that_waits() {
    let mut settings = settings();
    settings.limits.first_contacts_per_hour = 1;
    let party = Party::with(settings).await;
    party.is_written_to("first@other.example").await;
    assert_eq!(party.asked().await, ["first@other.example"]);
    party.is_written_to(ANN).await;
    party.no_mail().await;
    party.pass(days(5));
    let mail = party.one_mail("first-contact").await;
    assert_eq!(mail.to, ANN);
    party.pass(days(8));
    assert!(party.stands(&mail.token).await);
    party.pass(days(1));
    assert_eq!(party.boxes().expire_unconfirmed().await.expect("erases"), 2);
    assert!(!party.stands(&mail.token).await);
    let pressed = party.consent.own_up(&mail.token).await.expect("answers");
    assert_eq!(pressed, OwnedUp::LinkUnknown);
}

#[tokio::test]
async fn nobody_is_told_that_something_came_in_which_is_gone() {
    let party = Party::new().await;
    party.is_written_to(ANN).await;
    let mail = party.one_mail("first-contact").await;
    party.is_thrown_away().await;
    for _ in 0..2 {
        let pressed = party.consent.own_up(&mail.token).await.expect("answers");
        assert_eq!(pressed, OwnedUp::MetTooLate);
        party.pass(SignedDuration::from_mins(10));
        let link = party.consent.question(&mail.token).await.expect("reads");
        assert_eq!(link, QuestionLink::Over(OwnedUp::MetTooLate));
    }
    // As it says: what they write from now on comes in at once.
    party.is_written_to(ANN).await;
    assert_eq!(party.stand_in(SpecialUse::Inbox).await, 1);
    // Where it does come in, it says so.
    party.is_written_to("bob@good.example").await;
    let mail = party.one_mail("first-contact").await;
    let pressed = party.consent.own_up(&mail.token).await.expect("answers");
    assert_eq!(pressed, OwnedUp::Met);
    assert_eq!(party.stand_in(SpecialUse::Inbox).await, 2);
    party.pass(SignedDuration::from_mins(59));
    let again = party.consent.own_up(&mail.token).await.expect("answers");
    assert_eq!(again, OwnedUp::Met);
    party.pass(SignedDuration::from_mins(1));
    let link = party.consent.question(&mail.token).await.expect("reads");
    assert_eq!(link, QuestionLink::Over(OwnedUp::LinkUnknown));
    let again = party.consent.own_up(&mail.token).await.expect("answers");
    assert_eq!(again, OwnedUp::LinkUnknown);
}

#[tokio::test]
async fn nobody_is_asked_about_what_was_thrown_away() {
    let mut settings = settings();
    settings.limits.first_contacts_per_hour = 1;
    let party = Party::with(settings).await;
    party.is_written_to("first@other.example").await;
    assert_eq!(party.asked().await, ["first@other.example"]);
    party.is_written_to(ANN).await;
    party.no_mail().await;
    party.is_thrown_away().await;
    party.pass(days(1));
    party.no_mail().await;
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
}

#[tokio::test]
async fn who_is_forgotten_was_never_asked() {
    let party = Party::new().await;
    party.is_written_to(ANN).await;
    let mail = party.one_mail("first-contact").await;
    let (ann, by) = (address(ANN), by("asked"));
    let forgotten = party.consent.forget_contact(&ann, &by).await;
    assert!(forgotten.expect("forgets"));
    assert!(!party.stands(&mail.token).await);
    party.is_written_to(ANN).await;
    assert_eq!(party.asked().await, [ANN]);
}

#[tokio::test]
async fn nobody_is_asked_twice_in_a_week_whatever_their_tag() {
    const TAGGED: &str = "ann+rally@good.example";
    let party = Party::new().await;
    party.is_written_to(ANN).await;
    assert_eq!(party.asked().await, [ANN]);
    party.pass(days(6));
    party.is_written_to(ANN).await;
    assert_eq!(party.asked().await, [""; 0]);
    party.is_written_to(TAGGED).await;
    assert_eq!(party.asked().await, [""; 0]);
    party.pass(days(1));
    party.is_written_to(TAGGED).await;
    assert_eq!(party.asked().await, [TAGGED]);
}

/// Whoever owns a domain, and all names below it, keeps nobody else from being asked.
#[tokio::test]
async fn one_domain_has_a_share_and_no_more() {
    let mut settings = settings();
    settings.limits.first_contacts_per_hour = 10;
    let party = Party::with(settings).await;
    for n in 0..40 {
        party.is_written_to(&format!("x@n{n}.evil.example")).await;
    }
    party.is_written_to(ANN).await;
    let of_evil = |asked: &[String]| {
        let evil = asked.iter().filter(|to| to.ends_with("evil.example"));
        evil.count()
    };
    let asked = party.asked().await;
    assert_eq!((asked.len(), of_evil(&asked)), (3, 2), "{asked:?}");
    assert!(asked.contains(&ANN.to_owned()));
    // The others wait for hours of their own, and are looked at then alone.
    party.pass(SignedDuration::from_mins(59));
    assert_eq!(party.asked().await, [""; 0]);
    party.pass(SignedDuration::from_mins(1));
    let asked = party.asked().await;
    assert_eq!((asked.len(), of_evil(&asked)), (2, 2), "{asked:?}");
}

/// What a domain has no hour for before it's too late is not kept for it.
#[tokio::test]
async fn a_domains_backlog_has_an_end() {
    let mut settings = settings();
    settings.limits.first_contacts_per_hour = 1;
    let party = Party::with(settings).await;
    for n in 0..200 {
        party.is_written_to(&format!("y{n}@evil.example")).await;
    }
    assert_eq!(party.asked().await.len(), 1);
    let due = party.store.due_intake(noon() + days(30), 1_000).await;
    assert_eq!(due.expect("reads").len(), 7 * 24 - 1);
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_nobody_from_being_asked() {
    let mut settings = settings();
    settings.limits.first_contacts_per_hour = 1;
    let party = Party::with(settings.clone()).await;
    party.pass(days(365));
    party.is_written_to(ANN).await;
    let early = party.one_mail("first-contact").await;
    let Party {
        directory, ring, ..
    } = party.crash().await;
    let clock = Clock::frozen(noon());
    let party = Party::open(directory, ring, clock, settings).await;
    // Neither who was asked then, nor anybody else; and no link is good for a year.
    party.is_written_to("bob@other.example").await;
    assert_eq!(party.asked().await, ["bob@other.example"]);
    party.pass(SignedDuration::from_hours(2));
    party.is_written_to(ANN).await;
    assert_eq!(party.asked().await, [ANN]);
    assert!(party.stands(&early.token).await);
    party.consent.expire().await.expect("expires");
    assert!(!party.stands(&early.token).await);
}

/// A complaint of whoever left is nobody's mail to lose.
#[tokio::test]
async fn who_left_a_list_or_was_erased_is_asked_and_who_said_never_is_not() {
    let party = Party::new().await;
    let wants_to_leave = "jo@elector.example";
    let made = party.join(wants_to_leave, &["news"]).await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.is_written_to(wants_to_leave).await;
    let mail = party.one_mail("first-contact").await;
    assert_eq!(mail.to, wants_to_leave);
    let goes = async || {
        let to = address(wants_to_leave);
        let departing = party.consent.depart_mail("first-contact", &to).await;
        matches!(departing.expect("reads"), Departing::Go(_))
    };
    assert!(goes().await, "and it goes out");
    let (jo, why) = (address(wants_to_leave), by("asked for it"));
    party.consent.erase(&jo, &why).await.expect("erases");
    assert!(!goes().await, "what it asks about is gone");
    party.is_written_to(wants_to_leave).await;
    let mail = party.one_mail("first-contact").await;
    assert!(goes().await);
    party.out(&mail.never, Extent::NeverAgain).await;
    assert!(!goes().await);
    party.pass(days(8));
    party.is_written_to(wants_to_leave).await;
    party.no_mail().await;
}

/// Their server may not know SMTPUTF8, and nobody would hear that it refused the question.
#[tokio::test]
async fn a_question_goes_with_what_its_header_needs() {
    for (ours, written_to, from, utf8) in [
        (OFFICE, "ada@party.example", "<ada@party.example>", false),
        (
            OFFICE,
            "m\u{f4}n@party.example",
            "<office@party.example>",
            false,
        ),
        (
            "m\u{f4}n@party.example",
            "m\u{f4}n@party.example",
            "<m\u{f4}n@",
            true,
        ),
    ] {
        let party = Party::new().await;
        let (settings, letters) = pace::real_letters(ours);
        let reloaded = party.consent.reload(settings, Arc::new(letters)).await;
        reloaded.expect("reloads");
        let mail = party.mail_between(ANN, written_to, true).await;
        party.store.accept(mail).await.expect("is taken");
        party.work().await;
        let page = party.store.queue_page(None, 10).await.expect("reads");
        let row = &page.rows[0];
        let body = party.store.body(row.message).read_whole(100_000).await;
        let text = String::from_utf8(body.expect("reads")).expect("text");
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with("From: "));
        assert!(line.expect("one").contains(from), "{written_to}: {line:?}");
        assert_eq!(row.record.needs.smtputf8, utf8, "{written_to}");
    }
}
