//! A socket with its two buffers. Both are small while nothing happens, for most connections of mail programs are idle, and
//! grow within bounds when much comes or goes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::super::desk::Sink;
use super::super::limits::Timeouts;

/// What waits for input while nothing happens, and the most.
const SMALL: usize = 1024;
const LARGE: usize = 64 * 1024;
/// Answers above this are written though more are to come.
const OUTPUT: usize = 32 * 1024;
/// What is read and dropped so that the peer gets our last words.
const LINGER: usize = 256 * 1024;

pub(super) struct Wire<S> {
    socket: S,
    timeouts: Timeouts,
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire<S> {
    pub(super) fn new(socket: S, timeouts: Timeouts) -> Self {
        Self {
            socket,
            timeouts,
            input: vec![0; SMALL],
            start: 0,
            end: 0,
            output: Vec::new(),
        }
    }

    /// Octets that have come and aren't used up.
    pub(super) fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    pub(super) fn consume(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.end);
    }

    /// Reads more. Nothing is lost if this is dropped while it waits.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.input.len() {
            if self.end >= LARGE {
                return Err(io::Error::other("a line longer than any limit"));
            }
            self.input.resize(LARGE, 0);
        }
        match self.socket.read(&mut self.input[self.end..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => {
                self.end += octets;
                // More of the same is likely to follow.
                if self.end == self.input.len() && self.end < LARGE {
                    self.input.resize(LARGE, 0);
                }
                Ok(())
            }
        }
    }

    /// Gives back what isn't needed while nothing happens.
    pub(super) fn rest(&mut self) {
        if self.input.len() > SMALL && self.end - self.start <= SMALL {
            let held = self.input[self.start..self.end].to_vec();
            self.input = vec![0; SMALL];
            self.input[..held.len()].copy_from_slice(&held);
            (self.start, self.end) = (0, held.len());
        }
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = async {
            self.socket.write_all(&self.output).await?;
            self.socket.flush().await
        };
        timeout(self.timeouts.write, written).await??;
        self.output.clear();
        Ok(())
    }

    /// Says the last words and closes. What still comes is dropped unread: closing a socket with unread octets would
    /// reset it, and the peer would never see them.
    pub(super) async fn close(mut self, last: &[u8]) -> io::Result<()> {
        self.output.extend_from_slice(last);
        self.flush().await?;
        let until = Instant::now() + self.timeouts.linger;
        timeout(self.timeouts.linger, self.socket.shutdown()).await??;
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

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink for Wire<S> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    async fn relieve(&mut self) -> io::Result<()> {
        if self.output.len() > OUTPUT {
            self.flush().await?;
        }
        Ok(())
    }
}
