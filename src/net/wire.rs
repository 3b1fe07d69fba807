//! A socket with its two buffers. Both are small while nothing happens, and bounded: input by the longest line, output by a
//! threshold above which it is written at once.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// Room for a TLS record's 16 KiB: the longest line must be shorter.
pub const INPUT: usize = 16 * 1024;
/// What waits for input while nothing happens.
const SMALL: usize = 1024;
/// What is to be said above this is written though more is to come.
const OUTPUT: usize = 32 * 1024;
/// What is read and dropped so that the peer gets our last words.
const LINGER: usize = 256 * 1024;

/// A socket with its buffers.
pub struct Wire<S> {
    socket: S,
    waits: Waits,
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

/// How long is waited for a peer that takes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For the peer to take what we write.
    pub write: Duration,
    /// For the peer to read our last words before the socket goes.
    pub linger: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Around a socket.
    pub fn new(socket: S, waits: Waits) -> Self {
        Self {
            socket,
            waits,
            input: vec![0; SMALL],
            start: 0,
            end: 0,
            output: Vec::new(),
        }
    }

    /// Octets that have come and aren't used up.
    pub fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Uses these up.
    pub fn consume(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.end);
    }

    /// Reads more. Nothing is lost if this is dropped while it waits.
    ///
    /// # Errors
    /// If the peer went, or sent more than there is room for.
    pub async fn read(&mut self) -> io::Result<()> {
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.input.len() {
            if self.end >= INPUT {
                return Err(io::Error::other("a line longer than any limit"));
            }
            self.input.resize(INPUT, 0);
        }
        match self.socket.read(&mut self.input[self.end..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => {
                self.end += octets;
                Ok(())
            }
        }
    }

    /// Gives back what isn't needed while nothing happens.
    pub fn rest(&mut self) {
        if self.input.len() > SMALL && self.start == self.end {
            self.input = vec![0; SMALL];
            (self.start, self.end) = (0, 0);
        }
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }

    /// What is to be said; [`Wire::relieve`] follows what adds to it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Writes if much is to be said.
    ///
    /// # Errors
    /// If the peer went, or takes nothing.
    pub async fn relieve(&mut self) -> io::Result<()> {
        match self.output.len() > OUTPUT {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Writes all that is to be said.
    ///
    /// # Errors
    /// If the peer went, or takes nothing.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = async {
            self.socket.write_all(&self.output).await?;
            self.socket.flush().await
        };
        timeout(self.waits.write, written).await??;
        self.output.clear();
        Ok(())
    }

    /// Says the last words and closes. What still comes is dropped unread: closing a socket with unread octets would
    /// reset it, and the peer would never see them.
    ///
    /// # Errors
    /// If the peer went.
    pub async fn close(mut self, last: &[u8]) -> io::Result<()> {
        self.output.extend_from_slice(last);
        self.flush().await?;
        let until = Instant::now() + self.waits.linger;
        timeout(self.waits.linger, self.socket.shutdown()).await??;
        let mut dropped = 0;
        while dropped < LINGER {
            let left = until.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            match timeout(left, self.socket.read(&mut self.input)).await {
                Ok(Ok(octets)) if octets > 0 => dropped += octets,
                _ => break,
            }
        }
        Ok(())
    }
}
