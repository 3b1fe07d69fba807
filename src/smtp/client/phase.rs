//! The phases of a conversation and how long each may take (RFC 5321 §4.5.3.2).

use std::fmt;
use std::time::Duration;

/// The step of a conversation that a time-out, a refusal or a broken line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The TCP connection.
    Connect,
    /// The server's first reply.
    Greeting,
    /// EHLO, in the clear or inside TLS.
    Hello,
    /// The STARTTLS command.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA, up to its 354.
    Data,
    /// A block of the message.
    Body,
    /// The final dot and its reply.
    FinalDot,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
    /// Between two transactions.
    Idle,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Greeting => "waiting for the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Handshake => "the TLS handshake",
            Self::Mail => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Body => "sending the message",
            Self::FinalDot => "the end of the message",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
            Self::Idle => "waiting between two messages",
        })
    }
}

/// How long each phase may take, in monotonic time. A reply has to be *complete* by then: a server that drips one
/// byte a minute is as late as a silent one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connection; RFC 5321 leaves it open.
    pub connect: Duration,
    /// Greeting (RFC 5321 §4.5.3.2.1: 5 minutes).
    pub greeting: Duration,
    /// EHLO reply.
    pub hello: Duration,
    /// STARTTLS reply.
    pub start_tls: Duration,
    /// The whole handshake; a stalled one is a failed one.
    pub handshake: Duration,
    /// MAIL reply (§4.5.3.2.2: 5 minutes).
    pub mail: Duration,
    /// RCPT reply (§4.5.3.2.3: 5 minutes).
    pub recipient: Duration,
    /// DATA reply (§4.5.3.2.4: 2 minutes).
    pub data: Duration,
    /// Each block of the message (§4.5.3.2.5: 3 minutes).
    pub body: Duration,
    /// The reply to the final dot (§4.5.3.2.6: 10 minutes).
    pub final_dot: Duration,
    /// RSET reply.
    pub reset: Duration,
    /// QUIT reply: courtesy, nothing hangs on it.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            greeting: Duration::from_secs(300),
            hello: Duration::from_secs(300),
            start_tls: Duration::from_secs(120),
            handshake: Duration::from_secs(60),
            mail: Duration::from_secs(300),
            recipient: Duration::from_secs(300),
            data: Duration::from_secs(120),
            body: Duration::from_secs(180),
            final_dot: Duration::from_secs(600),
            reset: Duration::from_secs(120),
            quit: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    /// The same short time for every phase; for tests and the sandbox, whose far end is on this host.
    pub fn all(each: Duration) -> Self {
        Self {
            connect: each,
            greeting: each,
            hello: each,
            start_tls: each,
            handshake: each,
            mail: each,
            recipient: each,
            data: each,
            body: each,
            final_dot: each,
            reset: each,
            quit: each,
        }
    }

    pub(super) fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Connect => self.connect,
            Phase::Greeting => self.greeting,
            Phase::Hello => self.hello,
            Phase::StartTls => self.start_tls,
            Phase::Handshake => self.handshake,
            Phase::Mail | Phase::Idle => self.mail,
            Phase::Recipient => self.recipient,
            Phase::Data => self.data,
            Phase::Body => self.body,
            Phase::FinalDot => self.final_dot,
            Phase::Reset => self.reset,
            Phase::Quit => self.quit,
        }
    }
}
