//! A mail on its way in: its bytes go where they are kept as they come, its beginning is looked at, and once it is whole
//! everything that follows from it is done, before the `250`.
//!
//! | file | its job |
//! |---|---|
//! | `mail` | what is known of a mail before its first byte |
//! | `beginning` | the header and the first of the body, held until they were looked at |
//! | `kept` | the bytes of a mail that is kept, on their way into sealed chunks |
//! | `post` | a mail that is to become a mailing |
//! | `report` | a mail that is to be a report on mail in our name |
//! | `asked` | what a mail asks of us, beside being kept: to be subscribed, to be left alone |
//! | `commit` | the one transaction in which a mail is taken |

mod asked;
mod beginning;
mod commit;
mod kept;
mod mail;
mod post;
mod report;

use std::borrow::Cow;
use std::sync::Arc;

use super::super::rooms::Rooms;
use super::checks::{Checked, Checking};
use super::envelope::Bound;
use super::toll::Toll;
use super::verdict;
use crate::message::outline::Scanner;
use crate::message::trace::MOST_HOPS;
use crate::smtp::server::{Accepted, Body, Envelope, Refusal};
use crate::store::StoreError;
use asked::Stop;
use beginning::Beginning;
use kept::Kept;
use mail::{Mail, Places};
use post::Post;
use report::Report;

/// A mail that is being received.
pub struct Arrival {
    mail: Mail,
    toll: Toll,
    beginning: Beginning,
    /// What is found out about a stranger's mail.
    checking: Option<Checking>,
    bytes: Bytes,
    /// What lists of messages will show of a mail that is kept.
    outline: Scanner,
    /// The whole mail once more, if a report should be in it.
    report: Option<Report>,
    /// A staff member's mail counts among those of the day.
    place: Option<Places>,
}

/// Where the bytes of a mail go.
enum Bytes {
    /// It is to become a mailing: it is read whole before it is judged.
    Post(Post),
    /// Into the store.
    Kept(Kept),
    /// It only asks something of us: it is read, and not kept.
    Dropped,
    /// There's no room to keep it at present. It is read all the same, for it may be a withdrawal, and those go on.
    PutOff(Refusal),
}

impl Bytes {
    async fn keep(mail: &Mail, judged: bool) -> Result<Self, Refusal> {
        match Kept::begin(mail, judged).await {
            Ok(kept) => Ok(Self::Kept(kept)),
            Err(error @ StoreError::Reserved { .. }) if mail.may_withdraw() => {
                Ok(Self::PutOff(verdict::store(&error)))
            }
            Err(error) => Err(verdict::store(&error)),
        }
    }
}

impl Arrival {
    pub(super) async fn begin(
        rooms: Arc<Rooms>,
        envelope: &Envelope,
        bound: Bound,
    ) -> Result<Self, Refusal> {
        let toll = Toll::of(&rooms, &envelope.caller);
        let mail = Mail::of(rooms, envelope, bound);
        let place = mail.place()?;
        let judged = mail.known.submitted_by.is_none() && mail.bound.is_judged();
        let checking = judged.then(|| mail.rooms.checks().begin(envelope, mail.held()));
        let bytes = match Post::of(&mail) {
            Some(post) => Bytes::Post(post),
            None if mail.bound.is_kept() => Bytes::keep(&mail, judged).await?,
            None => Bytes::Dropped,
        };
        let beginning = Beginning::within(mail.held());
        Ok(Self {
            report: Report::of(&mail),
            mail,
            beginning,
            toll,
            checking,
            bytes,
            outline: Scanner::default(),
            place,
        })
    }

    /// What is said to a mail that there is no room for, once it was heard.
    fn put_off(&mut self) -> Option<Refusal> {
        match std::mem::replace(&mut self.bytes, Bytes::Dropped) {
            Bytes::PutOff(refusal) => Some(refusal),
            bytes => {
                self.bytes = bytes;
                None
            }
        }
    }

    /// What was found out about a stranger's mail.
    async fn check(&mut self) -> Result<Option<Checked>, Refusal> {
        let Some(checking) = self.checking.take() else {
            return Ok(None);
        };
        let now = self.mail.rooms.clock.now();
        let checks = self.mail.rooms.checks();
        checks.finish(checking, now).await.map(Some)
    }
}

impl Body for Arrival {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.toll.take(bytes.len())?;
        self.beginning.take(bytes).map_err(|_| verdict::no_room())?;
        if let Bytes::Post(post) = &mut self.bytes {
            return post.take(bytes);
        }
        if let Some(report) = &mut self.report {
            report.take(bytes)?;
        }
        if matches!(self.bytes, Bytes::Kept(_)) {
            self.outline.take(bytes);
        }
        let bytes = match &mut self.checking {
            Some(checking) => checking.take(bytes)?,
            None => bytes,
        };
        let Bytes::Kept(kept) = &mut self.bytes else {
            return Ok(());
        };
        match kept.take(&self.mail, bytes).await {
            Err(refusal) if kept.is_put_off && self.mail.may_withdraw() => {
                self.bytes = Bytes::PutOff(refusal);
                Ok(())
            }
            taken => taken,
        }
    }

    async fn finish(mut self) -> Result<Accepted, Refusal> {
        let seen = self.beginning.end();
        if seen.hops > MOST_HOPS {
            return Err(verdict::loops());
        }
        if let Bytes::Post(post) = self.bytes {
            return post.submit(&self.mail).await;
        }
        let glance = seen.glance;
        let put_off = self.put_off();
        // What a token proves, no verdict about the mail refuses or delays.
        self.mail.withdraw().await?;
        let mut stop = self.mail.stop_by_reply(&glance).await?;
        let checked = self.check().await?;
        if let Some(report) = self.report.take().filter(|_| put_off.is_none()) {
            report.submit(&self.mail, checked.as_ref()).await?;
        }
        match &checked {
            Some(checked) if checked.junk && !self.mail.bound.is_kept() => {
                return Err(verdict::suspect_request());
            }
            // A forged wish must neither pause nor ask anybody.
            Some(checked) if checked.junk => {}
            Some(checked) => {
                if put_off.is_none() {
                    self.mail.subscribe(&glance, checked).await?;
                    self.mail.owns_up(&glance, checked).await?;
                }
                if matches!(stop, Stop::None | Stop::ToNobody) {
                    let answers_us = matches!(stop, Stop::ToNobody);
                    stop = self
                        .mail
                        .stop_by_author(&glance, answers_us, checked)
                        .await?;
                }
            }
            None if put_off.is_none() => self.mail.subscribe_member().await?,
            None => {}
        }
        if let Some(refusal) = put_off {
            // Whom it asks is asked when it comes again, and once.
            return Err(refusal);
        }
        self.take(checked, stop, &glance).await?;
        Ok(Accepted {
            note: Cow::Borrowed("Taken"),
        })
    }
}
