//! Sample data for the rehearsal of overrides, for the previews and for the tests: every page and mail once, with
//! everything in it that a page can hold, and with values that would show if escaping were lost.

use std::sync::LazyLock;

use minijinja::Value;
use minijinja::value::Serde;

use super::*;

/// What a page is named in a rehearsal, its data, and the path that shows it by GET.
pub(super) struct Scene {
    /// The page's template.
    pub(super) name: &'static str,
    /// A name for the preview of this scene.
    pub(super) title: String,
    /// The page's data.
    pub(super) view: Value,
    /// The path of the page, if GET shows it.
    pub(super) path: Option<&'static str>,
}

/// An address with markup in it, as a stranger may type it.
pub(super) const TYPED: &str = "<b>typed</b>\"&'@x.example";
/// The digest of a mailing.
pub(super) const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// The hidden time stamp.
pub(super) const STAMP: &str = "sample-stamp";
/// Where a button posts to.
pub(super) const ACTION: &str = "/sample/action";
/// The link of a mail.
pub(super) const LINK: &str = "https://lists.party.example/c/sampletoken";
/// The second link of a challenge.
pub(super) const NEVER: &str = "https://lists.party.example/n/sampletoken";
/// The way out in a mail.
pub(super) const WAY_OUT: &str = "https://lists.party.example/u/sampletoken";

pub(super) fn party() -> Party {
    Party {
        name: "The Fair & Open Party".to_owned(),
        address: "12 Mill Lane, Leeds LS1 4AP".to_owned(),
        email: "privacy@party.example".to_owned(),
        url: "https://lists.party.example".to_owned(),
        promoter: None,
        behalf: None,
        company: None,
        colour: Colour::parse("#0b6e4f").unwrap_or(Colour::INK),
        asks_constituency: true,
    }
}

pub(super) fn titles() -> Vec<Text> {
    vec![
        Text::both("News & campaigns", "Newyddion ac ymgyrchoedd"),
        Text::english("Events and volunteering"),
    ]
}

pub(super) fn purposes() -> Vec<Text> {
    vec![
        Text::both(
            "news of its campaigns and elections",
            "newyddion am ei hymgyrchoedd a'i hetholiadau",
        ),
        Text::english("invitations to events and to lend a hand"),
    ]
}

pub(super) fn choices(templates: &Templates) -> Vec<ListChoice> {
    let keys = ["news", "events"];
    let both = titles().into_iter().zip(purposes());
    keys.into_iter()
        .zip(both)
        .map(|(key, (title, purpose))| ListChoice {
            key: key.to_owned(),
            title,
            statement: templates.consent_statement(&purpose),
        })
        .collect()
}

pub(super) fn nations() -> Vec<Nation> {
    let seat = |code: &str, name: &str, cy: Option<&str>| Seat {
        code: code.to_owned(),
        name: name.to_owned(),
        cy: cy.map(str::to_owned),
    };
    let nation = |name: &str, seats| Nation {
        nation: name.to_owned(),
        seats,
    };
    vec![
        nation(
            "England",
            vec![
                seat("E14001063", "Aldershot", None),
                seat("E14001319", "Leeds East", None),
            ],
        ),
        nation(
            "Northern Ireland",
            vec![seat("N05000001", "Belfast East", None)],
        ),
        nation(
            "Scotland",
            vec![seat("S14000027", "Na h-Eileanan an Iar", None)],
        ),
        nation(
            "Wales",
            vec![
                seat("W07000089", "Clwyd East", Some("Dwyrain Clwyd")),
                seat("W07000112", "Ynys Môn", Some("Ynys Môn")),
            ],
        ),
    ]
}

fn ways_out(path: &str) -> Vec<WayOut> {
    titles()
        .into_iter()
        .map(|title| WayOut {
            title,
            way_out: path.to_owned(),
        })
        .collect()
}

pub(super) fn privacy() -> Privacy {
    let lists = titles().into_iter().zip(purposes());
    Privacy {
        date: Some(Text::both("1 November 2026", "1 Tachwedd 2026")),
        ico_number: Some("ZA123456".to_owned()),
        dpo: Some("Ann Example, dpo@party.example".to_owned()),
        no_dpo: false,
        minimum_age: 16,
        lists: lists
            .map(|(title, purpose)| ListPurpose { title, purpose })
            .collect(),
        recipients: vec![Text::english("Example Hosting Ltd, London: the server")],
        location: Some(Text::both("the United Kingdom", "y Deyrnas Unedig")),
        transfers: None,
        no_transfers: true,
        retention: Retention::default(),
        complaint_form: None,
        ogl: true,
    }
}

/// Every page, some of them in several states.
pub(super) fn pages(templates: &Templates) -> Vec<Scene> {
    let mut scenes = forms(templates);
    let (list, action) = (&titles()[0], ACTION);
    let lists = &ways_out("/u/sampletoken");
    let requested = &requested(templates);
    let nations = &nations();
    scenes.push(scene(
        "confirm",
        Some(ACTION),
        &Confirm {
            problems: vec![],
            lists: requested,
            constituency: "W07000089",
            constituencies: nations,
            action,
            days: 7,
            ogl: true,
        },
    ));
    scenes.push(scene("subscribed", None, &Subscribed { lists }));
    scenes.push(scene(
        "unsubscribe",
        Some(ACTION),
        &Unsubscribe {
            list: Some(list),
            action,
        },
    ));
    scenes.push(titled(
        "unsubscribe-from-all",
        scene(
            "unsubscribe",
            Some(ACTION),
            &Unsubscribe { list: None, action },
        ),
    ));
    // Whoever approves with a second factor must find the field for it.
    scenes.push(scene("approve", Some(ACTION), &approve(list, vec![])));
    let problems = Problem::OF_CODES.to_vec();
    scenes.push(titled(
        "approve-problems",
        scene("approve", Some(ACTION), &approve(list, problems)),
    ));
    scenes.push(scene(
        "unsubscribed",
        None,
        &Unsubscribed { list: Some(list) },
    ));
    scenes.push(titled(
        "unsubscribed-all",
        scene("unsubscribed", None, &Unsubscribed { list: None }),
    ));
    scenes.push(scene("never", Some(ACTION), &Never { action }));
    scenes.push(scene("met", Some(ACTION), &Met { action }));
    scenes.push(scene("privacy", Some("/privacy"), &privacy()));
    for kind in NoticeKind::ALL {
        let shown = scene("notice", None, &kind.page());
        scenes.push(titled(&format!("notice-{kind:?}").to_lowercase(), shown));
    }
    scenes
}

/// The sign-up form and the full form: fresh, and with every problem at once.
fn forms(templates: &Templates) -> Vec<Scene> {
    let lists = &choices(templates);
    let age = &templates.age_statement(16);
    let nations = &nations();
    let mut scenes = Vec::new();
    for problems in [vec![], Problem::ALL.to_vec()] {
        let suffix = if problems.is_empty() { "" } else { "-problems" };
        let (email, seat) = if problems.is_empty() {
            ("", "")
        } else {
            (TYPED, "E14001319")
        };
        let sign_up = scene(
            "signup",
            Some("/"),
            &SignUp {
                problems: problems.clone(),
                email,
                constituency: seat,
                lists,
                age,
                constituencies: nations,
                stamp: STAMP,
                ogl: true,
            },
        );
        scenes.push(titled(&format!("signup{suffix}"), sign_up));
        let full = scene(
            "full_form",
            Some(ACTION),
            &FullForm {
                problems,
                heard: Heard::Mail,
                constituency: seat,
                lists,
                age,
                constituencies: nations,
                stamp: STAMP,
                action: ACTION,
                ogl: true,
            },
        );
        scenes.push(titled(&format!("full_form{suffix}"), full));
    }
    scenes
}

fn approve(list: &Text, problems: Vec<Problem>) -> Approve<'_> {
    Approve {
        problems,
        sender: "ann",
        list,
        audience: Some("Leeds East, Clwyd East"),
        subject: "Rally <b>typed</b> & more",
        count: "<5",
        digest: DIGEST,
        text: "Dear friend,\n\ncome to the rally.",
        designed: Some("Dear friend,\n\ncome to the grand rally."),
        files: attached(),
        configured: true,
        factor: Factor::Code,
        action: ACTION,
    }
}

fn attached() -> &'static [String] {
    static FILES: LazyLock<[String; 1]> =
        LazyLock::new(|| ["leaflet.pdf (application/pdf, 12 KiB)".to_owned()]);
    &*FILES
}

fn requested(templates: &Templates) -> Vec<Requested> {
    let of = |choice: ListChoice| Requested {
        title: choice.title,
        statement: choice.statement.en,
        statement_lang: Lang::En,
    };
    choices(templates).into_iter().map(of).collect()
}

fn scene<P: Page>(name: &'static str, path: Option<&'static str>, page: &P) -> Scene {
    Scene {
        name,
        title: name.to_owned(),
        view: Value::from(Serde(page)),
        path,
    }
}

fn titled(title: &str, scene: Scene) -> Scene {
    Scene {
        title: title.to_owned(),
        ..scene
    }
}

/// Every mail except the footer.
pub(super) fn mails() -> Vec<(&'static str, Value)> {
    let lists = &titles();
    let ways = &ways_out(WAY_OUT);
    let (list, subject) = (&lists[0], "Rally & more <soon>");
    let (link, never_link, days, until) = (LINK, NEVER, 7, "24 November 2026, 14:00");
    let recipients = &[Unreached {
        address: "ann@far.example",
        cause: "no_tls",
        said: Some("550 5.1.1 no such <user>"),
        expired: true,
        dropped: false,
        note: None,
    }];
    let count = "<5";
    vec![
        mail(&Challenge {
            lists,
            link,
            never_link,
            days,
        }),
        mail(&OpenChallenge {
            heard: Heard::Mail,
            link,
            never_link,
            days,
        }),
        mail(&Welcome { lists: ways }),
        mail(&AlreadySubscribed { lists: ways }),
        mail(&StopQuestion { link, days }),
        mail(&FirstContact {
            link,
            never_link,
            days,
        }),
        mail(&Preview {
            id: "1f3a",
            subject,
            list,
            audience: Some("Leeds East, Clwyd East"),
            count,
            size: "12 KB",
            second_person: true,
        }),
        mail(&NotApproved {
            subject,
            list,
            audience: Some("Leeds East"),
        }),
        mail(&Approval {
            subject,
            list,
            audience: Some("Leeds East, Clwyd East"),
            sender: "ann",
            count,
            link,
            until,
        }),
        mail(&Waiting {
            count: 2,
            goes: "2026-12-05",
            held: false,
        }),
        mail(&Delayed {
            subject: Some(subject),
            recipients,
            until,
        }),
        mail(&NotDelivered {
            subject: Some(subject),
            recipients,
        }),
        mail(&Delivered {
            subject: Some(subject),
            recipients: &["someone@elsewhere.example"],
            relayed: true,
        }),
    ]
}

fn mail<M: MailView>(view: &M) -> (&'static str, Value) {
    (M::NAME, Value::from(Serde(view)))
}

/// The footer.
pub(super) fn footer() -> Value {
    Value::from(Serde(Footer {
        list: &titles()[0],
        way_out: WAY_OUT,
    }))
}
