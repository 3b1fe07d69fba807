//! The letters that a connection needs next, made while the one before is on its way: a room signs in the background,
//! and the attempts of several share one commit.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::desk::{Cargo, Destination, Job};
use super::failure::Failure;
use crate::delivery::classify::Cause;
use crate::delivery::parcel::{Attempted, Letter, Loaded, Parcel, ParcelKey};
use crate::delivery::policy::TlsWish;
use crate::smtp::client::{CommandError, Envelope, WirePath};
use crate::store::DsnWish;

enum Load {
    Made(Box<Cargo>),
    Making(ParcelKey, AbortOnDropHandle<Option<Cargo>>),
}

/// The next letters of one courier, in their order.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    to: Destination,
    queue: VecDeque<Load>,
    /// How many are made at once; one until there is a connection.
    pub(super) depth: usize,
}

impl Ahead {
    pub(super) fn new(shared: Arc<Shared>, to: Destination) -> Self {
        Self {
            shared,
            to,
            queue: VecDeque::new(),
            depth: 1,
        }
    }

    /// Takes jobs from the desk until enough are being made.
    fn fill(&mut self) {
        while self.queue.len() < self.depth {
            let Some(job) = self.shared.desk.take(&self.to) else {
                return;
            };
            self.queue.push_back(match job {
                Job::Loaded(cargo) => Load::Made(cargo),
                Job::Fresh(parcel) => {
                    let key = parcel.key();
                    let making = tokio::spawn(make(self.shared.clone(), parcel));
                    Load::Making(key, AbortOnDropHandle::new(making))
                }
            });
        }
    }

    /// The next letter; waits until it is made. None if nothing more waits for this destination.
    pub(super) async fn next(&mut self) -> Option<Cargo> {
        loop {
            self.fill();
            let load = self.queue.pop_front()?;
            if let Some(cargo) = self.made(load).await {
                self.fill();
                return Some(cargo);
            }
        }
    }

    /// The next letter, if it is made by now.
    pub(super) async fn next_if_made(&mut self) -> Option<Cargo> {
        loop {
            self.fill();
            let load = self.queue.pop_front_if(|load| match load {
                Load::Made(_) => true,
                Load::Making(_, making) => making.is_finished(),
            })?;
            if let Some(cargo) = self.made(load).await {
                self.fill();
                return Some(cargo);
            }
        }
    }

    async fn made(&self, load: Load) -> Option<Cargo> {
        let made = match load {
            Load::Made(cargo) => Some(*cargo),
            Load::Making(key, making) => making.await.unwrap_or_else(|_| {
                self.shared.desk.rest(key);
                None
            }),
        };
        if made.is_none() {
            self.shared.desk.unsent(&self.to);
        }
        made
    }

    /// Puts a letter that could not be sent back in front.
    pub(super) fn back(&mut self, cargo: Cargo) {
        self.queue.push_front(Load::Made(Box::new(cargo)));
    }

    /// All letters that were begun.
    pub(super) async fn drain(&mut self) -> Vec<Cargo> {
        let mut cargos = Vec::with_capacity(self.queue.len());
        while let Some(load) = self.queue.pop_front() {
            cargos.extend(self.made(load).await);
        }
        cargos
    }
}

async fn make(shared: Arc<Shared>, parcel: Arc<dyn Parcel>) -> Option<Cargo> {
    match parcel.load().await {
        Loaded::Ready(letter) => match envelope(&letter, parcel.wish()) {
            Ok(envelope) => Some(Cargo {
                parcel,
                letter,
                envelope,
            }),
            Err(error) => {
                let failure = Failure::new(Cause::Unknown, true, format!("5.1.3 {error}"));
                let attempted = Attempted {
                    fate: failure.fate(),
                    at: shared.clock.now(),
                };
                shared.desk.count(false);
                shared.gate.settle(&shared.desk, parcel, attempted).await;
                None
            }
        },
        Loaded::Gone => {
            shared.desk.finished(parcel.key());
            None
        }
        Loaded::NotNow => {
            shared.desk.rest(parcel.key());
            None
        }
    }
}

fn envelope(letter: &Letter, wish: TlsWish) -> Result<Envelope, CommandError> {
    let reverse = letter
        .reverse_path
        .as_ref()
        .map(WirePath::new)
        .transpose()?;
    let mut envelope = Envelope::new(reverse, WirePath::new(&letter.recipient)?);
    if let Some(size) = letter.size {
        envelope = envelope.with_size(size);
    }
    if letter.eight_bit {
        envelope = envelope.with_eight_bit();
    }
    if letter.utf8 {
        envelope = envelope.with_utf8_headers();
    }
    if wish == TlsWish::Required {
        envelope = envelope.with_require_tls();
    }
    Ok(match &letter.dsn {
        Some(wish) => envelope.with_dsn(DsnWish::clone(wish)),
        None => envelope,
    })
}
