//! What the forms say back.

use super::*;

#[tokio::test]
async fn the_form_says_everything_that_is_wrong_at_once() {
    let pages = Pages::start().await;
    let stamp = pages.stamp().await;
    let (writes, good) = (pages.writes(), sign_up_form("ann@far.example", &stamp));
    for (form, said) in [
        (good.replace("&list=news", ""), "Tick at least one box"),
        (
            good.replace("&list=news", "&list=none"),
            "no longer offered, so nothing was sent",
        ),
        (good.replace("&age=yes", ""), "how old you are"),
        (good.replace("%40", ""), "like name@example.org"),
        (
            good.replace("E14001319", "E14000000"),
            "Choose a constituency",
        ),
        (
            good.replace("stamp=", "stamp=A"),
            "open for a long time, or our service has restarted",
        ),
        (String::new(), "Write your email address"),
    ] {
        let answer = pages.post("/", &form).await;
        assert_eq!(answer.status, 422, "{said}");
        assert!(answer.text.contains(said), "{said}");
        assert!(
            !answer.text.contains("checked"),
            "no box is ticked for anybody"
        );
    }
    // Back at once, as programs are: it says so, in the form's language, and the next press will do.
    let fresh = pages.get("/").await.field("stamp");
    let soon = sign_up_form("ann@far.example", &fresh);
    let answer = pages.post("/", &soon).await;
    assert_eq!(answer.status, 422);
    for said in [
        "faster than people fill it in",
        "press the button once more",
        "value=\"ann@far.example\"",
    ] {
        assert!(answer.text.contains(said), "{said}: {}", answer.text);
    }
    let answer = pages.post("/", &soon.replace("lang=en", "lang=cy")).await;
    let said = "yn gynt nag y mae pobl yn ei llenwi";
    assert!(answer.text.contains(said), "{}", answer.text);
    let everything = pages.post("/", "").await;
    assert_eq!(
        everything.text.matches("class=\"error\"").count(),
        4,
        "{}",
        everything.text
    );
    let answer = pages
        .post("/", &good.replace("nectar=", "nectar=bot"))
        .await;
    assert_eq!(
        answer.status, 200,
        "a machine is told what everybody is told"
    );
    assert_eq!(pages.writes(), writes, "nothing was stored");
    assert_eq!(
        pages
            .post("/", &format!("{good}&email=b%40c.example"))
            .await
            .status,
        400
    );
    assert_eq!(
        pages
            .send(request(Method::POST, "/", "text/plain", &good))
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn a_mail_to_subscribe_opens_the_full_form() {
    let pages = Pages::start().await;
    let ann = EmailAddress::parse("ann@far.example").unwrap();
    pages.consent.subscribe_by_mail(ann, "news").await.unwrap();
    pages.work().await;
    let link = pages.link_to("ann@far.example", "/c/").await;
    let form = pages.get(&link).await;
    assert!(form.text.contains("One more step") && !form.text.contains("checked"));
    let stamp = form.field("stamp");
    pages.pass(SignedDuration::from_secs(5));
    let refused = pages
        .post(&link, &format!("stamp={stamp}&list=appeals"))
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("how old you are"));
    assert_eq!(pages.post(&link, "constituency=").await.status, 422);
    assert_eq!(pages.subscribers().await, 0, "no words were agreed to yet");
    let body = format!("stamp={stamp}&list=news&age=yes&constituency=&lang=cy");
    let done = pages.post(&link, &body).await;
    assert_eq!((done.status, pages.subscribers().await), (200, 1));
    assert!(done.text.contains("lang=\"cy\""));
}

#[tokio::test]
async fn the_button_twice_and_a_body_that_is_empty_are_the_same_yes() {
    let pages = Pages::start().await;
    pages.sign_up("ann@far.example").await;
    pages.work().await;
    let link = pages.link_to("ann@far.example", "/c/").await;
    for body in ["", "lang=en&constituency=", ""] {
        let done = pages.post(&link, body).await;
        assert_eq!(done.status, 200, "{body}");
        assert!(done.text.contains("you are subscribed"));
    }
    assert_eq!(pages.subscribers().await, 1);
    let people = pages.consent.audience("news", None, 9).await.unwrap();
    let code = people.subscriptions[0].constituency().unwrap();
    assert_eq!(code.as_str(), "E14001319", "what was given at the sign-up");
    assert_eq!(
        pages.get(&link).await.status,
        404,
        "a look shows nobody's lists"
    );
    let (front, last) = link.split_at(link.len() - 1);
    let other = format!("{front}{}", if last == "a" { "b" } else { "a" });
    assert_eq!(pages.post(&other, "").await.status, 404);
}

#[tokio::test]
async fn a_page_with_one_button_shows_what_was_asked_for_since() {
    let pages = Pages::start().await;
    pages.sign_up("ann@far.example").await;
    pages.work().await;
    let link = pages.link_to("ann@far.example", "/c/").await;
    assert!(pages.get(&link).await.text.contains("Was it you?"));
    let ann = EmailAddress::parse("ann@far.example").unwrap();
    pages
        .consent
        .subscribe_by_mail(ann, "appeals")
        .await
        .unwrap();
    pages.work().await;
    let form = pages.post(&link, "lang=en&constituency=E14001319").await;
    assert_eq!((form.status, pages.subscribers().await), (200, 0));
    assert!(form.text.contains("More than one request") && !form.text.contains("problem"));
    let stamp = form.field("stamp");
    pages.pass(SignedDuration::from_secs(5));
    let body =
        format!("stamp={stamp}&list=news&list=appeals&age=yes&constituency=E14001319&lang=en");
    let done = pages.post(&link, &body).await;
    assert_eq!(
        (done.status, pages.subscribers().await),
        (200, 1),
        "{}",
        done.text
    );
}

#[tokio::test]
async fn words_that_changed_are_read_again() {
    let pages = Pages::start().await;
    let stamp = pages.stamp().await;
    let mut config = config();
    let list = config.list.values_mut().next().unwrap();
    list.purpose = "something else altogether".to_owned();
    let settings = Settings::new(config, jiff::civil::date(2026, 11, 2)).unwrap();
    let letters = Arc::new(settings.letters());
    pages
        .consent
        .reload(settings.consent(), letters)
        .await
        .unwrap();
    // Between the two steps of a reload the room refuses what the old site shows.
    let early = pages
        .post("/", &sign_up_form("ann@far.example", &stamp))
        .await;
    assert_eq!(early.status, 422);
    pages.web.replace(settings.site());
    let late = pages
        .post("/", &sign_up_form("ann@far.example", &stamp))
        .await;
    assert_eq!(late.status, 422);
    for answer in [early, late] {
        assert!(answer.text.contains("A text on this page has changed"));
    }
    assert!(
        pages
            .get("/")
            .await
            .text
            .contains("something else altogether")
    );
    assert_eq!(pages.sign_up("ann@far.example").await.status, 200);
}

#[tokio::test]
async fn a_network_that_asks_too_often_is_told_so() {
    let pages = Pages::with(NonZeroU32::new(2).unwrap(), Timeouts::default()).await;
    let stamps = pages.stamps(3).await;
    let form = |n: usize| sign_up_form(&format!("a{n}@far.example"), &stamps[n]);
    let mut statuses = Vec::new();
    for n in [0, 0, 1, 2, 1] {
        let answer = pages.post("/", &form(n)).await;
        statuses.push((answer.status, answer.header("retry-after").is_empty()));
    }
    let (fine, slower) = ((200, true), (429, false));
    assert_eq!(
        statuses,
        [fine, fine, fine, slower, fine],
        "a second press is none of the two"
    );
    assert_eq!(pages.rows().await[0], 2);
}

/// A stamp is what a page was fetched for: a program needs one for each sign-up. Who presses twice, or goes back, hears
/// nothing to be afraid of.
#[tokio::test]
async fn a_stamp_is_good_for_one_sign_up() {
    let pages = &Pages::start().await;
    let (stamp, rows) = (pages.stamp().await, pages.rows().await[0]);
    let ann = sign_up_form("ann@far.example", &stamp);
    // At once, as a double click does it: one of them is worked on, and the other waits for what comes of it.
    let (first, second) = tokio::join!(pages.post("/", &ann), pages.post("/", &ann));
    let third = pages.post("/", &ann).await;
    for again in [&second, &third] {
        assert_eq!(again.bytes(), first.bytes());
    }
    assert!(first.status == 200 && first.text.contains("Now look into your inbox"));
    assert_eq!(pages.rows().await[0], rows + 1, "one sign-up");
    // Back, and something else: the form comes again with what was typed, and the next press will do.
    for other in [
        ann.replace("ann%40", "bob%40"),
        ann.replace("list=news", "list=appeals"),
        ann.replace("E14001319", ""),
    ] {
        let before = pages.rows().await[0];
        let answer = pages.post("/", &other).await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.text.contains("was sent before and has been taken"),
            "{}",
            answer.text
        );
        assert_eq!(pages.rows().await[0], before, "nobody is signed up");
        pages.pass(SignedDuration::from_secs(5));
        let fresh = other.replace(&stamp, &answer.field("stamp"));
        assert_eq!(pages.post("/", &fresh).await.status, 200);
        assert_eq!(pages.rows().await[0], before + 1, "with the new stamp");
    }
    // Much later it isn't a second press: who wants another mail gets a fresh form.
    pages.pass(SignedDuration::from_hours(1));
    assert_eq!(pages.post("/", &ann).await.status, 422);
    let cy = pages.post("/", &ann.replace("lang=en", "lang=cy")).await;
    assert!(cy.text.contains("Anfonwyd y ffurflen hon"), "{}", cy.text);
}

#[tokio::test]
async fn a_form_that_was_not_taken_uses_no_stamp() {
    let pages = Pages::with(NonZeroU32::new(1).unwrap(), Timeouts::default()).await;
    let stamps = pages.stamps(2).await;
    let ann = sign_up_form("ann@far.example", &stamps[0]);
    let wrong = ann.replace("&age=yes", "").replace("ann%40", "an%40");
    assert_eq!(pages.post("/", &wrong).await.status, 422);
    let full = sign_up_form("eve@far.example", &stamps[1]);
    assert_eq!(pages.post("/", &full).await.status, 200);
    assert_eq!(pages.post("/", &ann).await.status, 429, "it has to wait");
    pages.web.limit_signups(NonZeroU32::new(9).unwrap());
    let corrected = ann.replace("ann%40", "anne%40");
    assert_eq!(pages.post("/", &corrected).await.status, 200);
}

#[tokio::test]
async fn a_store_that_is_closed_is_not_told_as_done() {
    let pages = Pages::start().await;
    let stamp = pages.stamp().await;
    pages.store.close().await;
    let answer = pages
        .post("/", &sign_up_form("ann@far.example", &stamp))
        .await;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
    assert!(!answer.text.contains("inbox"));
}
