//! The socket's server: accepts, greets, learns who asks, hands the request to the desk, and writes what comes back.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::call::{Incoming, Wire};
use super::desk::Desk;
use super::failure::{Class, Failure};
use super::frame::{Frame, FrameError, Kind};
use super::hello::Hello;
use super::places::Places;
use super::secret_text::SecretText;
use crate::staff::Caller;

/// How many frames may wait for a slow client before the handler waits.
const WAITING: usize = 16;

/// How many may ask at once and how long each may take to say or read something.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, of which one user has a part; one more is told so and closed.
    pub connections: usize,
    /// For greeting and request.
    pub greeting: Duration,
    /// Between two pieces of a body from the client.
    pub body: Duration,
    /// For the client to take one frame.
    pub writing: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            greeting: Duration::from_secs(10),
            body: Duration::from_secs(300),
            writing: Duration::from_secs(60),
        }
    }
}

/// Tells who a Unix user is. While the vault is locked everybody is nobody.
pub trait WhoIs: Send + Sync + 'static {
    /// Who this user is.
    fn who_is(&self, uid: u32) -> Caller;
}

/// Makes the socket: mode 0660, in a directory of mode 0750 that is made if there is none. A socket that a dead daemon
/// left is replaced; the lock on the data directory keeps two live ones apart.
///
/// # Errors
/// What the operating system said, with the path.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("control socket {}: {error}", path.display()),
        )
    };
    if let Some(directory) = path.parent() {
        if !directory.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(directory)
                .map_err(named)?;
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o750)).map_err(named)?;
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(named)?,
        Ok(_) => {
            let why = "something that is no socket lies at its path; remove it";
            return Err(named(io::Error::new(io::ErrorKind::AlreadyExists, why)));
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(named)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(named)?;
    Ok(listener)
}

/// The control server. Desk and list of people can be exchanged while it runs: at unlock, and at reload.
pub struct Server {
    desk: ArcSwap<Desk>,
    who: ArcSwap<Box<dyn WhoIs>>,
    /// Whether requests that no handler answers are so because of the lock.
    locked: std::sync::atomic::AtomicBool,
    limits: Limits,
    places: Arc<Places>,
}

impl Server {
    /// A server for a locked vault: this desk answers what can be answered.
    pub fn new(desk: Desk, who: impl WhoIs, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            desk: ArcSwap::from_pointee(desk),
            who: ArcSwap::from_pointee(Box::new(who)),
            locked: true.into(),
            places: Places::new(limits.connections),
            limits,
        })
    }

    /// Takes the desk and the people of an unlocked vault.
    pub fn unlocked(&self, desk: Desk, who: impl WhoIs) {
        self.who.store(Arc::new(Box::new(who)));
        self.desk.store(Arc::new(desk));
        self.locked
            .store(false, std::sync::atomic::Ordering::Release);
    }

    /// Answers requests until `stop`, then waits for those that are being answered. Cancel `stop` and drop the future to
    /// wait no longer.
    pub async fn serve(self: &Arc<Self>, listener: UnixListener, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let server = self.clone();
                    tasks.spawn(async move { server.connection(stream).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept on the control socket now");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn connection(&self, stream: UnixStream) {
        // Without the kernel's word on who it is there is nobody to talk to.
        let Ok(peer) = stream.peer_cred() else { return };
        let caller = self.who.load().who_is(peer.uid());
        let (reader, writer) = stream.into_split();
        let (out, frames) = mpsc::channel(WAITING);
        let writing = tokio::spawn(write_frames(writer, frames, self.limits.writing));
        let stranger = matches!(caller, Caller::Nobody { .. });
        let last = match self.places.take(peer.uid(), stranger) {
            None => Err(busy()),
            Some(_place) => self.conversation(reader, out.clone(), caller).await,
        };
        let last = match last {
            Ok(answer) => Some(answer),
            Err(failure) if failure.class == Class::Gone => None,
            Err(failure) => Frame::json(Kind::Failure, &failure).ok(),
        };
        if let Some(last) = last {
            let _ = out.send(last).await;
        }
        drop(out);
        let _ = writing.await;
    }

    /// Greets, reads the request and answers it.
    async fn conversation(
        &self,
        mut reader: OwnedReadHalf,
        out: mpsc::Sender<Frame>,
        caller: Caller,
    ) -> Result<Frame, Failure> {
        let greeting = self.read_request(&mut reader, &out);
        let Request { code, name, with } = tokio::time::timeout(self.limits.greeting, greeting)
            .await
            .map_err(|_| {
                Failure::failed(
                    "can't read the request",
                    "it did not come in time",
                    "try again",
                )
            })??;
        let desk = self.desk.load_full();
        let body = desk.takes_body(&name);
        if body.is_none() && self.locked.load(std::sync::atomic::Ordering::Acquire) {
            return Err(Failure::locked(format!("can't do \"{}\"", known(&name))));
        }
        tracing::info!(request = known(&name), caller = %caller.for_log(), "asked");
        let incoming = Incoming {
            reader,
            body: body.unwrap_or(false),
            patience: self.limits.body,
        };
        let wire = Wire {
            caller,
            code,
            out,
            incoming,
        };
        desk.answer(&name, &with, wire).await
    }

    async fn read_request(
        &self,
        reader: &mut OwnedReadHalf,
        out: &mpsc::Sender<Frame>,
    ) -> Result<Request, Failure> {
        let hello = expect(reader, Kind::Hello).await?;
        let ours = Frame::json(Kind::Hello, &Hello::ours()).map_err(|error| bad(&error))?;
        out.send(ours).await.map_err(|_| Failure::gone())?;
        let hello: Hello = serde_json::from_slice(&hello)
            .map_err(|_| bad(&FrameError::BadKind(Kind::Hello as u8)))?;
        hello.check("command")?;
        let mut frame = next(reader).await?;
        let mut code = None;
        if frame.kind == Kind::Code {
            let text = std::str::from_utf8(&frame.payload);
            let text = text.map_err(|_| bad(&FrameError::BadKind(Kind::Code as u8)))?;
            code = Some(SecretText::new(text.to_owned()));
            frame = next(reader).await?;
        }
        let name = of_kind(frame, Kind::Ask)?;
        let name = String::from_utf8(name.to_vec())
            .map_err(|_| bad(&FrameError::BadKind(Kind::Ask as u8)))?;
        let with = expect(reader, Kind::With).await?;
        Ok(Request { code, name, with })
    }
}

/// What a client asks.
struct Request {
    code: Option<SecretText>,
    name: String,
    with: Zeroizing<Vec<u8>>,
}

/// Only names that we know may appear in the log or be said back.
fn known(name: &str) -> &'static str {
    super::api::ALL
        .iter()
        .copied()
        .find(|known| *known == name)
        .unwrap_or("?")
}

async fn expect(reader: &mut OwnedReadHalf, kind: Kind) -> Result<Zeroizing<Vec<u8>>, Failure> {
    of_kind(next(reader).await?, kind)
}

fn of_kind(frame: Frame, kind: Kind) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match frame.kind == kind {
        true => Ok(frame.payload),
        false => Err(bad(&FrameError::BadKind(frame.kind as u8))),
    }
}

async fn next(reader: &mut OwnedReadHalf) -> Result<Frame, Failure> {
    match Frame::read(reader).await {
        Ok(Some(frame)) => Ok(frame),
        Ok(None) | Err(FrameError::Io(_) | FrameError::Cut) => Err(Failure::gone()),
        Err(error) => Err(bad(&error)),
    }
}

fn bad(error: &FrameError) -> Failure {
    Failure::from_error(Class::Misuse, "can't read the request", error)
}

fn busy() -> Failure {
    Failure::failed(
        "can't take the request",
        "too many commands are being answered already, of yours or of all",
        "wait a moment and try again",
    )
}

/// Writes frames until all their senders are gone, or the client takes none for too long.
async fn write_frames(
    mut writer: OwnedWriteHalf,
    mut frames: mpsc::Receiver<Frame>,
    patience: Duration,
) {
    while let Some(frame) = frames.recv().await {
        match tokio::time::timeout(patience, frame.write(&mut writer)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
