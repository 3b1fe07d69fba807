//! Frames: kind, length, payload. Reading is bounded in bytes before anything is allocated for it, and in time by the
//! caller.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// The longest JSON payload.
pub const JSON_MAX: usize = 1024 * 1024;
/// The longest piece of a body.
pub const BODY_MAX: usize = 64 * 1024;
/// The longest greeting or request name.
const SHORT_MAX: usize = 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Protocol and version, first from each side.
    Hello = 1,
    /// The name of the request.
    Ask = 2,
    /// The request's fields.
    With = 3,
    /// A piece of a body, in either direction.
    Body = 4,
    /// The end of the client's body.
    End = 5,
    /// How far long work has come.
    Progress = 6,
    /// One row of what was asked for.
    Row = 7,
    /// A line for the person who waits.
    Note = 8,
    /// The answer; the last frame.
    Answer = 9,
    /// Why there is no answer; the last frame.
    Failure = 10,
    /// A code of the asker's second factor, before the request's name.
    Code = 11,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Hello,
        Self::Ask,
        Self::With,
        Self::Body,
        Self::End,
        Self::Progress,
        Self::Row,
        Self::Note,
        Self::Answer,
        Self::Failure,
        Self::Code,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The longest payload that a frame of this kind may have.
    pub const fn limit(self) -> usize {
        match self {
            Self::Hello | Self::Ask | Self::End | Self::Code => SHORT_MAX,
            Self::Body => BODY_MAX,
            Self::With | Self::Progress | Self::Row | Self::Note | Self::Answer | Self::Failure => {
                JSON_MAX
            }
        }
    }
}

/// One frame. Its payload may hold a passphrase, so it is wiped when it goes.
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// JSON, or bytes of a body.
    pub payload: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({:?}, {} bytes)", self.kind, self.payload.len())
    }
}

/// What is wrong with the bytes that came.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The first byte names no kind of frame.
    #[error(
        "the other side doesn't speak the control protocol (it sent a frame of kind {0}); check the socket's path"
    )]
    BadKind(u8),
    /// The frame is longer than its kind may be.
    #[error(
        "the other side sent a {kind:?} frame of {length} bytes, {limit} at most are taken; send less at a time"
    )]
    TooLong {
        /// What it is.
        kind: Kind,
        /// The length it claims.
        length: usize,
        /// The longest it may be.
        limit: usize,
    },
    /// The connection ended inside a frame.
    #[error("the connection ended in the middle of a frame; try again")]
    Cut,
    /// The connection broke.
    #[error("the connection broke ({0}); try again")]
    Io(#[from] io::Error),
}

impl Frame {
    /// A frame with these bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if they're more than its kind takes.
    pub fn new(kind: Kind, payload: impl Into<Zeroizing<Vec<u8>>>) -> Result<Self, FrameError> {
        let payload = payload.into();
        check(kind, payload.len())?;
        Ok(Self { kind, payload })
    }

    /// A frame with this value as JSON.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if it's more than its kind takes.
    pub fn json(kind: Kind, value: &impl serde::Serialize) -> Result<Self, FrameError> {
        let bytes = serde_json::to_vec(value).map_err(io::Error::from)?;
        Self::new(kind, bytes)
    }

    /// Reads the next frame; `None` if the connection ended where a frame could have begun.
    ///
    /// # Errors
    /// A [`FrameError`] for anything that isn't a frame within its limits.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>, FrameError> {
        let mut first = [0; 1];
        if from.read(&mut first).await? == 0 {
            return Ok(None);
        }
        let kind = Kind::from_byte(first[0]).ok_or(FrameError::BadKind(first[0]))?;
        let length = from.read_u32().await.map_err(cut)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        check(kind, length)?;
        // The limit is small enough to be reserved at once: no bytes are left behind when a vector grows.
        let mut payload = Zeroizing::new(vec![0; length]);
        from.read_exact(&mut payload).await.map_err(cut)?;
        Ok(Some(Self { kind, payload }))
    }

    /// Writes the frame.
    ///
    /// # Errors
    /// What the operating system said.
    pub async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let length = u32::try_from(self.payload.len()).map_err(io::Error::other)?;
        to.write_u8(self.kind as u8).await?;
        to.write_u32(length).await?;
        to.write_all(&self.payload).await?;
        to.flush().await
    }
}

fn check(kind: Kind, length: usize) -> Result<(), FrameError> {
    let limit = kind.limit();
    if length > limit {
        return Err(FrameError::TooLong {
            kind,
            length,
            limit,
        });
    }
    Ok(())
}

fn cut(error: io::Error) -> FrameError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        FrameError::Cut
    } else {
        FrameError::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_a_frame_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut rest = bytes.as_slice();
            run(async {
                while let Ok(Some(frame)) = Frame::read(&mut rest).await {
                    prop_assert!(frame.payload.len() <= frame.kind.limit());
                }
                Ok(())
            })?;
        }

        #[test]
        fn a_frame_survives_the_wire(at in 0..Kind::ALL.len(), payload in prop::collection::vec(any::<u8>(), 0..1000)) {
            let frame = Frame::new(Kind::ALL[at], payload.clone()).expect("short enough");
            let mut wire = Vec::new();
            run(frame.write(&mut wire)).expect("writes");
            let mut rest = wire.as_slice();
            let read = run(Frame::read(&mut rest)).expect("reads").expect("a frame");
            prop_assert_eq!(read.kind, Kind::ALL[at]);
            prop_assert_eq!(&**read.payload, payload.as_slice());
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_claimed_length_is_refused_before_it_is_read() {
        let mut wire = vec![Kind::Body as u8];
        wire.extend_from_slice(&u32::MAX.to_be_bytes());
        let read = run(Frame::read(&mut wire.as_slice()));
        assert!(matches!(read, Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn a_cut_frame_is_told_from_an_end() {
        assert!(matches!(run(Frame::read(&mut &b""[..])), Ok(None)));
        assert!(matches!(
            run(Frame::read(&mut &b"\x02\0\0"[..])),
            Err(FrameError::Cut)
        ));
        assert!(matches!(
            run(Frame::read(&mut &b"\x02\0\0\0\x05ab"[..])),
            Err(FrameError::Cut)
        ));
        assert!(matches!(
            run(Frame::read(&mut &b"\x63"[..])),
            Err(FrameError::BadKind(99))
        ));
    }
}
