//! The whole story by itself, against the real daemon, through its real doors: subscribe, confirm, send, approve, receive,
//! withdraw, and prove it. Each step says what was seen; the first that doesn't hold ends it.

mod consent;
mod mailing;
mod proof;
mod tell;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use tell::Colours;
use tell::Teller;

use super::browser::Page;
use super::inbox::{Inbox, Mail};
use super::peer::Dialogue;
use super::stage::{Stage, StageError};
use super::world::World;
use crate::control::Failure;

/// How long a step may take.
const STEP: Duration = Duration::from_secs(30);
/// How long a mail may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(15);

/// Elen signs up and withdraws.
const ELEN: &str = "Elen.Morgan@voters.example";
/// Tom signs up and stays.
const TOM: &str = "tom.okafor@elsewhere.example";
/// Elen's constituency.
const CONSTITUENCY: &str = "Leeds East";
/// The subject of the first mailing.
const SUBJECT: &str = "Marigold hustings on Thursday";
/// A sentence of its text.
const SENTENCE: &str = "Bring a neighbour to the cartwheel hall at seven";
/// What the attachment says.
const LEAFLET: &str = "The marigold leaflet, page one of one.";
/// The subject of the second mailing.
const SECOND: &str = "Thank you all for coming";

/// The step that did not hold, and why.
#[derive(Debug, thiserror::Error)]
#[error("the step \"{step}\" did not hold: {why}")]
pub struct Broken {
    /// Its title.
    pub step: &'static str,
    /// What was seen instead.
    pub why: String,
}

/// What was seen that should not have been.
#[derive(Debug)]
struct Amiss(String);

impl From<String> for Amiss {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<&str> for Amiss {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<std::io::Error> for Amiss {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<StageError> for Amiss {
    fn from(error: StageError) -> Self {
        Self(error.to_string())
    }
}

impl From<Failure> for Amiss {
    fn from(failure: Failure) -> Self {
        Self(format!("{}: {}", failure.what, failure.why))
    }
}

type Step = Result<(), Amiss>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Step {
    if holds { Ok(()) } else { Err(Amiss(why())) }
}

/// The story so far.
struct Story {
    world: World,
    teller: Teller,
    /// The confirm links of Elen and Tom.
    confirm: Vec<String>,
    /// Where Elen's one click goes.
    way_out: String,
    /// Checkpoints of the consent log and the audit log, kept as an outside witness would.
    checkpoints: Vec<String>,
    /// The log of this process.
    log: Option<PathBuf>,
}

/// Runs a step and tells of it.
macro_rules! step {
    ($story:ident, $title:literal, $run:expr) => {{
        $story.teller.begin();
        let ran = tokio::time::timeout(STEP, $run).await;
        let ran = ran.unwrap_or_else(|_| Err(Amiss(format!("it took longer than {STEP:?}"))));
        if let Err(Amiss(why)) = ran {
            $story.teller.broke($title, &why);
            return Err(Broken { step: $title, why });
        }
        $story.teller.held($title);
    }};
}

/// Does the whole story. `log` is the file into which this process logs, to be looked through too.
///
/// # Errors
/// The first step that did not hold.
pub async fn walk(world: World, colours: Colours, log: Option<&Path>) -> Result<(), Broken> {
    let mut story = Story {
        world,
        teller: Teller::new(colours),
        confirm: Vec::new(),
        way_out: String::new(),
        checkpoints: Vec::new(),
        log: log.map(Path::to_owned),
    };
    step!(story, "Two strangers sign up on the page", story.sign_up());
    step!(
        story,
        "Each gets one mail that asks: was it you?",
        story.challenged()
    );
    step!(story, "Opening the link changes nothing", story.look());
    step!(
        story,
        "The button subscribes; a welcome mail says the way out",
        story.confirm()
    );
    step!(
        story,
        "No mail in the clear, on any door",
        story.refused_in_the_clear()
    );
    step!(
        story,
        "Ada sends to the list over TLS, with her password",
        story.send()
    );
    step!(
        story,
        "It is held until a second person, Ben, approves",
        story.approve()
    );
    step!(
        story,
        "Each subscriber gets a copy of their own, signed",
        story.copies()
    );
    step!(story, "One click unsubscribes, at once", story.one_click());
    step!(
        story,
        "The next mailing passes Elen by",
        story.second_mailing()
    );
    step!(story, "Both logs prove what happened", story.evidence());
    step!(
        story,
        "Every sealed value opens and is whole",
        story.store()
    );
    step!(
        story,
        "No byte on the disk gives anybody away",
        story.leaks_while_running()
    );
    let Story {
        mut teller,
        world,
        log,
        ..
    } = story;
    teller.begin();
    let title = "Nor does it when the daemon has stopped, nor the log";
    let stage: Stage = world.stop().await;
    if let Err(Amiss(why)) = proof::leaks_at_rest(&mut teller, &stage, log.as_deref()) {
        teller.broke(title, &why);
        return Err(Broken { step: title, why });
    }
    teller.held(title);
    teller.say("All of it held.");
    Ok(())
}

impl Story {
    fn inbox(&self) -> &Inbox {
        self.world.outside.inbox()
    }

    /// The mail to this address that fits, held or to come.
    async fn arrives(&self, to: &str, fits: impl Fn(&Mail) -> bool) -> Result<Arc<Mail>, Amiss> {
        let waiting = self.inbox().wait_for(|mail| mail.is_to(to) && fits(mail));
        tokio::time::timeout(ARRIVAL, waiting)
            .await
            .map_err(|_| Amiss(format!("no such mail arrived within {ARRIVAL:?}")))
    }

    /// Says what was talked with a server.
    fn heard(&mut self, dialogue: &Dialogue) {
        self.teller.saw_all(dialogue.transcript());
    }

    /// Says how a mail came and what its head says.
    fn saw_mail(&mut self, mail: &Mail, fields: &[&str]) {
        self.teller.saw(format!(
            "outside got mail {} over {}: MAIL FROM:<{}>, RCPT TO:<{}>",
            mail.number,
            mail.tls,
            shortened(&mail.reverse_path),
            mail.recipients.join(">, <"),
        ));
        for field in fields {
            if let Some(value) = mail.header(field) {
                self.teller.saw(format!("{field}: {value}"));
            }
        }
    }
}

/// Tokens are long: their beginning is enough.
fn shortened(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) if local.len() > 24 => {
            format!("{}…@{domain}", &local.chars().take(12).collect::<String>())
        }
        _ => address.to_owned(),
    }
}

fn expect_page(page: &Page, status: u16) -> Step {
    ensure(page.status.as_u16() == status, || {
        format!(
            "the page answered {} ({}), expected {status}",
            page.status,
            page.heading()
        )
    })
}
