//! The encrypted part of a connection: a session, its host, and the wire between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::envelope::Envelope;
use super::super::host::{Body, Host, Refusal};
use super::super::limits::SLOWEST;
use super::super::received::received_field;
use super::super::session::{
    AskRecipient, AskSender, Awaiting, Begin, Login, Secured, Session, Step,
};
use super::wire::{close, queue};
use super::{Door, Gone, read};
use crate::net::wire::Wire;
use crate::smtp::reply::Reply;
use crate::staff::sasl::Asked;
use crate::staff::{Entrant, LoginOutcome};

/// What is left to do when the host has been asked.
enum Action {
    Read,
    GoOn,
    Say(Reply),
    Close(Reply),
}

/// Until when the driver waits. A line has one deadline, however slowly its octets come; a message has one for its
/// next octets and one for the whole, and must come at some pace. And whoever only talks has a deadline as well.
struct Deadlines {
    /// Of a log-in or a mail, while there is neither.
    arrival: Instant,
    line: Option<Instant>,
    message: Option<Instant>,
    stretch: Option<Stretch>,
}

/// A part of the time in which a message comes, and what it brought.
struct Stretch {
    ends: Instant,
    octets: u64,
}

impl<H: Host> Door<H> {
    /// Runs a session to its end.
    pub(super) async fn take_mail<S>(
        &self,
        mut wire: Wire<S>,
        secured: Secured,
        until: Instant,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = **self.limits.load();
        let mut session = Session::new(secured, Arc::clone(&self.host_name), limits);
        let last = match self.converse(&mut session, &mut wire, until, stop).await {
            Ok(last) => Some(last),
            Err(gone) => {
                tracing::debug!(%gone, "ended");
                gone.reply()
            }
        };
        let _ = close(wire, last.as_ref()).await;
    }

    /// Answers until there is a last reply.
    async fn converse<S>(
        &self,
        session: &mut Session,
        wire: &mut Wire<S>,
        until: Instant,
        stop: &CancellationToken,
    ) -> Result<Reply, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if self.role.is_implicit_tls() {
            queue(wire, &session.greeting()).await?;
        }
        let mut body = None;
        let mut deadlines = Deadlines::new(until);
        loop {
            // Others have their turn between commands that came together.
            tokio::task::consume_budget().await;
            if stop.is_cancelled() && !is_busy(session) {
                return Err(Gone::Stopped);
            }
            if self.is_out(session) && !is_busy(session) {
                return Err(Gone::Revoked);
            }
            let (used, step) = session.advance(wire.input());
            let action = self.perform(session, &mut body, step).await;
            wire.consume(used);
            deadlines.count(used);
            if session.envelope().is_some() {
                deadlines.arrival = Instant::now() + self.timeouts.next_mail;
            }
            if !session.wants_body() {
                body = None;
            }
            if !is_busy(session) {
                (deadlines.message, deadlines.stretch) = (None, None);
            }
            match action {
                Action::Read => {
                    wire.flush().await?;
                    let until = deadlines.next(session, &self.timeouts);
                    let who = entrant(session);
                    if is_busy(session) {
                        read(wire, until, std::future::pending()).await?;
                    } else {
                        read(wire, until, self.interrupted(stop, who)).await?;
                    }
                }
                Action::GoOn => deadlines.line = None,
                Action::Say(reply) => {
                    deadlines.line = None;
                    queue(wire, &reply).await?;
                }
                Action::Close(reply) => return Ok(reply),
            }
        }
    }

    /// Asks the host what the step asks, until something is left for the wire.
    async fn perform(
        &self,
        session: &mut Session,
        body: &mut Option<H::Body>,
        mut step: Step<'_>,
    ) -> Action {
        loop {
            step = match step {
                Step::NeedInput => return Action::Read,
                Step::Continue => return Action::GoOn,
                Step::Reply(reply) => return Action::Say(reply),
                Step::Close(reply) => return Action::Close(reply),
                Step::Body(octets) => {
                    if let Err(refusal) = write(body, octets).await {
                        session.body_failed(refusal);
                    }
                    return Action::GoOn;
                }
                Step::AskSender(asked) => self.ask_sender(session, asked).await,
                Step::AskRecipient(asked) => self.ask_recipient(session, asked).await,
                Step::Begin(begin) => self.begin(session, body, begin).await,
                Step::Finish(finish) => {
                    let answer = match body.take() {
                        // What was on its way when they were shut out is theirs no more.
                        Some(_) if self.is_out(session) => Err(Refusal::shut_out()),
                        Some(body) => body.finish().await,
                        None => Err(Refusal::try_later()),
                    };
                    tracing::info!(committed = answer.is_ok(), "message");
                    session.answer_finish(finish, answer)
                }
                Step::AskCredentials(asked) => self.ask_credentials(session, asked).await,
                Step::Login(login) => self.log_in(session, login).await,
            };
        }
    }

    /// Whether who has logged in may be here no more.
    fn is_out(&self, session: &Session) -> bool {
        entrant(session).is_some_and(|who| !self.host.still_lets_in(who))
    }

    /// Why nothing more is read, once there is a reason.
    async fn interrupted(&self, stop: &CancellationToken, who: Option<Entrant>) -> Gone {
        let shut_out = async {
            match who {
                Some(who) => self.host.shut_out(who).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Gone::Stopped,
            () = shut_out => Gone::Revoked,
        }
    }

    async fn ask_sender(&self, session: &mut Session, asked: AskSender) -> Step<'static> {
        let answer = match session.caller() {
            Some(caller) => self.host.sender(caller, asked.path()).await,
            None => Err(Refusal::try_later()),
        };
        session.answer_sender(asked, answer)
    }

    async fn ask_recipient(&self, session: &mut Session, asked: AskRecipient) -> Step<'static> {
        let answer = match session.envelope() {
            Some(envelope) => self.host.recipient(envelope, asked.path()).await,
            None => Err(Refusal::try_later()),
        };
        session.answer_recipient(asked, answer)
    }

    async fn begin(
        &self,
        session: &mut Session,
        body: &mut Option<H::Body>,
        begin: Begin,
    ) -> Step<'static> {
        let opened = match session.envelope() {
            Some(envelope) => self.open_body(envelope).await,
            None => Err(Refusal::try_later()),
        };
        session.answer_begin(begin, opened.map(|opened| *body = Some(opened)))
    }

    async fn ask_credentials(&self, session: &mut Session, asked: Asked) -> Step<'static> {
        let answer = match session.caller() {
            Some(caller) => {
                self.host
                    .credentials(caller, asked.user(), asked.proof())
                    .await
            }
            None => Err(Refusal::try_later()),
        };
        session.answer_credentials(asked, answer)
    }

    async fn log_in(&self, session: &mut Session, login: Login) -> Step<'static> {
        let answer = match session.caller() {
            Some(caller) => self.host.login(caller, login.outcome()).await,
            None => Err(Refusal::try_later()),
        };
        tracing::info!(
            proven = matches!(login.outcome(), LoginOutcome::Proven(..)),
            "log-in"
        );
        session.answer_login(login, answer)
    }

    async fn open_body(&self, envelope: &Envelope) -> Result<H::Body, Refusal> {
        let mut body = self.host.begin(envelope).await?;
        let received = received_field(envelope, &self.host_name, self.clock.now());
        body.write(received.as_bytes()).await?;
        Ok(body)
    }
}

/// Who has logged in.
fn entrant(session: &Session) -> Option<Entrant> {
    session.caller().and_then(|caller| caller.staff)
}

/// Whether a message is on its way: it is finished even when the service stops, but not for ever.
fn is_busy(session: &Session) -> bool {
    session.awaiting() == Awaiting::Message || session.wants_body()
}

async fn write<B: Body>(body: &mut Option<B>, octets: &[u8]) -> Result<(), Refusal> {
    match body {
        Some(body) => body.write(octets).await,
        None => Err(Refusal::try_later()),
    }
}

impl Deadlines {
    fn new(arrival: Instant) -> Self {
        Self {
            arrival,
            line: None,
            message: None,
            stretch: None,
        }
    }

    /// The deadline of the next read.
    fn next(&mut self, session: &Session, timeouts: &super::Timeouts) -> Instant {
        let now = Instant::now();
        self.message = is_busy(session).then(|| self.message.unwrap_or(now + timeouts.message));
        let next = match session.awaiting() {
            Awaiting::Line => *self.line.get_or_insert(now + timeouts.command),
            Awaiting::Message => now + timeouts.data,
        };
        let next = self.message.map_or(next, |message| message.min(next));
        let arrival = self.arrival(session);
        let next = arrival.map_or(next, |arrival| arrival.min(next));
        let slowest = is_busy(session).then(|| self.slowest(now, timeouts.slow));
        slowest.flatten().map_or(next, |ends| ends.min(next))
    }

    /// Until when there must be a log-in or a mail, if there is neither.
    fn arrival(&self, session: &Session) -> Option<Instant> {
        let neither = session.envelope().is_none() && entrant(session).is_none();
        neither.then_some(self.arrival)
    }

    /// Until when a message must have brought more, if it has not brought enough in this stretch.
    fn slowest(&mut self, now: Instant, slow: Duration) -> Option<Instant> {
        let stretch = self
            .stretch
            .get_or_insert_with(|| Stretch::from(now + slow));
        let least = u64::try_from(slow.as_millis()).unwrap_or(u64::MAX);
        let enough = stretch.octets >= least.saturating_mul(SLOWEST) / 1000;
        if enough && now >= stretch.ends {
            *stretch = Stretch::from(now + slow);
            return Some(stretch.ends);
        }
        (!enough).then_some(stretch.ends)
    }

    fn count(&mut self, octets: usize) {
        if let Some(stretch) = &mut self.stretch {
            stretch.octets += octets as u64;
        }
    }
}

impl From<Instant> for Stretch {
    fn from(ends: Instant) -> Self {
        Self { ends, octets: 0 }
    }
}
