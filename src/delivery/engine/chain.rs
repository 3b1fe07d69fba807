//! A chain: one connection that carries parcel after parcel under the two-step rule.
//!
//! ```text
//! … dot(n) + envelope(n+1) ─► outcome(n) ─┬─ settle(n) ───────────────┬─► clearance(n+1) ─► dot(n+1) …
//!                                         └─ replies, body of (n+1) ──┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::ahead::Ahead;
use super::desk::{Cargo, Destination, Session};
use super::failure::Failure;
use crate::delivery::classify::{Cause, Fault};
use crate::delivery::parcel::{Attempted, Clearance, Fate, MailBytes};
use crate::smtp::client::{AwaitingDot, ClientError, Next, Opened, Opening, Outcome};
use crate::smtp::reply::Reply;
use crate::store::StoreError;

/// Messages up to this size leave in one write with their dot; of larger ones, all but the dot is written before.
const SMALL: u64 = 30 * 1024;

/// How a chain ended.
pub(super) enum End {
    /// Nothing more waits, or others should have the slot. The connection is good.
    Idle(Session),
    /// The connection is gone; what waits may go over another one.
    Closed,
    /// The destination wants to be left alone.
    LeaveAlone(Duration, Failure),
    /// Nothing more is to be begun: we stop, or the store is sick.
    Halt,
}

enum Flow {
    /// No message is on its way.
    Free(Session),
    /// An envelope is.
    Opening(Opening<TcpStream>, Box<Cargo>),
    End(End),
}

enum Carried {
    /// All but its final dot is with the server.
    Whole(AwaitingDot<TcpStream>),
    Refused(Session, Reply),
    Lost(ClientError),
    /// Our own copy of the message can't be read.
    Unread(StoreError),
}

pub(super) struct Chain<'a> {
    shared: &'a Arc<Shared>,
    to: &'a Destination,
    ahead: &'a mut Ahead,
    /// Parcels that the courier has served in its slot.
    served: &'a mut usize,
    /// Who is at the other end.
    server: Option<ServerName<'static>>,
    /// The connection was parked: the server may have closed it unnoticed.
    reused: bool,
    /// Transactions that ended in an answer on this connection.
    answered: usize,
    /// The last outcome, on its way to the disk.
    last: Option<AbortOnDropHandle<bool>>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        to: &'a Destination,
        ahead: &'a mut Ahead,
        served: &'a mut usize,
        reused: bool,
    ) -> Self {
        Self {
            shared,
            to,
            ahead,
            served,
            server: None,
            reused,
            answered: 0,
            last: None,
        }
    }

    pub(super) async fn run(mut self, session: Session) -> End {
        self.server = Some(session.server_name().clone());
        let mut flow = Flow::Free(session);
        loop {
            flow = match flow {
                Flow::Free(session) => self.begin(session).await,
                Flow::Opening(opening, cargo) => self.send(opening, *cargo).await,
                Flow::End(end) => {
                    // A connection isn't let go of before its last outcome is written down.
                    return if self.last_is_settled().await {
                        end
                    } else {
                        End::Halt
                    };
                }
            };
        }
    }

    fn may_go_on(&self) -> bool {
        !self.shared.stop.is_cancelled() && self.shared.gate.is_open()
    }

    async fn begin(&mut self, session: Session) -> Flow {
        if !self.may_go_on() {
            quit(session);
            return Flow::End(End::Halt);
        }
        if session.is_spent() {
            quit(session);
            return Flow::End(End::Closed);
        }
        if self.shared.desk.must_give_way(self.to, *self.served) {
            return Flow::End(End::Idle(session));
        }
        let Some(cargo) = self.ahead.next().await else {
            return Flow::End(End::Idle(session));
        };
        match session.begin(&cargo.envelope) {
            Ok(opening) => Flow::Opening(opening, Box::new(cargo)),
            Err((session, unfit)) => {
                self.note(cargo, Failure::of_unfit(unfit).fate()).await;
                Flow::Free(session)
            }
        }
    }

    /// Waits for the replies to the envelope and sends the message but for its final dot. Meanwhile the last outcome is
    /// being written down.
    async fn send(&mut self, opening: Opening<TcpStream>, mut cargo: Cargo) -> Flow {
        let stop = self.shared.stop.clone();
        let carried = tokio::select! {
            biased;
            carried = carry(opening, &mut cargo) => carried,
            () = stop.cancelled() => {
                self.leave(&cargo).await;
                return Flow::End(End::Halt);
            }
        };
        match carried {
            Carried::Whole(waiting) => self.finish(waiting, cargo).await,
            Carried::Refused(session, reply) => {
                self.answered += 1;
                let failure = Failure::of_reply(&reply, Some(&cargo.letter.recipient));
                self.note(cargo, failure.clone().fate()).await;
                match failure.pause() {
                    Some(pause) => {
                        quit(session);
                        Flow::End(self.leave_alone(pause, failure))
                    }
                    None => Flow::Free(session),
                }
            }
            Carried::Lost(error) => self.lost(cargo, &error).await,
            Carried::Unread(error) => self.unread(cargo, &error).await,
        }
    }

    /// The two steps, and the final dot.
    async fn finish(&mut self, waiting: AwaitingDot<TcpStream>, cargo: Cargo) -> Flow {
        // Until the end of this function nothing but `give_dot` lets the message be delivered: dropping `waiting` closes
        // the connection without the dot.
        if !self.last_is_settled().await {
            self.leave(&cargo).await;
            return Flow::End(End::Halt);
        }
        let next = self.next_to_begin().await;
        let Some(mut clearance) = self.clearance(&cargo).await else {
            return self.close_without_dot(next);
        };
        let tells = waiting.tells_the_sender() && cargo.envelope.asks_for_reports();
        let given = tokio::select! {
            biased;
            () = clearance.revoked() => None,
            given = waiting.give_dot(next.as_ref().map(|next| &next.envelope)) => Some(given),
        };
        // If it was revoked, the connection is gone by now, as whoever waits for this expects.
        drop(clearance);
        let Some(given) = given else {
            self.rest(&cargo);
            return self.close_without_dot(next);
        };
        let (outcome, then) = given.outcome().await;
        self.answered += 1;
        *self.served += 1;
        let mut pause = None;
        let fate = match outcome {
            Outcome::Accepted(_) if tells => Fate::Entrusted,
            Outcome::Accepted(_) => Fate::Delivered,
            Outcome::InDoubt(error) => {
                tracing::debug!(%error, "a final dot has no answer");
                Fate::Unknown
            }
            Outcome::Refused(reply) => {
                let failure = Failure::of_reply(&reply, Some(&cargo.letter.recipient));
                pause = failure.pause().map(|pause| (pause, failure.clone()));
                failure.fate()
            }
        };
        self.note(cargo, fate).await;
        self.after(then, next, pause).await
    }

    /// The message was not given its dot, and the connection with it is closed.
    fn close_without_dot(&mut self, next: Option<Cargo>) -> Flow {
        if let Some(next) = next {
            self.ahead.back(next);
        }
        Flow::End(if self.may_go_on() {
            End::Closed
        } else {
            End::Halt
        })
    }

    async fn after(
        &mut self,
        then: Next<TcpStream>,
        next: Option<Cargo>,
        pause: Option<(Duration, Failure)>,
    ) -> Flow {
        if let Some((pause, failure)) = pause {
            if let Some(next) = next {
                self.ahead.back(next);
            }
            return Flow::End(self.leave_alone(pause, failure));
        }
        match (then, next) {
            (Next::Opening(opening), Some(next)) => Flow::Opening(opening, Box::new(next)),
            (Next::Spent(session), None) => Flow::Free(session),
            (Next::Unfit(session, unfit), Some(next)) => {
                self.note(next, Failure::of_unfit(unfit).fate()).await;
                Flow::Free(session)
            }
            (then, next) => {
                if let Some(next) = next {
                    self.ahead.back(next);
                }
                if let Next::Spent(session) = then {
                    quit(session);
                }
                Flow::End(End::Closed)
            }
        }
    }

    /// The next letter, if it is made and may go over this connection.
    async fn next_to_begin(&mut self) -> Option<Cargo> {
        let give_way = self.shared.desk.must_give_way(self.to, *self.served + 1);
        if give_way || !self.may_go_on() {
            return None;
        }
        self.ahead.next_if_made().await
    }

    /// Asks for the permission to let the final dot leave.
    async fn clearance(&self, cargo: &Cargo) -> Option<Clearance> {
        let patience = self.shared.settings.patience;
        if !self.shared.gate.wait_open(patience).await || self.shared.stop.is_cancelled() {
            self.leave(cargo).await;
            return None;
        }
        let clearance = cargo.parcel.clearance().await;
        if clearance.is_none() {
            self.rest(cargo);
        }
        clearance
    }

    /// The destination is left alone, and others who wait for it hear the same.
    fn leave_alone(&self, pause: Duration, failure: Failure) -> End {
        let failure = failure.for_others();
        End::LeaveAlone(
            pause,
            match &self.server {
                Some(server) => failure.by(server),
                None => failure,
            },
        )
    }

    /// The conversation ended before the final dot.
    async fn lost(&mut self, mut cargo: Cargo, error: &ClientError) -> Flow {
        let ours = matches!(error, ClientError::Body(_));
        if !ours && (self.reused || self.answered > 0) {
            // A server may close between two messages: this one gets a fresh connection.
            if let MailBytes::Stored { body, .. } = &mut cargo.letter.bytes {
                body.rewind();
            }
            self.ahead.back(cargo);
            return Flow::End(End::Closed);
        }
        let failure = Failure::of_error(error, Some(&cargo.letter.recipient));
        self.note(cargo, failure.clone().fate()).await;
        Flow::End(match failure.pause() {
            Some(pause) => self.leave_alone(pause, failure),
            None => End::Closed,
        })
    }

    /// Our own copy of the message can't be read: now, or ever.
    async fn unread(&mut self, cargo: Cargo, error: &StoreError) -> Flow {
        tracing::error!(%error, "a mail could not be read to be sent");
        if error.is_temporary() {
            self.leave(&cargo).await;
            return Flow::End(End::Halt);
        }
        let said = "5.6.0 the stored message is damaged";
        let failure = Failure::new(Cause::OurFault(Fault::Content), true, said);
        self.note(cargo, failure.fate()).await;
        Flow::End(End::Closed)
    }

    /// Lets a parcel go that was loaded and not sent.
    async fn leave(&self, cargo: &Cargo) {
        cargo.parcel.untried().await;
        self.rest(cargo);
    }

    fn rest(&self, cargo: &Cargo) {
        self.shared.desk.unsent(self.to);
        self.shared.desk.rest(cargo.parcel.key());
    }

    /// Begins to write an outcome down.
    async fn note(&mut self, cargo: Cargo, fate: Fate) {
        // One at a time; with the two-step rule kept the last one is settled by now, but for refusals without a dot.
        let good = self.last_is_settled().await;
        let settling = settle_then(self.shared.clone(), cargo, fate, good);
        self.last = Some(AbortOnDropHandle::new(tokio::spawn(settling)));
    }

    /// Whether everything that came of this connection so far is on the disk.
    async fn last_is_settled(&mut self) -> bool {
        match self.last.take() {
            None => true,
            Some(last) => last.await.unwrap_or(false),
        }
    }
}

async fn settle_then(shared: Arc<Shared>, cargo: Cargo, fate: Fate, good: bool) -> bool {
    shared
        .desk
        .count(matches!(fate, Fate::Delivered | Fate::Entrusted));
    let attempted = Attempted {
        fate,
        at: shared.clock.now(),
    };
    let settled = shared
        .gate
        .settle(&shared.desk, cargo.parcel, attempted)
        .await;
    settled && good
}

/// Says good-bye in the background: nothing hangs on it.
pub(super) fn quit(session: Session) {
    tokio::spawn(session.quit());
}

async fn carry(opening: Opening<TcpStream>, cargo: &mut Cargo) -> Carried {
    let mut ready = match opening.opened().await {
        Err(error) => return Carried::Lost(error),
        Ok(Opened::Ready(ready)) => ready,
        Ok(Opened::Refused(session, answers)) => {
            return match answers.recipient(0).cloned() {
                Some(reply) => Carried::Refused(session, reply),
                None => Carried::Lost(ClientError::Closed(crate::smtp::client::Phase::Recipient)),
            };
        }
    };
    let mut sent = 0;
    match &mut cargo.letter.bytes {
        MailBytes::Chunks(chunks) => {
            for chunk in chunks {
                sent += chunk.len() as u64;
                if let Err(error) = ready.write(chunk).await {
                    return Carried::Lost(error);
                }
            }
        }
        MailBytes::Stored { prefix, body } => {
            let mut chunk = prefix.clone();
            loop {
                sent += chunk.len() as u64;
                if let Err(error) = ready.write(&chunk).await {
                    return Carried::Lost(error);
                }
                chunk = match body.next().await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(error) => return Carried::Unread(error),
                };
            }
        }
    }
    let mut waiting = match ready.end_body() {
        Ok(waiting) => waiting,
        Err(error) => return Carried::Lost(error),
    };
    if sent > SMALL
        && let Err(error) = waiting.flush().await
    {
        return Carried::Lost(error);
    }
    Carried::Whole(waiting)
}
