//! A socket with its two buffers. They are made once per connection and bounded: input by the longest line, output by
//! a threshold above which it is written at once.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::super::limits::{AUTH_LINE, Timeouts};
use crate::net::wire::write_within;
use crate::smtp::reply::Reply;

/// Room for the longest line, and for a TLS record's 16 KiB.
const INPUT: usize = 16 * 1024;
const _: () = assert!(INPUT > AUTH_LINE);
/// Replies above this are written though more commands wait.
const OUTPUT: usize = 8 * 1024;
/// What is read and dropped so that the peer gets our last reply.
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

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(socket: S, timeouts: Timeouts) -> Self {
        Self {
            socket,
            timeouts,
            input: Zeroizing::new(vec![0; INPUT]),
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
        let room = &mut self.input[self.end..];
        if room.is_empty() {
            return Err(io::Error::other("a line longer than any limit"));
        }
        match self.socket.read(room).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => {
                self.end += octets;
                Ok(())
            }
        }
    }

    /// Puts a reply behind those that wait. They go out together, when all input is used up (RFC 2920 §3.2).
    pub(super) async fn queue(&mut self, reply: &Reply) -> io::Result<()> {
        reply.write_to(&mut self.output);
        if self.output.len() > OUTPUT {
            self.flush().await?;
        }
        Ok(())
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
    /// reset it, and the peer would never see the reply.
    pub(super) async fn close(mut self, last: Option<&Reply>) -> io::Result<()> {
        if let Some(reply) = last {
            self.queue(reply).await?;
        }
        self.flush().await?;
        let until = Instant::now() + self.timeouts.linger;
        timeout(self.timeouts.linger, self.socket.shutdown()).await??;
        let mut dropped = 0;
        while dropped < LINGER {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(
                left.max(Duration::from_millis(1)),
                self.socket.read(&mut self.input),
            )
            .await
            {
                Ok(Ok(octets)) if octets > 0 => dropped += octets,
                _ => break,
            }
        }
        Ok(())
    }

    /// The bare socket, for TLS. None if the peer has sent anything that it shouldn't have yet.
    pub(super) fn into_socket(self) -> Option<S> {
        self.input().is_empty().then_some(self.socket)
    }
}
