//! Known and unknown look alike: the same bytes, the same look-ups, the same time.

use super::*;

/// Addresses in every state in which the party can hold one, all of one length, each with the way out of its lists.
async fn every_state(pages: &Pages) -> Vec<(&'static str, String)> {
    let way_out = |address: &str| {
        // What a link in a mail to that address would be, whether or not one was ever sent.
        let vault = pages.store.vault();
        let form = EmailAddress::parse(address).unwrap().match_form();
        let index = vault.index(hustings::vault::IndexColumn::Suppression, form.as_bytes());
        format!(
            "/u/{}",
            vault.withdrawal_token(vault.list_tag("news"), &index)
        )
    };
    let states = [
        "unknownone@far.example",
        "pendingone@far.example",
        "subscribed@far.example",
        "suppressed@far.example",
        "neverwrite@far.example",
    ];
    pages.sign_up(states[1]).await;
    pages.work().await;
    pages.subscribe(states[2]).await;
    let out = pages.subscribe(states[3]).await;
    pages.post(&out, ONE_CLICK).await;
    pages.sign_up(states[4]).await;
    pages.work().await;
    let never = pages.link_to(states[4], "/n/").await;
    pages.post(&never, "").await;
    states.map(|address| (address, way_out(address))).to_vec()
}

/// All alike, once what the asker sent himself is taken out.
fn assert_alike(answers: &[(Answer, String)], what: &str) {
    let plain = |(answer, own): &(Answer, String)| {
        let mut answer = answer.clone();
        answer.text = answer.text.replace(own, "OWN");
        answer.unstamped()
    };
    let first = plain(&answers[0]);
    for answer in answers {
        let (answer, first) = (plain(answer), first.bytes());
        let (status, headers, text) = answer.bytes();
        assert_eq!((status, headers), (first.0, first.1), "{what}");
        assert!(text == first.2, "other bytes: {what}");
    }
}

#[tokio::test]
async fn nobody_is_told_who_is_known() {
    let pages = Pages::start().await;
    let states = every_state(&pages).await;
    let stamps = pages.stamps(states.len()).await;
    let mut answers = Vec::new();
    for ((address, _), stamp) in states.iter().zip(&stamps) {
        let (writes, [intake, queue, _]) = (pages.writes(), pages.rows().await);
        let answer = pages.post("/", &sign_up_form(address, stamp)).await;
        let [intake_after, queue_after, _] = pages.rows().await;
        assert_eq!(pages.writes() - writes, 1, "one write for {address}");
        assert_eq!(
            (intake_after - intake, queue_after),
            (1, queue),
            "{address}"
        );
        answers.push((answer, "none".to_owned()));
    }
    assert_eq!(answers[0].0.status, 200);
    assert_alike(&answers, "POST /");

    let mut answers = Vec::new();
    for ((address, _), stamp) in states.iter().zip(&stamps) {
        // Pressed twice: nothing more is written, for nobody.
        let writes = pages.writes();
        let answer = pages.post("/", &sign_up_form(address, stamp)).await;
        assert_eq!(pages.writes(), writes, "a second press for {address}");
        answers.push((answer, "none".to_owned()));
    }
    assert_eq!(answers[0].0.status, 200);
    assert_alike(&answers, "POST / again");

    let mut answers = Vec::new();
    let stamp = pages.stamp().await;
    for (address, _) in &states {
        // With a mistake in it, and what was typed on the page.
        let form = sign_up_form(address, &stamp).replace("&age=yes", "");
        answers.push((pages.post("/", &form).await, (*address).to_owned()));
    }
    assert_eq!(answers[0].0.status, 422);
    assert_alike(&answers, "POST / with a problem");

    for (method, kind, body) in [
        (Method::GET, "", ""),
        (Method::HEAD, "", ""),
        (Method::POST, FORM, ONE_CLICK),
        (Method::POST, FORM, "scope=list"),
        (Method::POST, FORM, "scope=all&lang=cy"),
    ] {
        let mut answers = Vec::new();
        for (_, out) in &states {
            let answer = pages.send(request(method.clone(), out, kind, body)).await;
            answers.push((answer, out.clone()));
        }
        assert_eq!(answers[0].0.status, 200, "{method} {body}");
        assert_alike(&answers, &format!("{method} /u/ {body}"));
    }
    for method in [Method::GET, Method::POST] {
        let mut answers = Vec::new();
        for (_, out) in &states {
            let never = out.replace("/u/", "/n/");
            let answer = pages.send(request(method.clone(), &never, "", "")).await;
            answers.push((answer, never));
        }
        assert_eq!(answers[0].0.status, 200);
        assert_alike(&answers, &format!("{method} /n/"));
    }
}

/// How often each of these requests looks something up.
async fn looks(pages: &Pages, requests: &[(Method, String, String)]) -> Vec<u64> {
    let mut all = Vec::new();
    for (method, path, body) in requests {
        let kind = if body.is_empty() { "" } else { FORM };
        let before = pages.reads();
        let answer = pages.send(request(method.clone(), path, kind, body)).await;
        assert!(answer.status < 500, "{method} {path}: {}", answer.status);
        all.push(pages.reads() - before);
    }
    all
}

/// Invariant 6: who signs up is not looked up; who withdraws is, as often for everybody.
#[tokio::test]
async fn what_is_looked_up_does_not_depend_on_who_is_known() {
    let pages = &Pages::start().await;
    let states = every_state(pages).await;
    let stamp = &pages.stamp().await;
    let stamps = &pages.stamps(states.len()).await;
    let of = |each: &dyn Fn(&str, &str) -> (Method, String, String)| -> Vec<_> {
        states
            .iter()
            .map(|(address, out)| each(address, out))
            .collect()
    };
    let none = vec![0; states.len()];
    let sign_up: Vec<_> = states
        .iter()
        .zip(stamps)
        .map(|((address, _), stamp)| (Method::POST, "/".to_owned(), sign_up_form(address, stamp)))
        .collect();
    for press in ["POST /", "POST / again"] {
        assert_eq!(looks(pages, &sign_up).await, none, "{press}");
    }
    let wrong = of(&|address, _| {
        let form = sign_up_form(address, stamp).replace("&age=yes", "");
        (Method::POST, "/".to_owned(), form)
    });
    assert_eq!(looks(pages, &wrong).await, none, "POST / with a problem");
    for path in ["/", "/privacy", "/nowhere"] {
        let page = [(Method::GET, path.to_owned(), String::new())];
        assert_eq!(looks(pages, &page).await, [0], "GET {path}");
    }
    for (address, _) in &states {
        let before = pages.reads();
        let address = EmailAddress::parse(address).unwrap();
        pages
            .consent
            .subscribe_by_mail(address, "news")
            .await
            .unwrap();
        assert_eq!(pages.reads(), before, "a mail to +subscribe");
    }
    let look = of(&|_, out| (Method::GET, out.to_owned(), String::new()));
    assert_eq!(looks(pages, &look).await, none, "GET /u/");
    let look = of(&|_, out| (Method::GET, out.replace("/u/", "/n/"), String::new()));
    assert_eq!(looks(pages, &look).await, none, "GET /n/");
    let leave = of(&|_, out| (Method::POST, out.to_owned(), ONE_CLICK.to_owned()));
    let counts = looks(pages, &leave).await;
    assert!(
        counts.iter().all(|count| *count == counts[0]),
        "POST /u/: {counts:?}"
    );
    let never = of(&|_, out| {
        (
            Method::POST,
            out.replace("/u/", "/n/"),
            "lang=en".to_owned(),
        )
    });
    let counts = looks(pages, &never).await;
    assert!(
        counts.iter().all(|count| *count == counts[0]),
        "POST /n/: {counts:?}"
    );
}

#[tokio::test]
async fn a_link_that_does_not_work_is_looked_up_once_whatever_is_wrong_with_it() {
    let pages = &Pages::start().await;
    pages.sign_up("used@far.example").await;
    pages.sign_up("expired@far.example").await;
    pages.work().await;
    let used = pages.link_to("used@far.example", "/c/").await;
    let expired = pages.link_to("expired@far.example", "/c/").await;
    assert_eq!(pages.post(&used, "").await.status, 200);
    pages.pass(SignedDuration::from_hours(7 * 24 + 1));
    let unknown = hustings::vault::ConfirmToken::generate();
    let unknown = format!("/c/{}", *unknown.to_text());
    for method in [Method::GET, Method::POST] {
        let links =
            [&used, &expired, &unknown].map(|link| (method.clone(), link.clone(), String::new()));
        let counts = looks(pages, &links).await;
        assert_eq!(counts, [counts[0]; 3], "{method} /c/");
    }
}

#[tokio::test]
async fn a_link_that_does_not_work_never_says_why() {
    let pages = Pages::start().await;
    pages.sign_up("used@far.example").await;
    pages.sign_up("expired@far.example").await;
    pages.work().await;
    let used = pages.link_to("used@far.example", "/c/").await;
    let expired = pages.link_to("expired@far.example", "/c/").await;
    assert_eq!(pages.post(&used, "").await.status, 200);
    pages.pass(SignedDuration::from_hours(7 * 24 + 1));
    let unknown = hustings::vault::ConfirmToken::generate();
    let unknown = format!("/c/{}", *unknown.to_text());
    let tokens = [
        used,
        expired,
        unknown,
        "/c/x".to_owned(),
        "/c/%ff%00".to_owned(),
    ];
    for method in [Method::GET, Method::POST] {
        let mut answers = Vec::new();
        for path in tokens.iter().take(4) {
            let kind = if method == Method::POST { FORM } else { "" };
            let answer = pages.send(request(method.clone(), path, kind, "")).await;
            answers.push((answer, "none".to_owned()));
        }
        assert_eq!(answers[0].0.status, 404);
        assert_alike(&answers, &format!("{method} /c/"));
    }
    let refused = pages.get(&tokens[4]).await.status;
    assert!((400..500).contains(&refused), "{refused}");
    // A link that stops our mail never expires: whoever has cut one off must not be told that it did.
    let stop = pages.get("/u/x").await;
    assert!(stop.status == 404 && stop.text.contains("never expire"));
}

/// How often each is timed.
const TIMES: usize = 15;

/// For each state the middle of so many times. They take turns: what keeps the machine busy meets all of them.
async fn medians<F: Future<Output = Answer>>(
    states: usize,
    mut ask: impl FnMut(usize, usize) -> F,
) -> Vec<Duration> {
    let mut times = vec![Vec::new(); states];
    for n in 0..TIMES {
        for (state, times) in times.iter_mut().enumerate() {
            let began = Instant::now();
            assert_eq!(ask(state, n).await.status, 200);
            times.push(began.elapsed());
        }
    }
    let middle = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    times.into_iter().map(middle).collect()
}

#[tokio::test]
async fn the_time_of_an_answer_tells_nothing() {
    let pages = &Pages::start().await;
    let states = &every_state(pages).await;
    let all = states.len();
    let stamps = &pages.stamps(TIMES * all).await;
    let signing_up = async |state: usize, n: usize| {
        let form = sign_up_form(states[state].0, &stamps[n * all + state]);
        pages.post("/", &form).await
    };
    assert_same_class(&medians(all, signing_up).await, "POST /");
    let looking = |state: usize, _| pages.get(&states[state].1);
    assert_same_class(&medians(all, looking).await, "GET /u/");
    let leaving = |state: usize, _| pages.post(&states[state].1, ONE_CLICK);
    assert_same_class(&medians(all, leaving).await, "POST /u/");
}

/// Generous, since a test machine is busy: what must not be is that one of them waits for something that others don't.
fn assert_same_class(medians: &[Duration], what: &str) {
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    let limit = *least * 4 + Duration::from_millis(20);
    assert!(*most <= limit, "{what}: {medians:?}");
}
