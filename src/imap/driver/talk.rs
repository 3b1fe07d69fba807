//! The encrypted part of a connection: first a stranger's, then a member's with a desk.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::places::Place;
use super::{Door, Gone};
use crate::imap::command::{Command, Tag};
use crate::imap::desk::{Desk, Turns};
use crate::imap::host::{Account, Host, Refusal};
use crate::imap::session::{Admitted, Awaiting, Member, Step, Stranger};
use crate::net::wire::Wire;
use crate::staff::LoginOutcome;
use crate::tls::TlsInfo;

/// A message has to come faster than so many octets a second, besides the time that each of its pieces has.
const SLOWEST: u64 = 1024;

/// How a conversation ended in order: what is said last.
type Last = Vec<u8>;

impl<H: Host> Door<H> {
    /// Runs a connection to its end.
    pub(super) async fn talk<S>(
        &self,
        mut wire: Wire<S>,
        tls: TlsInfo,
        client: IpAddr,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let last = match self.converse(&mut wire, tls, client, stop).await {
            Ok(last) => last,
            Err(gone) => {
                tracing::debug!(%gone, "ended");
                if let Gone::CutShort = gone {
                    wire.output().clear();
                }
                gone.last_words().to_vec()
            }
        };
        let _ = wire.close(&last).await;
    }

    async fn converse<S>(
        &self,
        wire: &mut Wire<S>,
        tls: TlsInfo,
        client: IpAddr,
        stop: &CancellationToken,
    ) -> Result<Last, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = **self.limits.load();
        let mut stranger = Stranger::new(tls, limits);
        wire.output().extend(stranger.greeting());
        let until = Instant::now() + self.timeouts.log_in;
        loop {
            let (used, mut step) = stranger.advance(wire.input());
            wire.consume(used);
            if let Step::AskCredentials(asked) = step {
                let (user, proof) = (asked.user(), asked.proof());
                let answer = self.host.credentials(client, user, proof).await;
                step = stranger.answer_credentials(asked, answer);
            }
            if let Step::Login(login) = step {
                let answer = self
                    .log_in(client, login.outcome(), limits.per_account)
                    .await;
                let (answer, place) = match answer {
                    Ok((account, place)) => (Ok(account), place),
                    Err(refusal) => (Err(refusal), None),
                };
                match stranger.answer_login(login, answer) {
                    Admitted::Not(not) => step = not,
                    Admitted::Member(member, account, text) => {
                        wire.output().extend(text);
                        let own = place.as_ref().map(Place::searches);
                        let turns = Turns::new(self.searches.clone(), own);
                        let desk = Desk::new(account, limits.message_size, turns);
                        drop(stranger);
                        let last = self.attend(wire, *member, desk, stop).await;
                        drop(place);
                        return last;
                    }
                }
            }
            match step {
                Step::Say(text) => wire.output().extend(text),
                Step::Close(text) => return Ok(text),
                Step::Continue => {}
                _ => {
                    wire.flush().await?;
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return Err(Gone::Stopped),
                        read = timeout_at(until, wire.read()) => read.map_err(|_| Gone::Silent)??,
                    }
                }
            }
        }
    }

    /// Tells the host how a log-in ended, and finds a place for who may come in.
    async fn log_in(
        &self,
        client: IpAddr,
        outcome: LoginOutcome,
        most: usize,
    ) -> Result<(Option<Account>, Option<Place>), Refusal> {
        let Some(account) = self.host.login(client, outcome).await? else {
            return Ok((None, None));
        };
        let place = self.places.take(account.entrant.staff, most);
        let place = place.ok_or(Refusal {
            code: "LIMIT",
            text: "Too many connections of this account; close other mail programs".into(),
        })?;
        Ok((Some(account), Some(place)))
    }

    /// Runs a member's commands until the last.
    async fn attend<S>(
        &self,
        wire: &mut Wire<S>,
        mut member: Member,
        mut desk: Desk,
        stop: &CancellationToken,
    ) -> Result<Last, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut begun = Begun::default();
        loop {
            let (used, step) = member.advance(wire.input());
            // What came together with the last command is not run for somebody who is out.
            let acts = matches!(step, Step::Run(..) | Step::AppendFinish(_));
            if acts && !self.host.still_lets_in(desk.account().entrant) {
                return Err(Gone::Revoked);
            }
            let refused = match step {
                Step::AppendOctets(octets) => desk.append_octets(octets).await.err(),
                Step::AppendTo(name) => desk.append_to(&name).await.err(),
                Step::AppendBegin(head) => desk.append_begin(head).await.err(),
                Step::AppendEnd => desk.append_end().err(),
                Step::AppendFinish(tag) => {
                    desk.append_finish(&tag, wire).await?;
                    None
                }
                Step::Run(tag, command) => {
                    if self.run(&tag, command, &mut desk, wire, stop).await? {
                        return Ok(Vec::new());
                    }
                    None
                }
                Step::IdleEnds(tag) => {
                    desk.end_idle(&tag, wire).await?;
                    None
                }
                Step::Say(text) => {
                    wire.output().extend(text);
                    None
                }
                Step::Close(text) => return Ok(text),
                Step::NeedInput => {
                    wire.consume(used);
                    wire.flush().await?;
                    self.wait(wire, &member, &mut desk, &mut begun, stop)
                        .await?;
                    continue;
                }
                Step::Continue | Step::AskCredentials(_) | Step::Login(_) => None,
            };
            wire.consume(used);
            if let Some(no) = refused {
                member.refuse_append(no);
            }
            if !member.wants_append() {
                desk.forget_append();
            }
        }
    }

    /// Runs a command; `true` if it was the last. What is only read is left off when who asked for it is out, or the
    /// service stops: however slowly they take it, they get no more of it.
    async fn run<S>(
        &self,
        tag: &Tag,
        command: Command,
        desk: &mut Desk,
        wire: &mut Wire<S>,
        stop: &CancellationToken,
    ) -> Result<bool, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let entrant = desk.account().entrant;
        if !only_reads(&command) {
            return Ok(desk.run(tag, command, wire).await?);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Gone::CutShort),
            () = self.host.shut_out(entrant) => Err(Gone::CutShort),
            run = desk.run(tag, command, wire) => Ok(run?),
        }
    }

    /// Waits for input, and tells an idle client what happens.
    async fn wait<S>(
        &self,
        wire: &mut Wire<S>,
        member: &Member,
        desk: &mut Desk,
        begun: &mut Begun,
        stop: &CancellationToken,
    ) -> Result<(), Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let awaiting = member.awaiting();
        let now = Instant::now();
        let until = match awaiting {
            Awaiting::Command | Awaiting::Done => {
                *begun = Begun::default();
                wire.rest();
                now + self.timeouts.idle
            }
            // However slowly its octets come, a command has one deadline.
            Awaiting::Rest => since(&mut begun.part, 0, now) + self.timeouts.command,
            Awaiting::Message {
                first,
                number,
                size,
            } => {
                let whole = self.timeouts.data + Duration::from_secs(size / SLOWEST);
                let message = since(&mut begun.part, number, now) + whole;
                let append = since(&mut begun.append, first, now) + self.timeouts.append;
                (now + self.timeouts.data).min(message).min(append)
            }
        };
        let mut shut_out = pin!(self.host.shut_out(desk.account().entrant));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Gone::Stopped),
                () = &mut shut_out => return Err(Gone::Revoked),
                read = wire.read() => return Ok(read?),
                () = desk.wait(), if awaiting == Awaiting::Done => {
                    desk.tell_all(wire).await?;
                    wire.flush().await?;
                    wire.rest();
                }
                () = sleep_until(until) => return Err(Gone::Silent),
            }
        }
    }
}

/// Whether a command may end anywhere, and can have a long answer.
fn only_reads(command: &Command) -> bool {
    use Command::{Fetch, List, Noop, Search, Select, Status};
    matches!(
        command,
        Fetch(_) | List(_) | Noop | Search(_) | Select(_) | Status { .. }
    )
}

/// What is waited for, by its number, and since when.
#[derive(Default)]
struct Begun {
    /// The rest of a line, or a message.
    part: Option<(u64, Instant)>,
    /// An APPEND, by its first message.
    append: Option<(u64, Instant)>,
}

/// Since when this is waited for.
fn since(begun: &mut Option<(u64, Instant)>, what: u64, now: Instant) -> Instant {
    match *begun {
        Some((before, at)) if before == what => at,
        _ => {
            *begun = Some((what, now));
            now
        }
    }
}
