//! A socket with its two buffers. Both are small while nothing happens, for most connections of mail programs are idle, and
//! grow within bounds: input to what a door wants to hold at once, output to a threshold above which it is written.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

/// What is read and dropped so that the peer gets our last words.
const LINGER: usize = 256 * 1024;

/// Octets a second that a peer takes at the least, besides [`PAUSE`] for each piece.
const SLOWEST: u64 = 1024;
const PAUSE: Duration = Duration::from_secs(30);

/// Within what time a peer has to take so many octets: a pace, for who takes a little just before each deadline would be
/// served for hours.
pub fn write_within(most: Duration, octets: usize) -> Duration {
    let octets = u64::try_from(octets).unwrap_or(u64::MAX);
    most.min(PAUSE + Duration::from_secs(octets / SLOWEST))
}

/// How large its buffers are, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    /// For input, while nothing happens.
    pub idle: usize,
    /// For input, at the most: the longest line must be shorter, and a TLS record has 16 KiB.
    pub most: usize,
    /// What is to be said above this is written though more is to come.
    pub output: usize,
}

/// A socket with its buffers.
pub struct Wire<S> {
    socket: S,
    waits: Waits,
    buffers: Buffers,
    /// What is used up is overwritten: it may have been a password.
    input: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

/// How long is waited for a peer that takes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For the peer to take what we write, at the most; see [`write_within`].
    pub write: Duration,
    /// For the peer to read our last words before the socket goes.
    pub linger: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            write: Duration::from_secs(180),
            linger: Duration::from_secs(2),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Around a socket.
    pub fn new(socket: S, waits: Waits, buffers: Buffers) -> Self {
        Self {
            socket,
            waits,
            buffers,
            input: Zeroizing::new(vec![0; buffers.idle]),
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
        let used = self.start..(self.start + octets).min(self.end);
        self.start = used.end;
        self.input[used].fill(0);
    }

    /// Reads more. Nothing is lost if this is dropped while it waits.
    ///
    /// # Errors
    /// If the peer went, or sent more than there is room for.
    pub async fn read(&mut self) -> io::Result<()> {
        self.input.copy_within(self.start..self.end, 0);
        let moved = self.end - self.start;
        self.input[moved..self.end].fill(0);
        (self.start, self.end) = (0, moved);
        if self.end == self.input.len() {
            if self.end >= self.buffers.most {
                return Err(io::Error::other("a line longer than any limit"));
            }
            self.grow();
        }
        match self.socket.read(&mut self.input[self.end..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => {
                self.end += octets;
                // More of the same is likely to follow.
                if self.end == self.input.len() && self.end < self.buffers.most {
                    self.grow();
                }
                Ok(())
            }
        }
    }

    /// The old one is overwritten as it goes.
    fn grow(&mut self) {
        let mut larger = Zeroizing::new(vec![0; self.buffers.most]);
        larger[..self.end].copy_from_slice(&self.input[..self.end]);
        self.input = larger;
    }

    /// Gives back what isn't needed while nothing happens.
    pub fn rest(&mut self) {
        let (idle, held) = (self.buffers.idle, self.end - self.start);
        if self.input.len() > idle && held <= idle {
            let mut smaller = Zeroizing::new(vec![0; idle]);
            smaller[..held].copy_from_slice(self.input());
            self.input = smaller;
            (self.start, self.end) = (0, held);
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
        match self.output.len() > self.buffers.output {
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
        // What was begun to be written is never written again: after an error nobody knows how much of it arrived.
        let mut output = std::mem::take(&mut self.output);
        let written = async {
            self.socket.write_all(&output).await?;
            self.socket.flush().await
        };
        timeout(write_within(self.waits.write, output.len()), written).await??;
        output.clear();
        self.output = output;
        Ok(())
    }

    /// The bare socket, for TLS. None if the peer has sent anything that it shouldn't have yet.
    pub fn into_socket(self) -> Option<S> {
        self.input().is_empty().then_some(self.socket)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    const BUFFERS: Buffers = Buffers {
        idle: 1024,
        most: 16 * 1024,
        output: 32 * 1024,
    };

    #[test]
    fn what_is_written_has_a_pace() {
        let most = Duration::from_secs(180);
        for (octets, seconds) in [(0, 30), (1023, 30), (33 * 1024, 63), (1 << 20, 180)] {
            assert_eq!(write_within(most, octets).as_secs(), seconds);
        }
        assert_eq!(write_within(PAUSE / 2, 1 << 20), PAUSE / 2);
    }

    #[tokio::test]
    async fn what_was_used_up_stands_nowhere() {
        let (ours, mut theirs) = duplex(4096);
        let waits = Waits {
            write: PAUSE,
            linger: PAUSE,
        };
        let mut wire = Wire::new(ours, waits, BUFFERS);
        theirs
            .write_all(b"PASS secret\r\nNO")
            .await
            .expect("writes");
        wire.read().await.expect("reads");
        wire.consume(13);
        assert_eq!(wire.input(), b"NO");
        let holds = |wire: &Wire<_>| memchr::memmem::find(&wire.input, b"secret").is_some();
        assert!(!holds(&wire));
        theirs.write_all(&[b'x'; 1020]).await.expect("writes");
        while wire.input().len() < 1022 {
            wire.read().await.expect("reads");
        }
        assert!(wire.input().starts_with(b"NOxx") && !holds(&wire));
    }

    #[tokio::test]
    async fn room_is_given_back_and_what_waits_stays() {
        let (ours, mut theirs) = duplex(1 << 16);
        let mut wire = Wire::new(ours, Waits::default(), BUFFERS);
        let sent: Vec<u8> = (0..5000)
            .map(|n| b'a' + u8::try_from(n % 26).expect("a letter"))
            .collect();
        theirs.write_all(&sent).await.expect("writes");
        while wire.input().len() < sent.len() {
            wire.read().await.expect("reads");
        }
        assert_eq!(wire.input.len(), BUFFERS.most);
        wire.consume(4500);
        wire.rest();
        assert_eq!(
            (wire.input.len(), wire.input()),
            (BUFFERS.idle, &sent[4500..])
        );
        // More than there is ever room for.
        let flood = theirs.write_all(&[b'x'; 40_000]);
        let filled = async {
            while wire.read().await.is_ok() {}
            wire.input().len()
        };
        let (_, filled) = tokio::join!(flood, filled);
        assert_eq!(filled, BUFFERS.most);
    }

    /// A mail whose end came twice would look whole.
    #[tokio::test]
    async fn what_a_slow_peer_took_half_of_is_not_said_again() {
        let (ours, mut theirs) = duplex(1024);
        let waits = Waits {
            write: Duration::from_millis(20),
            linger: Duration::from_millis(20),
        };
        let mut wire = Wire::new(ours, waits, BUFFERS);
        wire.output()
            .extend((0..3000).map(|n| b'a' + u8::try_from(n % 26).expect("a letter")));
        assert!(wire.flush().await.is_err());
        let reads = async {
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).await.expect("reads");
            heard
        };
        let (closed, heard) = tokio::join!(wire.close(b""), reads);
        assert!(closed.is_ok());
        assert!(heard.len() <= 1024, "{}", heard.len());
    }
}
