//! One request while it is being answered: who asks, and the way back to them.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::ask::Ask;
use super::failure::Failure;
use super::frame::{BODY_MAX, Frame, FrameError, Kind};
use super::secret_text::SecretText;
use crate::staff::{Actor, Caller};

/// How far long work has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being worked on: a table's name, "copies".
    pub what: String,
    /// How much is done.
    pub done: u64,
    /// Of how much; none if that's not known.
    pub total: Option<u64>,
}

/// The half of the connection that the client speaks on.
pub(super) struct Incoming {
    pub(super) reader: OwnedReadHalf,
    pub(super) body: bool,
    pub(super) patience: Duration,
}

/// The way back to the client, and what may still come from it.
pub(super) struct Wire {
    pub(super) caller: Caller,
    /// A code of the caller's second factor, if they gave one.
    pub(super) code: Option<SecretText>,
    pub(super) out: mpsc::Sender<Frame>,
    pub(super) incoming: Incoming,
}

/// A request being answered.
pub struct Call<A: Ask> {
    wire: Wire,
    ask: PhantomData<fn() -> A>,
}

/// Reports progress from where nothing can wait. Reports that the client is too slow for are left out.
#[derive(Clone)]
pub struct ProgressHandle(mpsc::Sender<Frame>);

impl ProgressHandle {
    /// Reports how far the work has come.
    pub fn report(&self, what: &str, done: u64, total: Option<u64>) {
        let progress = Progress {
            what: what.to_owned(),
            done,
            total,
        };
        if let Ok(frame) = Frame::json(Kind::Progress, &progress) {
            let _ = self.0.try_send(frame);
        }
    }

    /// Whether the client has gone, so that the work is for nobody.
    pub fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

impl<A: Ask> Call<A> {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            ask: PhantomData,
        }
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.wire.caller
    }

    /// The code of their second factor that who asks gave with the request; whether it's good, the staff room says.
    pub fn code(&self) -> Option<&str> {
        self.wire.code.as_ref().map(SecretText::reveal)
    }

    /// The staff member who asks; the desk lets nobody else pass where the request needs one.
    ///
    /// # Errors
    /// A refusal if nobody in particular asks.
    pub fn actor(&self) -> Result<&Actor, Failure> {
        self.wire.caller.actor().map_err(|error| {
            Failure::from_error(
                super::Class::Refused,
                format!("can't do \"{}\"", A::NAME),
                &error,
            )
        })
    }

    /// Sends a row; waits while the client is slow.
    ///
    /// # Errors
    /// [`Class::Gone`](super::Class::Gone) if the client has gone: stop the work and pass it on.
    pub async fn row(&self, row: &A::Row) -> Result<(), Failure> {
        self.send(Frame::json(Kind::Row, row)).await
    }

    /// Sends a line for the person who waits.
    ///
    /// # Errors
    /// As [`Call::row`].
    pub async fn note(&self, text: &str) -> Result<(), Failure> {
        self.send(Frame::json(Kind::Note, &text)).await
    }

    /// A handle for progress reports.
    pub fn progress(&self) -> ProgressHandle {
        ProgressHandle(self.wire.out.clone())
    }

    /// Sends bytes of a body to the client; waits while the client is slow.
    ///
    /// # Errors
    /// As [`Call::row`].
    pub async fn send_body(&self, bytes: &[u8]) -> Result<(), Failure> {
        for piece in bytes.chunks(BODY_MAX) {
            self.send(Frame::new(Kind::Body, piece.to_vec())).await?;
        }
        Ok(())
    }

    /// The next piece of the client's body; `None` at its end.
    ///
    /// # Errors
    /// A failure if the client goes, stays silent too long, or sends something else.
    pub async fn next_body(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let incoming = &mut self.wire.incoming;
        if !incoming.body {
            return Ok(None);
        }
        let read = tokio::time::timeout(incoming.patience, Frame::read(&mut incoming.reader));
        match read.await {
            Ok(Ok(Some(frame))) if frame.kind == Kind::Body => Ok(Some(frame.payload)),
            Ok(Ok(Some(frame))) if frame.kind == Kind::End => {
                incoming.body = false;
                Ok(None)
            }
            Ok(Ok(None)) => Err(Failure::gone()),
            Ok(Ok(Some(_))) => Err(bad_body::<A>("another frame came in its midst")),
            Ok(Err(FrameError::Io(_) | FrameError::Cut)) => Err(Failure::gone()),
            Ok(Err(error)) => Err(bad_body::<A>(&error.to_string())),
            Err(_) => Err(bad_body::<A>("nothing came for too long")),
        }
    }

    /// Returns when the client has gone. Only for requests whose body, if any, was read to its end.
    pub async fn gone(&mut self) {
        tokio::select! {
            () = self.wire.out.closed() => {}
            // Nothing more may come: whatever this brings, the conversation is over.
            _ = Frame::read(&mut self.wire.incoming.reader) => {}
        }
    }

    async fn send(&self, frame: Result<Frame, FrameError>) -> Result<(), Failure> {
        let frame = frame.map_err(|error| {
            Failure::from_error(
                super::Class::Failed,
                format!("can't answer \"{}\"", A::NAME),
                &error,
            )
        })?;
        self.wire.out.send(frame).await.map_err(|_| Failure::gone())
    }
}

fn bad_body<A: Ask>(why: &str) -> Failure {
    Failure::failed(
        format!("can't read what \"{}\" was given", A::NAME),
        why,
        "nothing more was read; try again",
    )
}
