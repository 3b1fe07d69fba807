//! A socket with its two buffers. Both are small while nothing happens, for most connections of mail programs are idle, and
//! grow within bounds when much comes or goes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::super::desk::Sink;
use super::super::limits::Timeouts;
use crate::net::wire::write_within;

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
    /// What is used up is overwritten: it may have been a password.
    input: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire<S> {
    pub(super) fn new(socket: S, timeouts: Timeouts) -> Self {
        Self {
            socket,
            timeouts,
            input: Zeroizing::new(vec![0; SMALL]),
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
        let used = self.start..(self.start + octets).min(self.end);
        self.start = used.end;
        self.input[used].fill(0);
    }

    /// Reads more. Nothing is lost if this is dropped while it waits.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        self.input.copy_within(self.start..self.end, 0);
        let moved = self.end - self.start;
        self.input[moved..self.end].fill(0);
        (self.start, self.end) = (0, moved);
        if self.end == self.input.len() {
            if self.end >= LARGE {
                return Err(io::Error::other("a line longer than any limit"));
            }
            self.grow();
        }
        match self.socket.read(&mut self.input[self.end..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => {
                self.end += octets;
                // More of the same is likely to follow.
                if self.end == self.input.len() && self.end < LARGE {
                    self.grow();
                }
                Ok(())
            }
        }
    }

    /// The old one is overwritten as it goes.
    fn grow(&mut self) {
        let mut larger = Zeroizing::new(vec![0; LARGE]);
        larger[..self.end].copy_from_slice(&self.input[..self.end]);
        self.input = larger;
    }

    /// Gives back what isn't needed while nothing happens.
    pub(super) fn rest(&mut self) {
        if self.input.len() > SMALL && self.end - self.start <= SMALL {
            let held = Zeroizing::new(self.input[self.start..self.end].to_vec());
            self.input = Zeroizing::new(vec![0; SMALL]);
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
        // What was begun to be written is never written again: after an error nobody knows how much of it arrived.
        let mut output = std::mem::take(&mut self.output);
        let written = async {
            self.socket.write_all(&output).await?;
            self.socket.flush().await
        };
        timeout(write_within(self.timeouts.write, output.len()), written).await??;
        output.clear();
        self.output = output;
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

    async fn gone(&mut self) -> io::Error {
        // Who says as much as is held at once waits for an answer.
        while self.end - self.start < LARGE {
            if let Err(gone) = self.read().await {
                return gone;
            }
        }
        std::future::pending().await
    }
}
