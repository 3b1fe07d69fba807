//! The driver: moves bytes between a stream and the core, and keeps the time.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::smtp::client::core::{Answers, Core, Event, Step};
use crate::smtp::client::error::ClientError;
use crate::smtp::client::phase::{Phase, Timeouts};
use crate::smtp::client::reply_parser::ReplyError;
use crate::smtp::reply::Reply;

/// A write goes out when this much has gathered. Two TLS records: a usual copy, its dot and the next envelope leave
/// in one system call, and a connection never holds more of a message than this.
const FLUSH_AT: usize = 32 * 1024;
const READ: usize = 4 * 1024;
/// The longest that the write of a dot may take: it is at most [`FLUSH_AT`] octets and an envelope, and a permission is
/// held for it that others may wait for.
const DOT_WRITE: Duration = Duration::from_secs(30);
/// How long to listen for the last words of a server that broke off while we wrote.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a connection runs over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    pub(super) core: Core,
    pub(super) timeouts: Timeouts,
}

impl<S: Stream> Wire<S> {
    /// Writes what is to be written and waits for what comes of it.
    async fn event(&mut self) -> Result<Event, ClientError> {
        loop {
            let phase = self.core.phase();
            let limit = self.timeouts.of(phase);
            let event = timeout(limit, self.reply())
                .await
                .map_err(|_| ClientError::TimedOut(phase))?;
            if let Some(event) = event? {
                return Ok(event);
            }
        }
    }

    /// Takes one reply.
    async fn reply(&mut self) -> Result<Option<Event>, ClientError> {
        self.flush_now().await?;
        loop {
            match self.core.step()? {
                Step::NeedBytes => self.read().await?,
                Step::Taken => return Ok(None),
                Step::Event(event) => return Ok(Some(event)),
            }
        }
    }

    /// The reply to a simple command.
    pub(super) async fn answer(&mut self) -> Result<Reply, ClientError> {
        let phase = self.core.phase();
        match self.event().await? {
            Event::Answer(reply) => Ok(reply),
            _ => Err(ClientError::Protocol(phase, ReplyError::OutOfPlace)),
        }
    }

    /// The reply to the final dot.
    pub(super) async fn done(&mut self) -> Result<Reply, ClientError> {
        match self.event().await? {
            Event::Done(reply) => Ok(reply),
            _ => Err(ClientError::Protocol(
                Phase::FinalDot,
                ReplyError::OutOfPlace,
            )),
        }
    }

    /// The replies to an envelope, and whether the message may follow.
    pub(super) async fn opened(&mut self) -> Result<(Answers, bool), ClientError> {
        match self.event().await? {
            Event::Opened { answers, ready } => Ok((answers, ready)),
            _ => Err(ClientError::Protocol(Phase::Mail, ReplyError::OutOfPlace)),
        }
    }

    /// Sends a chunk of the message, or keeps it for a fuller write.
    pub(super) async fn body(&mut self, mut chunk: &[u8]) -> Result<(), ClientError> {
        while !chunk.is_empty() {
            let (part, rest) = chunk.split_at(chunk.len().min(FLUSH_AT));
            self.core.body(part)?;
            chunk = rest;
            if self.core.outgoing().len() >= FLUSH_AT {
                self.flush_body().await?;
            }
        }
        Ok(())
    }

    /// A server that breaks off in the middle of a message often says why first (`552`, `421`).
    async fn last_words(&mut self, error: ClientError) -> ClientError {
        let heard = timeout(LAST_WORDS, async {
            loop {
                match self.core.step() {
                    Ok(Step::NeedBytes) => self.read().await?,
                    Ok(_) => return Ok::<_, ClientError>(None),
                    Err(said) => return Ok(Some(said)),
                }
            }
        });
        match heard.await {
            Ok(Ok(Some(said @ ClientError::Refused(..)))) => said,
            _ => error,
        }
    }

    /// Writes all that has gathered of a message.
    pub(super) async fn flush_body(&mut self) -> Result<(), ClientError> {
        match timeout(self.timeouts.body, self.flush_now()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.last_words(error).await),
            Err(_) => Err(ClientError::TimedOut(Phase::Body)),
        }
    }

    /// Writes the dot with what goes beside it.
    pub(super) async fn flush_dot(&mut self) -> Result<(), ClientError> {
        let limit = self.timeouts.final_dot.min(DOT_WRITE);
        timeout(limit, self.flush_now())
            .await
            .map_err(|_| ClientError::TimedOut(Phase::FinalDot))?
    }

    async fn flush_now(&mut self) -> Result<(), ClientError> {
        if self.core.outgoing().is_empty() {
            return Ok(());
        }
        let phase = self.core.phase();
        let broken = |error: std::io::Error| ClientError::Io(phase, error.kind());
        while !self.core.outgoing().is_empty() {
            let count = self
                .stream
                .write(self.core.outgoing())
                .await
                .map_err(broken)?;
            if count == 0 {
                return Err(ClientError::Closed(phase));
            }
            self.core.wrote(count);
        }
        self.stream.flush().await.map_err(broken)
    }

    async fn read(&mut self) -> Result<(), ClientError> {
        let phase = self.core.phase();
        let mut buffer = [0; READ];
        match self.stream.read(&mut buffer).await {
            // A peer that ends without close_notify has closed like any other.
            Ok(0) => Err(ClientError::Closed(phase)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(ClientError::Closed(phase))
            }
            Err(error) => Err(ClientError::Io(phase, error.kind())),
            Ok(count) => {
                self.core.received(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// Whether an idle connection is still good: nothing came (a 421, an end) since its last reply. Doesn't wait.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut space = [0; 1];
        let mut buffer = ReadBuf::new(&mut space);
        let mut context = Context::from_waker(Waker::noop());
        let read = std::pin::Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer);
        !self.core.has_unasked() && matches!(read, Poll::Pending)
    }
}
