//! A host that keeps messages in memory and can be made slow or sick.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use super::super::super::envelope::{Caller, Envelope};
use super::super::super::host::{Accepted, Body, Host, Refusal};
use super::super::super::session::tests::world;
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::staff::{Entrant, Knocked, LoginOutcome, Proof};

#[derive(Default)]
pub(super) struct Party {
    pub(super) committed: Arc<Mutex<Vec<Vec<u8>>>>,
    pub(super) abandoned: Arc<AtomicUsize>,
    pub(super) log_ins: Mutex<Vec<LoginOutcome>>,
    /// If set, commits wait for it.
    pub(super) disk: Option<Arc<Notify>>,
    pub(super) disk_is_full: bool,
    /// Who is in may be so no more.
    pub(super) shut_out: watch::Sender<bool>,
    /// Nobody is told of it, unless they ask.
    pub(super) silent: bool,
}

impl Party {
    pub(super) fn texts(&self) -> Vec<String> {
        let committed = self.committed.lock().expect("no panic");
        committed
            .iter()
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Relaxed)
    }
}

pub(super) struct Paper {
    text: Vec<u8>,
    done: bool,
    disk: Option<Arc<Notify>>,
    disk_is_full: bool,
    committed: Arc<Mutex<Vec<Vec<u8>>>>,
    abandoned: Arc<AtomicUsize>,
}

impl Body for Paper {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.text.extend_from_slice(bytes);
        if self.disk_is_full && self.text.len() > 1000 {
            return Err(Refusal::try_later());
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Accepted, Refusal> {
        if let Some(disk) = &self.disk {
            disk.notified().await;
        }
        self.done = true;
        let text = std::mem::take(&mut self.text);
        self.committed.lock().expect("no panic").push(text);
        Ok(Accepted {
            note: "Kept".into(),
        })
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        if !self.done {
            self.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Host for Party {
    type Body = Paper;

    async fn sender(&self, caller: &Caller, path: &ReversePath) -> Result<(), Refusal> {
        let own = path
            .mailbox()
            .is_some_and(|mailbox| mailbox.local() == world::USER);
        if caller.role.is_submission() && !own {
            return Err(Refusal::no_relay());
        }
        Ok(())
    }

    async fn recipient(&self, envelope: &Envelope, path: &ForwardPath) -> Result<(), Refusal> {
        if envelope.caller.staff.is_some() {
            return Ok(());
        }
        world::recipient(path)
    }

    async fn begin(&self, _: &Envelope) -> Result<Paper, Refusal> {
        Ok(Paper {
            text: Vec::new(),
            done: false,
            disk: self.disk.clone(),
            disk_is_full: self.disk_is_full,
            committed: Arc::clone(&self.committed),
            abandoned: Arc::clone(&self.abandoned),
        })
    }

    async fn credentials(&self, _: &Caller, user: &str, _: Proof) -> Result<Knocked, Refusal> {
        Ok(world::credentials(user))
    }

    async fn login(&self, _: &Caller, outcome: LoginOutcome) -> Result<Option<Entrant>, Refusal> {
        self.log_ins.lock().expect("no panic").push(outcome);
        let proven = matches!(outcome, LoginOutcome::Proven(..));
        Ok(proven.then(world::entrant))
    }

    fn still_lets_in(&self, _: Entrant) -> bool {
        !*self.shut_out.borrow()
    }

    async fn shut_out(&self, _: Entrant) {
        if self.silent {
            std::future::pending::<()>().await;
        }
        let mut shut_out = self.shut_out.subscribe();
        let _ = shut_out.wait_for(|is_out| *is_out).await;
    }
}
