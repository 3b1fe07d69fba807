//! `subscriber add`: a card that somebody filled in by hand.

use clap::ValueEnum;

use crate::cli::prompt::{self, ADDRESS_HELP};
use crate::control::Failure;
use crate::control::api::subscriber::{Add, CardChannel};

/// How somebody asked to be added
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channel {
    /// On paper
    Paper,
    /// At an event
    Event,
}

impl From<Channel> for CardChannel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Paper => Self::Paper,
            Channel::Event => Self::Event,
        }
    }
}

/// The language of a card
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// English
    En,
    /// Welsh
    Cy,
}

impl Language {
    const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Cy => "cy",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Card {
    #[arg(help = ADDRESS_HELP)]
    address: String,
    /// For this list; may be given more than once
    #[arg(
        long = "list",
        value_name = "LIST",
        required = true,
        value_delimiter = ','
    )]
    lists: Vec<String>,
    /// The constituency's code or name, if they gave one
    #[arg(long)]
    constituency: Option<String>,
    /// Where they filled it in
    #[arg(long)]
    channel: Channel,
    /// When they filled it in, as year-month-day
    #[arg(long, value_name = "DATE")]
    asked_on: String,
    /// The batch of cards that it lies in, so that it can be found
    #[arg(long, value_name = "TEXT")]
    batch: String,
    /// The statement of minimum age is ticked on the card
    #[arg(long)]
    age_stated: bool,
    /// The language of the card
    #[arg(long, default_value = "en")]
    language: Language,
}

impl Card {
    /// What is asked of the daemon.
    pub(super) fn ask(&self) -> Result<Add, Failure> {
        Ok(Add {
            address: prompt::address(&self.address)?,
            lists: self.lists.clone(),
            constituency: self.constituency.clone(),
            channel: self.channel.into(),
            asked_on: self.asked_on.clone(),
            batch: self.batch.clone(),
            age_stated: self.age_stated,
            language: self.language.tag().to_owned(),
        })
    }
}

pub(super) const ADDED: &str = "Entered. Unless it is suppressed or was asked of late, the address is asked \"was it you?\"; it is \
subscribed once its owner presses the button.\n";
