//! What is done by itself: certificates that are due, and what an authority says of when to renew (ARI). What fails is
//! tried again, ever more slowly: authorities lock out those who hammer at them.

use std::sync::PoisonError;
use std::time::Duration;

use instant_acme::{Account, AccountCredentials, CertificateIdentifier, NewAccount};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::book::{Hint, Issued, Kept, renew_at};
use super::order::{Got, Orders};
use super::refusal::refusal;
use super::{AcmeSettings, CertificateError, OwnCertificates, Refusal, Trouble};
use crate::store::{Change, Setting, Step};
use crate::tls::{KeyKind, Pair};

/// The account's name in the store.
const ACCOUNT: &str = "acme-account";
/// The longest that one certificate may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long after the first failure it is tried again; each further one doubles it.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(12);
/// How long an authority is left alone that asks for it.
const SLOW_WAIT: SignedDuration = SignedDuration::from_hours(3);
/// How often it is looked whether something is due, at the least.
const LOOK: SignedDuration = SignedDuration::from_hours(6);
/// After how long names that were left out are tried again: authorities count certificates that are alike.
const LEFT_OUT: SignedDuration = SignedDuration::from_hours(4 * 24);
/// The rest of a certificate that signs itself at which it is made anew.
const SELF_MADE: SignedDuration = SignedDuration::from_hours(300 * 24);

/// The account, as it is sealed.
#[derive(Serialize, Deserialize)]
struct KeptAccount {
    directory: String,
    credentials: AccountCredentials,
}

impl From<CertificateError> for Refusal {
    fn from(error: CertificateError) -> Self {
        Self::odd(error.to_string())
    }
}

fn wait_after(tries: u32, refusal: &Refusal) -> SignedDuration {
    let doubled = FIRST_WAIT * 2_i32.saturating_pow(tries.saturating_sub(1).min(10));
    let least = match refusal.slow_down {
        true => SLOW_WAIT,
        false => FIRST_WAIT,
    };
    doubled.clamp(least, LONGEST_WAIT)
}

impl OwnCertificates {
    /// Works for ever.
    pub async fn run(self: std::sync::Arc<Self>) {
        let mut tries = 0;
        let mut asked_for = false;
        loop {
            let done = self.round(asked_for).await;
            let now = self.clock.now();
            let next = match done {
                Ok(()) => {
                    tries = 0;
                    self.set_trouble(None);
                    self.next_look(now)
                }
                Err(refusal) => {
                    tries += 1;
                    let again_at = after(now, wait_after(tries, &refusal));
                    tracing::warn!(
                        why = refusal.why,
                        next = refusal.next,
                        again_at = %again_at,
                        "no new certificate; the one in use stays"
                    );
                    let since = self.trouble().map_or(now, |trouble| trouble.since);
                    self.set_trouble(Some(Trouble {
                        refusal,
                        since,
                        again_at,
                    }));
                    again_at
                }
            };
            asked_for = tokio::select! {
                () = self.clock.sleep_until(next) => false,
                () = self.wake.notified() => true,
            };
        }
    }

    fn set_trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn next_look(&self, now: Timestamp) -> Timestamp {
        let waits = self.book().next.and_then(|next| next.wait_until);
        let hints = self.hints().values().map(|hint| hint.ask_again).min();
        let renewals = KeyKind::ALL.map(|kind| self.renews_at(kind));
        let due = [waits, hints].into_iter().chain(renewals).flatten();
        let soon = after(now, SignedDuration::from_mins(1));
        due.fold(after(now, LOOK), Timestamp::min).max(soon)
    }

    /// Does what is due; the first thing that fails ends it.
    async fn round(&self, asked_for: bool) -> Result<(), Refusal> {
        let settings = self.settings.load_full();
        let Some(acme) = &settings.acme else {
            if self.book().may_switch(self.clock.now()) {
                self.switch().await?;
            }
            let now = self.clock.now();
            let old = |pair: &Pair| pair.expires().duration_since(now) < SELF_MADE;
            if self.served.pairs().iter().any(old) {
                self.publish().await?;
            }
            return Ok(());
        };
        for kept in &self.book().live.keys {
            self.ask_when(kept, acme).await;
            if self.is_due(kept, acme, &settings.names, asked_for) {
                self.renew(kept, acme, &settings.names).await?;
                self.publish().await?;
            }
        }
        // Last: what goes wrong with the next keys must not keep those in use from being renewed.
        let book = self.book();
        if book.may_switch(self.clock.now())
            && let Some(next) = &book.next
        {
            for kept in next.set.keys.iter().filter(|kept| kept.issued.is_none()) {
                self.renew(kept, acme, &settings.names).await?;
            }
            self.switch().await?;
        }
        Ok(())
    }

    fn is_due(&self, kept: &Kept, acme: &AcmeSettings, names: &[String], asked_for: bool) -> bool {
        let Some(issued) = &kept.issued else {
            return true;
        };
        let now = self.clock.now();
        let hint = self.hints().get(&kept.kind).copied();
        let left_out = !issued.left_out.is_empty()
            && (asked_for || now.duration_since(issued.got_at) >= LEFT_OUT);
        issued.directory != acme.directory
            || issued.asked != names
            || left_out
            || now >= renew_at(issued, hint)
    }

    /// Gets a certificate for a key, and keeps it.
    async fn renew(
        &self,
        kept: &Kept,
        acme: &AcmeSettings,
        names: &[String],
    ) -> Result<(), Refusal> {
        let getting = timeout(PATIENCE, self.get(kept, acme, names)).await;
        let got = getting.map_err(|_| Refusal::odd("the authority took too long"))??;
        let pair = kept.key().with_chain(&got.chain);
        let pair = pair.map_err(|error| {
            Refusal::odd(format!(
                "the authority's certificate can't be used: {error}"
            ))
        })?;
        let missing = |name: &&String| {
            let told = got.left_out.iter().any(|(left, _)| left == *name);
            !told && !pair.serves_name(name)
        };
        if let Some(name) = names.iter().find(missing) {
            let why = format!("the authority's certificate is not for {name}");
            return Err(Refusal::odd(why));
        }
        let issued = Issued {
            asked: names.to_vec(),
            got_at: self.clock.now(),
            from: pair.valid_from(),
            until: pair.expires(),
            directory: acme.directory.clone(),
            left_out: got.left_out,
            chain: got.chain,
        };
        let until = issued.until;
        let _changing = self.changing.lock().await;
        // It may have changed meanwhile: the key is found again.
        let mut book = self.book();
        let next = book.next.iter_mut().flat_map(|next| &mut next.set.keys);
        let own = book.live.keys.iter_mut().chain(next);
        for one in own.filter(|one| one.digest == kept.digest) {
            one.issued = Some(issued.clone());
        }
        self.take(book, Vec::new()).await?;
        self.hints().remove(&kept.kind);
        tracing::info!(kind = kept.kind.as_str(), until = %until, "a new certificate");
        Ok(())
    }

    async fn get(
        &self,
        kept: &Kept,
        acme: &AcmeSettings,
        names: &[String],
    ) -> Result<Got, Refusal> {
        let first = self.order(kept, acme, names).await;
        match first {
            // The authority began anew, as laboratories do.
            Err(refusal) if refusal.no_account => {
                self.keep_account(None).await?;
                self.order(kept, acme, names).await
            }
            done => done,
        }
    }

    async fn order(
        &self,
        kept: &Kept,
        acme: &AcmeSettings,
        names: &[String],
    ) -> Result<Got, Refusal> {
        let account = self.account(acme).await?;
        let orders = Orders {
            account: &account,
            challenges: self.served.challenges(),
            kinds: &acme.kinds,
        };
        let replaces = kept.issued.as_ref().and_then(|one| identifier(kept, one));
        orders.get(&kept.key(), names, replaces).await
    }

    /// The account at the authority, made if there is none.
    async fn account(&self, acme: &AcmeSettings) -> Result<Account, Refusal> {
        let builder = || Account::builder_with_http(Box::new(acme.http.clone()));
        let reaching = |error| refusal("reach the authority", &error);
        let kept = self.store.setting(ACCOUNT).await;
        let kept = kept.map_err(CertificateError::from)?;
        let kept = kept.and_then(|bytes| serde_json::from_slice::<KeptAccount>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.directory == acme.directory) {
            let account = builder().from_credentials(kept.credentials).await;
            return account.map_err(reaching);
        }
        let contact = acme.contact.as_ref().map(|one| format!("mailto:{one}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder().create(&wanted, acme.directory.clone(), None);
        let made = made.await;
        let (account, credentials) =
            made.map_err(|error| refusal("make an account at the authority", &error))?;
        let directory = acme.directory.clone();
        self.keep_account(Some(KeptAccount {
            directory,
            credentials,
        }))
        .await?;
        tracing::info!("made an account at the certificate authority");
        Ok(account)
    }

    async fn keep_account(&self, account: Option<KeptAccount>) -> Result<(), CertificateError> {
        let mut value = Zeroizing::new(Vec::with_capacity(4096));
        if let Some(account) = account {
            serde_json::to_writer(&mut *value, &account).expect("texts are JSON");
        }
        let put = Step::PutSetting(Setting {
            name: ACCOUNT.into(),
            value,
        });
        // Nothing guards it.
        let _ = self.store.change(Change::new().then(put)).await?;
        Ok(())
    }

    /// Asks the authority when to renew (RFC 9773). One that doesn't say is asked again later; what it said before holds.
    async fn ask_when(&self, kept: &Kept, acme: &AcmeSettings) {
        let now = self.clock.now();
        let Some(issued) = &kept.issued else { return };
        let known = self.hints().get(&kept.kind).copied();
        if known.is_some_and(|hint| now < hint.ask_again) {
            return;
        }
        let Some(identifier) = identifier(kept, issued) else {
            return;
        };
        let Ok(account) = self.account(acme).await else {
            return;
        };
        let hint = match account.renewal_info(&identifier).await {
            Ok((info, again)) => {
                let second = |at: i64| Timestamp::from_second(at).unwrap_or(issued.until);
                let window = info.suggested_window;
                let (start, end) = (
                    second(window.start.unix_timestamp()),
                    second(window.end.unix_timestamp()),
                );
                let again = SignedDuration::try_from(again).unwrap_or(LOOK);
                let hour = SignedDuration::from_hours(1);
                // A moment within the window that was chosen before stays.
                let chosen = known.map(|hint| hint.renew_at);
                let chosen = chosen.filter(|at| (start..=end).contains(at));
                Hint {
                    renew_at: chosen.unwrap_or_else(|| somewhere(start, end)),
                    ask_again: after(now, again.clamp(hour, hour * 24)),
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the authority doesn't say when to renew");
                let by_life = renew_at(issued, None);
                Hint {
                    renew_at: known.map_or(by_life, |hint| hint.renew_at),
                    ask_again: after(now, LOOK),
                }
            }
        };
        self.hints().insert(kept.kind, hint);
    }
}

/// A random moment in between: authorities want their clients spread.
fn somewhere(start: Timestamp, end: Timestamp) -> Timestamp {
    let [a, b, c, d, ..] = crate::id::random();
    let part = f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX);
    let seconds = end.duration_since(start).as_secs_f64() * part;
    after(
        start,
        SignedDuration::try_from_secs_f64(seconds).unwrap_or_default(),
    )
}

fn after(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// What an authority knows a certificate by.
fn identifier(kept: &Kept, issued: &Issued) -> Option<CertificateIdentifier<'static>> {
    let pair = kept.key().with_chain(&issued.chain).ok()?;
    let identifier = CertificateIdentifier::try_from(pair.certificate()).ok()?;
    Some(identifier.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_more_slowly() {
        let plain = Refusal::odd("x");
        let waits: Vec<i64> = (1..12)
            .map(|tries| wait_after(tries, &plain).as_mins())
            .collect();
        assert_eq!(waits[..4], [5, 10, 20, 40]);
        assert_eq!(waits[10], 12 * 60);
        let slow = Refusal {
            slow_down: true,
            ..plain
        };
        assert_eq!(wait_after(1, &slow).as_hours(), 3);
        assert_eq!(wait_after(u32::MAX, &slow).as_hours(), 12);
    }
}
