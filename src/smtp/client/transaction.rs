//! One message on an encrypted session: [`Opening`] → [`Ready`] → [`AwaitingDot`] → outcome.
//!
//! The final dot is a step of its own, since it is the moment at which a message can't be called back: the caller
//! gives it when the last copy's outcome is on disk and the recipient's consent has been read again. Until then the
//! connection may carry everything else, and with the dot goes the next envelope, in the same write.

use std::time::Instant;

use tokio_rustls::client::TlsStream;

use crate::smtp::client::core::Answers;
use crate::smtp::client::envelope::{Envelope, Unfit};
use crate::smtp::client::error::ClientError;
use crate::smtp::client::phase::Phase;
use crate::smtp::client::session::{Encrypted, Inner};
use crate::smtp::client::wire::{Stream, Wire};
use crate::smtp::reply::Reply;

/// An envelope whose replies are due.
#[derive(Debug)]
pub struct Opening<S>(Box<Inner<S>>);

/// What came of an envelope.
#[derive(Debug)]
pub enum Opened<S> {
    /// The server waits for the message; at least one recipient was taken.
    Ready(Ready<S>),
    /// No recipient was taken. The session is still good.
    Refused(Encrypted<S>, Answers),
}

impl<S: Stream> Opening<S> {
    pub(super) fn new(inner: Box<Inner<S>>) -> Self {
        Self(inner)
    }

    /// Waits for the replies.
    ///
    /// # Errors
    /// [`ClientError`] if the conversation ended; nothing of the message has been sent.
    pub async fn opened(mut self) -> Result<Opened<S>, ClientError> {
        let (answers, ready) = self.0.wire.opened().await?;
        self.0.last_used = Instant::now();
        Ok(if ready {
            Opened::Ready(Ready {
                inner: self.0,
                answers,
            })
        } else {
            Opened::Refused(Encrypted(self.0), answers)
        })
    }
}

/// The server waits for the message.
#[derive(Debug)]
pub struct Ready<S> {
    inner: Box<Inner<S>>,
    answers: Answers,
}

impl<S: Stream> Ready<S> {
    /// The replies to the envelope: some recipients may have been refused.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Sends a whole message given in chunks of any size, but for its final dot. A small message stays in the write
    /// buffer and leaves together with its dot.
    ///
    /// # Errors
    /// [`ClientError`]; the connection is closed without the dot, so nothing is delivered.
    pub async fn send_body<C: AsRef<[u8]>>(
        mut self,
        chunks: impl IntoIterator<Item = C>,
    ) -> Result<AwaitingDot<S>, ClientError> {
        for chunk in chunks {
            self.write(chunk.as_ref()).await?;
        }
        self.end_body()
    }

    /// Sends one chunk; for messages that are read from the store piece by piece. After an error the message can't
    /// be ended.
    ///
    /// # Errors
    /// As [`Ready::send_body`].
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), ClientError> {
        self.inner.wire.body(chunk).await
    }

    /// Says that all chunks have been written.
    ///
    /// # Errors
    /// As [`Ready::send_body`].
    pub fn end_body(mut self) -> Result<AwaitingDot<S>, ClientError> {
        self.inner.wire.core.end_body()?;
        Ok(AwaitingDot {
            inner: self.inner,
            answers: self.answers,
        })
    }

    /// Closes the connection; nothing is delivered.
    pub fn abandon(self) {}
}

/// The message is with the server but for its final dot.
///
/// Dropping it closes the connection without the dot: nothing is delivered.
#[derive(Debug)]
#[must_use = "a message without its final dot is not delivered"]
pub struct AwaitingDot<S> {
    inner: Box<Inner<S>>,
    answers: Answers,
}

/// What became of a message whose final dot was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken it, for each recipient whose answer was positive.
    Accepted(Reply),
    /// The server has refused it.
    Refused(Reply),
    /// The dot was given, and no reply came: it may have been delivered or not.
    InDoubt(ClientError),
}

/// What the session can do after a final dot.
#[derive(Debug)]
pub enum Next<S> {
    /// The next envelope went out with the dot.
    Opening(Opening<S>),
    /// Nothing was begun, for the connection has done its share ([`Encrypted::is_spent`]).
    Spent(Encrypted<S>),
    /// Nothing was begun, for the server can't take the next message.
    Unfit(Encrypted<S>, Unfit),
    /// The connection is gone.
    Lost,
}

impl<S: Stream> AwaitingDot<S> {
    /// The replies to the envelope.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Whether the server takes over what the sender wants to be told (RFC 3461).
    pub fn tells_the_sender(&self) -> bool {
        self.inner.wire.core.offered().dsn
    }

    /// Writes what is still kept back of the message, so that a slow reader is waited for before the dot is decided.
    ///
    /// # Errors
    /// As [`Ready::send_body`].
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.inner.wire.flush_body().await
    }

    /// Gives the final dot and, in the same write, the next envelope if there is one. Returns when the dot is on the wire:
    /// whatever permission it needed can go.
    ///
    /// Once polled, the message may be delivered even if the future is dropped: that is as much in doubt as no reply.
    pub async fn give_dot(mut self, next: Option<&Envelope>) -> DotGiven<S> {
        let spent = self.inner.is_spent();
        let unfit = next.and_then(|next| self.inner.wire.core.fits(next).err());
        self.inner.wire.core.dot();
        let begun = match next {
            Some(next) if !spent && unfit.is_none() => self.inner.open(next).is_ok(),
            _ => false,
        };
        let broken = self.inner.wire.flush_dot().await.err();
        DotGiven {
            inner: self.inner,
            begun,
            unfit,
            broken,
        }
    }

    /// Gives the final dot and waits for the outcome. The session comes back if it is still good.
    pub async fn finish(self) -> (Outcome, Option<Encrypted<S>>) {
        let (outcome, next) = self.give_dot(None).await.outcome().await;
        let session = match next {
            Next::Spent(session) | Next::Unfit(session, _) => Some(session),
            Next::Opening(_) | Next::Lost => None,
        };
        (outcome, session)
    }

    /// Gives the final dot and, in the same write, the next envelope; waits for this message's outcome alone.
    ///
    /// The next message's own dot waits for its own permission.
    pub async fn finish_and_begin(self, next: &Envelope) -> (Outcome, Next<S>) {
        self.give_dot(Some(next)).await.outcome().await
    }

    /// Closes the connection without the dot: nothing is delivered.
    pub fn abandon(self) {}
}

/// The final dot has been given: the message can't be called back.
#[derive(Debug)]
#[must_use = "what became of the message has to be written down"]
pub struct DotGiven<S> {
    inner: Box<Inner<S>>,
    begun: bool,
    unfit: Option<Unfit>,
    broken: Option<ClientError>,
}

impl<S: Stream> DotGiven<S> {
    /// Waits for the message's outcome, and says what the session can do next.
    pub async fn outcome(mut self) -> (Outcome, Next<S>) {
        let outcome = match self.broken.take() {
            Some(error) => Outcome::InDoubt(error),
            None => outcome(&mut self.inner.wire).await,
        };
        let lost = matches!(outcome, Outcome::InDoubt(_)) || self.inner.wire.core.is_closing();
        self.inner.last_used = Instant::now();
        let next = match self.unfit {
            _ if lost => Next::Lost,
            _ if self.begun => Next::Opening(Opening(self.inner)),
            Some(unfit) => Next::Unfit(Encrypted(self.inner), unfit),
            None => Next::Spent(Encrypted(self.inner)),
        };
        (outcome, next)
    }
}

async fn outcome<S: Stream>(wire: &mut Wire<TlsStream<S>>) -> Outcome {
    debug_assert_eq!(wire.core.phase(), Phase::FinalDot);
    match wire.done().await {
        Ok(reply) if reply.is_positive() => Outcome::Accepted(reply),
        Ok(reply) => Outcome::Refused(reply),
        Err(error) => Outcome::InDoubt(error),
    }
}
