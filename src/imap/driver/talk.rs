//! The encrypted part of a connection: first a stranger's, then a member's with a desk.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::places::Place;
use super::wire::Wire;
use super::{Door, Gone};
use crate::imap::desk::{Desk, Sink};
use crate::imap::host::{Account, Host, LoginOutcome, Refusal};
use crate::imap::session::{Admitted, Awaiting, Member, Step, Stranger};
use crate::smtp::server::TlsInfo;

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
        wire.buffer().extend(stranger.greeting());
        let until = Instant::now() + self.timeouts.log_in;
        loop {
            let (used, mut step) = stranger.advance(wire.input());
            wire.consume(used);
            if let Step::AskCredentials(asked) = step {
                let answer = self.host.credentials(client, asked.user()).await;
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
                        wire.buffer().extend(text);
                        let desk = Desk::new(account, limits.message_size, self.searches.clone());
                        drop(stranger);
                        let last = self.attend(wire, *member, desk, stop).await;
                        drop(place);
                        return last;
                    }
                }
            }
            match step {
                Step::Say(text) => wire.buffer().extend(text),
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
        let place = self.places.take(account.staff, most);
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
        let mut begun = None;
        loop {
            let (used, step) = member.advance(wire.input());
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
                    if desk.run(&tag, command, wire).await? {
                        return Ok(Vec::new());
                    }
                    None
                }
                Step::IdleEnds(tag) => {
                    desk.end_idle(&tag, wire).await?;
                    None
                }
                Step::Say(text) => {
                    wire.buffer().extend(text);
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

    /// Waits for input, and tells an idle client what happens.
    async fn wait<S>(
        &self,
        wire: &mut Wire<S>,
        member: &Member,
        desk: &mut Desk,
        begun: &mut Option<Instant>,
        stop: &CancellationToken,
    ) -> Result<(), Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let awaiting = member.awaiting();
        let now = Instant::now();
        let until = match awaiting {
            Awaiting::Command | Awaiting::Done => {
                *begun = None;
                wire.rest();
                now + self.timeouts.idle
            }
            // However slowly its octets come, a command has one deadline.
            Awaiting::Rest => *begun.get_or_insert(now) + self.timeouts.command,
            Awaiting::Message => now + self.timeouts.data,
        };
        loop {
            let look = Instant::now() + self.timeouts.look;
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Gone::Stopped),
                read = wire.read() => return Ok(read?),
                () = desk.wait(), if awaiting == Awaiting::Done => {
                    desk.tell_all(wire).await?;
                    wire.flush().await?;
                    wire.rest();
                }
                () = sleep_until(until) => return Err(Gone::Silent),
                () = sleep_until(look) => {
                    if !self.host.still_lets_in(desk.account().staff) {
                        return Err(Gone::Revoked);
                    }
                }
            }
        }
    }
}
