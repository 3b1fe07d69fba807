//! The sandbox, put together: the stage, the world outside of it, a clock that moves, and the daemon at work in between.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use jiff::Timestamp;
use tokio::net::TcpListener;

use super::browser::Browser;
use super::caller::Socket;
use super::inbox::{Inbox, InboxLimits};
use super::outside::{Outside, Polite};
use super::stage::{HOST, Person, Plan, Stage, StageError};
use crate::clock::Clock;
use crate::daemon::rooms::Rooms;
use crate::daemon::serve::{Doors, Running};
use crate::tls::{Certificates, Door, SelfMadeCa, server_config};
use std::sync::Arc;

/// The name of the outside world's server.
const OUTSIDE: &str = "outside.example";

/// A sandbox at work.
pub struct World {
    /// The party.
    pub stage: Stage,
    /// Everybody else.
    pub outside: Outside,
    /// The clock of both.
    pub clock: Clock,
    /// Ada, who writes.
    pub sender: Person,
    running: Running,
}

impl World {
    /// Sets everything up and starts it.
    ///
    /// # Errors
    /// A [`StageError`] with what did not work.
    pub async fn open(directory: Option<PathBuf>, first: Option<u16>) -> Result<Self, StageError> {
        let clock = Clock::movable();
        let outside = outside(&clock).await?;
        let mut plan = Plan::new(outside.address()).ports_from(first);
        plan.directory = directory;
        let stage = Stage::set(plan).await?;
        // In a directory that was kept while it was locked: nobody could unlock it before it runs.
        stage.forget_lock()?;
        let running = stage.start(clock.clone()).await?;
        let sender = stage.sender().await?;
        Ok(Self {
            stage,
            outside,
            clock,
            sender,
            running,
        })
    }

    /// Where the daemon listens.
    pub fn doors(&self) -> &Doors {
        &self.running.doors
    }

    /// The address of a door.
    ///
    /// # Errors
    /// [`StageError::NoDoor`].
    pub fn door(&self, name: &'static str) -> Result<SocketAddr, StageError> {
        door(self.doors(), name)
    }

    /// A browser at the party's pages, over TLS.
    ///
    /// # Errors
    /// [`StageError::NoDoor`].
    pub fn browser(&self) -> Result<Browser, StageError> {
        let door = self.door("https")?;
        Ok(Browser::secured(door, HOST, self.stage.trust().clone()))
    }

    /// The control socket, as Ben.
    pub fn socket(&self) -> Socket {
        self.stage.socket()
    }

    /// The rooms behind the doors.
    pub fn rooms(&self) -> Option<Arc<Rooms>> {
        self.running.rooms()
    }

    /// Ends once something asked the daemon to stop: `hustings lock`, say.
    pub async fn ended(&self) {
        self.running.wait().await;
    }

    /// Starts the daemon again, as systemd would; its ports are others, unless they were chosen. After a lock it waits for
    /// `hustings unlock`.
    ///
    /// # Errors
    /// A [`StageError`] with what did not work.
    pub async fn start_again(mut self) -> Result<Self, StageError> {
        self.running.stop().await;
        self.running = self.stage.start(self.clock.clone()).await?;
        Ok(self)
    }

    /// Stops the daemon in order; the stage stays, to be looked at.
    pub async fn stop(self) -> Stage {
        self.running.stop().await;
        self.stage
    }
}

/// The first address of a door.
///
/// # Errors
/// [`StageError::NoDoor`].
pub fn door(doors: &Doors, name: &'static str) -> Result<SocketAddr, StageError> {
    let addresses = match name {
        "smtp" => &doors.smtp,
        "submissions" => &doors.submissions,
        "submission" => &doors.submission,
        "imaps" => &doors.imaps,
        "pop3s" => &doors.pop3s,
        "https" => &doors.https,
        "http" => &doors.http,
        "plain" => &doors.plain,
        _ => return Err(StageError::NoDoor(name)),
    };
    addresses.first().copied().ok_or(StageError::NoDoor(name))
}

async fn outside(clock: &Clock) -> Result<Outside, StageError> {
    let ca = SelfMadeCa::new("The outside world's authority", Timestamp::now())?;
    let certificates = Certificates::fixed(vec![ca.issue(&[OUTSIDE])?]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let inbox = Inbox::new(InboxLimits::default());
    let tls = server_config(certificates, Door::Mx);
    Ok(Outside::start(listener, tls, inbox, clock.clone(), Polite)?)
}
