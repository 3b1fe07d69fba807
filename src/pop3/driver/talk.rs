//! The encrypted part of a connection: a session, the house and the wire between them.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::locks::Lock;
use super::{Door, Gone};
use crate::mailbox::{Dropped, Maildrop};
use crate::net::wire::Wire;
use crate::pop3::host::{Account, Host, Refusal};
use crate::pop3::session::{Admitted, Listing, Login, Member, Step, Stranger, err, ok};
use crate::pop3::stuffing::Stuffing;
use crate::store::StoreError;
use crate::tls::TlsInfo;

/// Somebody who has logged in, and the place that they hold.
struct Place {
    account: Account,
    _lock: Lock,
}

impl<H: Host> Door<H> {
    /// Answers until there are last words.
    pub(super) async fn converse<S>(
        &self,
        wire: &mut Wire<S>,
        tls: TlsInfo,
        client: IpAddr,
        stop: &CancellationToken,
    ) -> Result<Vec<u8>, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut stranger = Stranger::new(tls, self.limits);
        wire.output().extend(Stranger::greeting());
        let until = Instant::now() + self.timeouts.log_in;
        loop {
            let (used, step) = stranger.advance(wire.input());
            wire.consume(used);
            let mut next = Some(step);
            while let Some(step) = next.take() {
                match step {
                    Step::Say(text) => wire.output().extend(text),
                    Step::Close(text) => return Ok(text),
                    Step::AskCredentials(asked) => {
                        let answer = self.host.credentials(client, asked.user(), asked.proof());
                        let answer = answer.await;
                        next = Some(stranger.answer_credentials(asked, answer));
                    }
                    Step::Login(login) => {
                        let (place, answer) = self.log_in(client, &login).await;
                        match (stranger.answer_login(login, answer), place) {
                            (Admitted::Member(member, text), Some(place)) => {
                                wire.output().extend(text);
                                return self.attend(wire, member, &place, stop).await;
                            }
                            (Admitted::Not(step), _) => next = Some(step),
                            (Admitted::Member(..), None) => return Err(Gone::Stopped),
                        }
                    }
                    Step::NeedInput => {
                        wire.flush().await?;
                        tokio::select! {
                            biased;
                            () = stop.cancelled() => return Err(Gone::Stopped),
                            read = timeout_at(until, wire.read()) => read.map_err(|_| Gone::Silent)??,
                        }
                    }
                    // A stranger has no maildrop.
                    Step::List(_) | Step::Send(..) | Step::Leave(_) => return Err(Gone::Stopped),
                }
            }
            wire.relieve().await?;
        }
    }

    /// Tells the host how a log-in ended, and opens the maildrop of who may come in, if nobody is in it.
    async fn log_in(
        &self,
        client: IpAddr,
        login: &Login,
    ) -> (Option<Place>, Result<Option<Maildrop>, Refusal>) {
        let account = match self.host.login(client, login.outcome()).await {
            Ok(Some(account)) => account,
            Ok(None) => return (None, Ok(None)),
            Err(refusal) => return (None, Err(refusal)),
        };
        let Some(lock) = self.locks.take(account.mailbox) else {
            let code = "IN-USE";
            let text = "Another program is fetching mail just now; try again when it's done".into();
            return (None, Err(Refusal { code, text }));
        };
        match account.mailboxes.maildrop(account.mailbox).await {
            Ok(maildrop) => {
                let place = Place {
                    account,
                    _lock: lock,
                };
                (Some(place), Ok(Some(maildrop)))
            }
            Err(error) => {
                tracing::error!(%error, "an INBOX can't be opened");
                (None, Err(Refusal::not_in_service()))
            }
        }
    }

    /// Runs a member's commands until the last.
    async fn attend<S>(
        &self,
        wire: &mut Wire<S>,
        mut member: Member,
        place: &Place,
        stop: &CancellationToken,
    ) -> Result<Vec<u8>, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        loop {
            // Others have their turn between commands that came together.
            tokio::task::consume_budget().await;
            let (used, step) = member.advance(wire.input());
            wire.consume(used);
            // What came together with the last command is not run for somebody who is out.
            let acts = matches!(step, Step::List(_) | Step::Send(..) | Step::Leave(_));
            if acts && !self.host.still_lets_in(place.account.entrant) {
                return Err(Gone::Revoked);
            }
            match step {
                Step::Say(text) => wire.output().extend(text),
                Step::Close(text) => return Ok(text),
                Step::List(listing) => {
                    let said = list(wire, &member, listing);
                    self.unless_out(place, stop, said).await?;
                }
                Step::Send(message, lines) => {
                    let said = send(wire, place, member.maildrop(), message, lines);
                    self.unless_out(place, stop, said).await?;
                }
                Step::Leave(uids) => {
                    let left = leave(place, &member, &uids).await;
                    return Ok(member.farewell(left));
                }
                Step::NeedInput => {
                    wire.flush().await?;
                    wire.rest();
                    self.wait(wire, place, stop).await?;
                }
                // Who is in can't log in.
                Step::AskCredentials(_) | Step::Login(_) => return Err(Gone::Stopped),
            }
            wire.relieve().await?;
        }
    }

    /// Says much. However slowly it is taken, nobody gets more of it who is out, and a stop doesn't wait for it.
    async fn unless_out(
        &self,
        place: &Place,
        stop: &CancellationToken,
        said: impl Future<Output = Result<(), Gone>> + Send,
    ) -> Result<(), Gone> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Gone::CutShort),
            () = self.host.shut_out(place.account.entrant) => Err(Gone::CutShort),
            said = said => said,
        }
    }

    /// Waits for input.
    async fn wait<S>(
        &self,
        wire: &mut Wire<S>,
        place: &Place,
        stop: &CancellationToken,
    ) -> Result<(), Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let until = Instant::now() + self.timeouts.idle;
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Gone::Stopped),
            () = self.host.shut_out(place.account.entrant) => Err(Gone::Revoked),
            read = wire.read() => Ok(read?),
            () = sleep_until(until) => Err(Gone::Idle),
        }
    }
}

async fn list<S>(wire: &mut Wire<S>, member: &Member, listing: Listing) -> Result<(), Gone>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut rest = Some(listing);
    while let Some(listing) = rest {
        let (text, more) = member.list(listing);
        wire.output().extend(text);
        wire.relieve().await?;
        rest = more;
    }
    Ok(())
}

/// Sends a message, a chunk of it in memory at a time. One that can't even be begun is refused; one that ends too early ends
/// the connection, so that nobody takes it for whole.
async fn send<S>(
    wire: &mut Wire<S>,
    place: &Place,
    maildrop: &Maildrop,
    message: Dropped,
    lines: Option<u64>,
) -> Result<(), Gone>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut body = place.account.mailboxes.body(message.message);
    let mut next = match body.next().await {
        Ok(next) => next,
        Err(error) => {
            wire.output()
                .extend(unread(place, maildrop, &message, &error).await);
            return Ok(());
        }
    };
    let said = match lines {
        None => ok(&format!("{} octets", message.size)),
        Some(_) => ok("Its top"),
    };
    wire.output().extend(said);
    let mut stuffing = Stuffing::new(lines);
    while let Some(chunk) = next {
        stuffing.take(&chunk, wire.output());
        wire.relieve().await?;
        if stuffing.is_done() {
            break;
        }
        next = body.next().await?;
    }
    stuffing.finish(wire.output());
    Ok(())
}

/// Why a message can't even be begun: somebody removed it meanwhile, or it is damaged.
async fn unread(
    place: &Place,
    maildrop: &Maildrop,
    message: &Dropped,
    error: &StoreError,
) -> Vec<u8> {
    if let StoreError::Cut { .. } = error {
        match place
            .account
            .mailboxes
            .still_stands(maildrop, message)
            .await
        {
            Ok(true) => {}
            Ok(false) => return err("It is gone: another program has removed it"),
            Err(error) => {
                tracing::error!(%error, "a folder can't be read");
                return err("[SYS/TEMP] The message can't be read now");
            }
        }
    }
    tracing::error!(%error, "a message can't be read");
    err("[SYS/PERM] The message is damaged")
}

/// Takes what was marked out of the maildrop. Answers whether all of it is gone.
async fn leave(place: &Place, member: &Member, uids: &[crate::store::Uid]) -> bool {
    if uids.is_empty() {
        return true;
    }
    let left = place.account.mailboxes.empty(member.maildrop(), uids).await;
    match left {
        Ok(()) => {
            tracing::info!("fetched and removed mail");
            true
        }
        Err(error) => {
            tracing::error!(%error, "messages can't be removed");
            false
        }
    }
}
