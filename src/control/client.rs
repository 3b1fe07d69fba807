//! The command line's side of the socket.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zeroize::Zeroizing;

use super::ask::Ask;
use super::call::Progress;
use super::failure::{Class, Failure};
use super::frame::{BODY_MAX, Frame, FrameError, Kind};
use super::hello::Hello;
use super::secret_text::SecretText;

/// How long the daemon may take to greet.
const GREETING: Duration = Duration::from_secs(10);

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("can't reach the daemon at {path}: {source}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The daemon said no.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The connection broke.
    #[error("lost the daemon: {0}")]
    Broken(#[from] FrameError),
}

impl ClientError {
    /// The same as a failure, with what to do next.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Broken(error) => Failure::from_error(Class::Failed, "lost the daemon", &error),
            Self::Unreachable { path, source } => {
                let next = match source.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                        "start it (systemctl start hustings), or give its socket with --socket"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "join the group that owns the socket, and log in anew"
                    }
                    _ => "check the path given with --socket or in the configuration",
                };
                Failure::failed(
                    format!("can't reach the daemon at {}", path.display()),
                    source.to_string(),
                    next,
                )
            }
        }
    }
}

/// A connection that has greeted and asks one thing.
pub struct Client {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
}

/// What comes back.
#[derive(Debug)]
pub enum Event<A: Ask> {
    /// How far the work has come.
    Progress(Progress),
    /// A line for the person who waits.
    Note(String),
    /// A row.
    Row(A::Row),
    /// A piece of a body.
    Body(Zeroizing<Vec<u8>>),
    /// The answer; nothing comes after it.
    Answer(A::Answer),
}

/// What comes back for one request, in order.
pub struct Conversation<A: Ask> {
    reader: OwnedReadHalf,
    ask: PhantomData<fn() -> A>,
}

/// The client's side of a body.
pub struct BodySender {
    writer: OwnedWriteHalf,
}

impl Client {
    /// Connects and greets.
    ///
    /// # Errors
    /// [`ClientError`] if nobody listens, or the versions don't fit.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable {
            path: path.to_owned(),
            source,
        };
        let stream = UnixStream::connect(path).await.map_err(unreachable)?;
        let (reader, writer) = stream.into_split();
        let mut client = Self { reader, writer };
        tokio::time::timeout(GREETING, client.greet())
            .await
            .map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))??;
        Ok(client)
    }

    async fn greet(&mut self) -> Result<(), ClientError> {
        let ours = Frame::json(Kind::Hello, &Hello::ours())?;
        ours.write(&mut self.writer).await.map_err(FrameError::Io)?;
        let frame = next(&mut self.reader).await?;
        if frame.kind != Kind::Hello {
            return Err(FrameError::BadKind(frame.kind as u8).into());
        }
        let theirs: Hello = read(&frame)?;
        Ok(theirs.check("daemon")?)
    }

    /// Asks. What comes back is read from the conversation; a body, if the request takes one, goes into the sender.
    ///
    /// # Errors
    /// [`ClientError`] if the request can't be sent.
    pub async fn ask<A: Ask>(self, ask: &A) -> Result<(Conversation<A>, BodySender), ClientError> {
        self.ask_with(ask, None).await
    }

    /// The same, with a code of the asker's second factor.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn ask_with<A: Ask>(
        mut self,
        ask: &A,
        code: Option<&SecretText>,
    ) -> Result<(Conversation<A>, BodySender), ClientError> {
        let code = code.map(|code| Frame::new(Kind::Code, code.reveal().as_bytes().to_vec()));
        let frames = [
            Frame::new(Kind::Ask, A::NAME.as_bytes().to_vec())?,
            Frame::json(Kind::With, ask)?,
        ];
        for frame in code.transpose()?.into_iter().chain(frames) {
            frame
                .write(&mut self.writer)
                .await
                .map_err(FrameError::Io)?;
        }
        let conversation = Conversation {
            reader: self.reader,
            ask: PhantomData,
        };
        let body = BodySender {
            writer: self.writer,
        };
        Ok((conversation, body))
    }
}

impl BodySender {
    /// Sends bytes; waits while the daemon is slow.
    ///
    /// # Errors
    /// [`ClientError::Broken`] if the connection broke. The reason, if the daemon gave one, is in the conversation.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        for piece in bytes.chunks(BODY_MAX) {
            let frame = Frame::new(Kind::Body, piece.to_vec())?;
            frame
                .write(&mut self.writer)
                .await
                .map_err(FrameError::Io)?;
        }
        Ok(())
    }

    /// Says that the body is whole.
    ///
    /// # Errors
    /// As [`BodySender::send`].
    pub async fn end(&mut self) -> Result<(), ClientError> {
        let frame = Frame::new(Kind::End, Vec::new())?;
        frame
            .write(&mut self.writer)
            .await
            .map_err(FrameError::Io)?;
        Ok(())
    }
}

impl<A: Ask> Conversation<A> {
    /// What comes next.
    ///
    /// # Errors
    /// [`ClientError`]: the daemon's failure, or a broken connection.
    pub async fn next(&mut self) -> Result<Event<A>, ClientError> {
        let frame = next(&mut self.reader).await?;
        Ok(match frame.kind {
            Kind::Progress => Event::Progress(read(&frame)?),
            Kind::Note => Event::Note(read(&frame)?),
            Kind::Row => Event::Row(read(&frame)?),
            Kind::Body => Event::Body(frame.payload),
            Kind::Answer => Event::Answer(read(&frame)?),
            other => return Err(FrameError::BadKind(other as u8).into()),
        })
    }
}

/// The next frame; a failure in its place is an error.
async fn next(reader: &mut OwnedReadHalf) -> Result<Frame, ClientError> {
    let frame = Frame::read(reader).await?.ok_or(FrameError::Cut)?;
    if frame.kind == Kind::Failure {
        let failure: Failure = read(&frame)?;
        return Err(failure.into());
    }
    Ok(frame)
}

fn read<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, ClientError> {
    serde_json::from_slice(&frame.payload).map_err(|_| {
        ClientError::Failure(Failure::failed(
            "can't read the daemon's answer",
            "it has another shape than this version knows",
            "use the same version for both: restart the service after an upgrade",
        ))
    })
}
