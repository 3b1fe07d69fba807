//! What the outside world has received, in memory and bounded: the oldest mail goes when it gets too much.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

/// One mail as the outside world got it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Counts up from 1.
    pub number: u64,
    /// When its final dot came.
    pub received: Timestamp,
    /// The reverse-path without brackets; empty for `<>`.
    pub reverse_path: String,
    /// The forward-paths without brackets.
    pub recipients: Vec<String>,
    /// The TLS version it came over.
    pub tls: &'static str,
    /// Whether its sender asked for REQUIRETLS.
    pub require_tls: bool,
    /// What was said behind the paths of MAIL and RCPT.
    pub parameters: String,
    /// The connection that brought it, counted from 1.
    pub connection: u64,
    /// The message as it was on the wire, dots still doubled.
    pub(super) stuffed: Box<[u8]>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Mail {
    /// The message: header and body with CRLF line ends.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.stuffed.len());
        for line in self.stuffed.split_inclusive(|&b| b == b'\n') {
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        message
    }

    /// The first header field of this name, unfolded; for display and search.
    pub fn header(&self, name: &str) -> Option<String> {
        let message = self.message();
        let mut value: Option<String> = None;
        for line in String::from_utf8_lossy(&message)
            .split("\r\n")
            .take_while(|line| !line.is_empty())
        {
            let folded = line.starts_with([' ', '\t']);
            match (&mut value, line.split_once(':')) {
                (Some(value), _) if folded => value.push_str(line),
                (Some(_), _) => break,
                (None, Some((field, rest)))
                    if !folded && field.trim_end().eq_ignore_ascii_case(name) =>
                {
                    value = Some(rest.trim_start().to_owned());
                }
                _ => {}
            }
        }
        value
    }

    /// Whether envelope or message have this text in them, in any case.
    pub fn contains(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let has = |hay: &str| hay.to_lowercase().contains(&text);
        has(&self.reverse_path)
            || self.recipients.iter().any(|recipient| has(recipient))
            || has(&String::from_utf8_lossy(&self.message()))
    }

    /// Whether this address is among its recipients, in any case.
    pub fn is_to(&self, address: &str) -> bool {
        self.recipients
            .iter()
            .any(|recipient| recipient.eq_ignore_ascii_case(address))
    }
}

/// How much an inbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxLimits {
    /// Mails.
    pub mails: usize,
    /// Octets of messages.
    pub octets: usize,
    /// Octets kept of each message; the rest is counted and dropped.
    pub each: usize,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self {
            mails: 10_000,
            octets: 64 << 20,
            each: 32 << 20,
        }
    }
}

/// The inbox of everybody outside. Clones are the same inbox.
#[derive(Debug, Clone)]
pub struct Inbox {
    held: Arc<Mutex<Held>>,
    /// How many have come; a change wakes those who wait.
    came: watch::Sender<u64>,
    limits: InboxLimits,
}

#[derive(Debug, Default)]
struct Held {
    mails: VecDeque<Arc<Mail>>,
    octets: usize,
}

impl Inbox {
    /// An empty inbox.
    pub fn new(limits: InboxLimits) -> Self {
        Self {
            held: Arc::default(),
            came: watch::Sender::new(0),
            limits,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn each(&self) -> usize {
        self.limits.each
    }

    /// Puts a mail in and gives it its number.
    pub(super) fn put(&self, mut mail: Mail) {
        let mut held = self.held();
        self.came.send_modify(|came| *came += 1);
        mail.number = *self.came.borrow();
        held.octets += mail.stuffed.len();
        held.mails.push_back(Arc::new(mail));
        while held.mails.len() > self.limits.mails || held.octets > self.limits.octets {
            let Some(oldest) = held.mails.pop_front() else {
                break;
            };
            held.octets -= oldest.stuffed.len();
        }
    }

    /// How many mails have ever come.
    pub fn count(&self) -> u64 {
        *self.came.borrow()
    }

    /// All mails that are held, oldest first.
    pub fn all(&self) -> Vec<Arc<Mail>> {
        self.held().mails.iter().cloned().collect()
    }

    /// The mail with this number, if it is still held.
    pub fn get(&self, number: u64) -> Option<Arc<Mail>> {
        self.held()
            .mails
            .iter()
            .find(|mail| mail.number == number)
            .cloned()
    }

    /// The mails to this address, oldest first.
    pub fn to(&self, address: &str) -> Vec<Arc<Mail>> {
        self.held()
            .mails
            .iter()
            .filter(|mail| mail.is_to(address))
            .cloned()
            .collect()
    }

    /// The mails that have this text in envelope or message, oldest first.
    pub fn search(&self, text: &str) -> Vec<Arc<Mail>> {
        self.all()
            .into_iter()
            .filter(|mail| mail.contains(text))
            .collect()
    }

    /// Waits for the first mail that fits, held already or to come.
    pub async fn wait_for(&self, fits: impl Fn(&Mail) -> bool) -> Arc<Mail> {
        let mut came = self.came.subscribe();
        let mut seen = 0;
        loop {
            came.borrow_and_update();
            let fresh = self
                .all()
                .into_iter()
                .filter(|mail| mail.number > seen)
                .collect::<Vec<_>>();
            seen = fresh.last().map_or(seen, |mail| mail.number);
            if let Some(found) = fresh.into_iter().find(|mail| fits(mail)) {
                return found;
            }
            if came.changed().await.is_err() {
                // We hold a sender ourselves, so it can't close.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Empties it. Numbers go on.
    pub fn clear(&self) {
        let mut held = self.held();
        held.mails.clear();
        held.octets = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn mail(to: &str, stuffed: &str) -> Mail {
        Mail {
            number: 0,
            received: Timestamp::UNIX_EPOCH,
            reverse_path: "u+x@party.example".to_owned(),
            recipients: vec![to.to_owned()],
            tls: "TLSv1.3",
            require_tls: false,
            parameters: String::new(),
            connection: 1,
            stuffed: stuffed.as_bytes().into(),
        }
    }

    #[test]
    fn a_mail_is_read_back_as_it_was_written() {
        let mail = mail(
            "ada@example.org",
            "Subject: a\r\n folded\r\nX: y\r\n\r\n..dot\r\na.b\r\nsubject: no\r\n",
        );
        assert_eq!(
            mail.message(),
            b"Subject: a\r\n folded\r\nX: y\r\n\r\n.dot\r\na.b\r\nsubject: no\r\n"
        );
        assert_eq!(mail.header("SUBJECT").as_deref(), Some("a folded"));
        assert_eq!(mail.header("x").as_deref(), Some("y"));
        assert_eq!(mail.header("To"), None);
        assert!(mail.contains(".DOT") && mail.contains("ADA@") && !mail.contains("bob"));
        assert!(mail.is_to("Ada@Example.org"));
    }

    #[test]
    fn the_oldest_goes_when_it_gets_too_much() {
        let inbox = Inbox::new(InboxLimits {
            mails: 3,
            octets: 10,
            each: 10,
        });
        for to in ["a@x.example", "b@x.example", "c@x.example", "d@x.example"] {
            inbox.put(mail(to, "12"));
        }
        assert_eq!(
            inbox
                .all()
                .iter()
                .map(|mail| mail.number)
                .collect::<Vec<_>>(),
            [2, 3, 4]
        );
        inbox.put(mail("e@x.example", "12345678"));
        assert_eq!(
            inbox
                .all()
                .iter()
                .map(|mail| mail.number)
                .collect::<Vec<_>>(),
            [4, 5]
        );
        assert_eq!(inbox.count(), 5);
        assert!(inbox.get(1).is_none());
        assert_eq!(inbox.to("E@x.example").len(), 1);
    }

    #[tokio::test]
    async fn waiting_sees_what_is_there_and_what_comes() {
        let inbox = Inbox::new(InboxLimits::default());
        inbox.put(mail("a@x.example", ""));
        assert_eq!(
            inbox
                .wait_for(|mail| mail.is_to("a@x.example"))
                .await
                .number,
            1
        );
        let waiter = tokio::spawn({
            let inbox = inbox.clone();
            async move {
                inbox
                    .wait_for(|mail| mail.is_to("b@x.example"))
                    .await
                    .number
            }
        });
        tokio::task::yield_now().await;
        inbox.put(mail("c@x.example", ""));
        tokio::task::yield_now().await;
        inbox.put(mail("b@x.example", ""));
        assert_eq!(waiter.await.unwrap(), 3);
    }
}
