//! The phases of an encrypted connection, a type each: `Secured → Introduced → Authenticated`, and from the last two
//! a [`Transaction`]. (Before TLS there is only [`super::Open`], which leads to none of them.)
//!
//! A transaction is made by [`MaySend`] alone, and [`MaySend`] is given by a phase that has the right to it: on the
//! MX by a caller who said a name, on submission by one who has proven who it is. A forgotten check does not compile.

use std::net::IpAddr;

use super::super::envelope::{Caller, ConnectionId, Envelope, HelloName, Recipient, Role, TlsInfo};
use super::receive::Intake;
use crate::smtp::path::ReversePath;
use crate::staff::Entrant;
use crate::store::DsnWish;

/// TLS stands. Nothing that was said before it is known here.
#[derive(Clone, Debug)]
pub struct Secured {
    connection: ConnectionId,
    role: Role,
    client: IpAddr,
    tls: TlsInfo,
}

impl Secured {
    /// The start of everything that can carry mail. The client's address is for limits and
    /// checks; [`super::super::received_field`] leaves it out on submission.
    pub fn new(connection: ConnectionId, role: Role, client: IpAddr, tls: TlsInfo) -> Self {
        Self {
            connection,
            role,
            client,
            tls,
        }
    }

    fn hello(&self, hello: HelloName, extended: bool) -> Introduced {
        Introduced(Caller {
            connection: self.connection,
            role: self.role,
            client: self.client,
            hello,
            extended,
            tls: self.tls.clone(),
            staff: None,
        })
    }
}

/// The client has said its name.
#[derive(Debug)]
pub(in crate::smtp::server) struct Introduced(Caller);

impl Introduced {
    /// The right to give MAIL: strangers have it on the MX.
    fn may_send(&self) -> Option<MaySend<'_>> {
        (!self.0.role.is_submission()).then_some(MaySend(&self.0))
    }

    /// Whether AUTH is offered: on submission only.
    fn may_log_in(&self) -> bool {
        self.0.role.is_submission()
    }

    fn proven(&self, staff: Entrant) -> Authenticated {
        Authenticated(Caller {
            staff: Some(staff),
            ..self.0.clone()
        })
    }
}

/// The client has proven to be a member of staff.
#[derive(Debug)]
pub(in crate::smtp::server) struct Authenticated(Caller);

/// The right to give MAIL.
pub(in crate::smtp::server) struct MaySend<'c>(&'c Caller);

impl MaySend<'_> {
    /// Starts a mail.
    pub(in crate::smtp::server) fn begin(self, mail: MailFrom, number: usize) -> Transaction {
        Transaction {
            envelope: Envelope {
                caller: self.0.clone(),
                number,
                reverse_path: mail.path,
                declared_size: mail.size,
                eight_bit: mail.eight_bit,
                utf8: mail.utf8,
                require_tls: mail.require_tls,
                recipients: Vec::new(),
                dsn: mail.dsn,
            },
            intake: None,
        }
    }
}

/// MAIL, read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::smtp::server) struct MailFrom {
    pub(in crate::smtp::server) path: ReversePath,
    pub(in crate::smtp::server) size: Option<u64>,
    pub(in crate::smtp::server) eight_bit: bool,
    pub(in crate::smtp::server) utf8: bool,
    pub(in crate::smtp::server) require_tls: bool,
    pub(in crate::smtp::server) dsn: DsnWish,
}

/// A mail: from an accepted MAIL to its outcome.
#[derive(Debug)]
pub(in crate::smtp::server) struct Transaction {
    envelope: Envelope,
    /// The message, once the host has taken its beginning.
    pub(in crate::smtp::server) intake: Option<Intake>,
}

impl Transaction {
    pub(in crate::smtp::server) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Adds a recipient that the host has accepted; one that is there already stays there once.
    pub(in crate::smtp::server) fn add(&mut self, recipient: Recipient) {
        let known = &mut self.envelope.recipients;
        if known.iter().all(|other| other.path != recipient.path) {
            known.push(recipient);
        }
    }
}

/// Where an encrypted connection stands.
#[derive(Debug)]
pub(in crate::smtp::server) enum Phase {
    Secured(Secured),
    Introduced(Introduced),
    Authenticated(Authenticated),
}

impl Phase {
    /// EHLO or HELO. It may come again at any time; who has logged in stays logged in (RFC 4954 §4).
    pub(in crate::smtp::server) fn hello(&mut self, name: HelloName, is_extended: bool) {
        match self {
            Self::Secured(secured) => {
                *self = Self::Introduced(secured.hello(name, is_extended));
            }
            Self::Introduced(Introduced(caller)) | Self::Authenticated(Authenticated(caller)) => {
                caller.hello = name;
                caller.extended = is_extended;
            }
        }
    }

    /// A log-in has ended well. Nothing changes in a phase that has no AUTH.
    pub(in crate::smtp::server) fn log_in(&mut self, staff: Entrant) {
        if let Self::Introduced(introduced) = self
            && introduced.may_log_in()
        {
            *self = Self::Authenticated(introduced.proven(staff));
        }
    }

    pub(in crate::smtp::server) fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Secured(_) => None,
            Self::Introduced(Introduced(caller)) | Self::Authenticated(Authenticated(caller)) => {
                Some(caller)
            }
        }
    }

    pub(in crate::smtp::server) fn may_send(&self) -> Option<MaySend<'_>> {
        match self {
            Self::Secured(_) => None,
            Self::Introduced(introduced) => introduced.may_send(),
            Self::Authenticated(Authenticated(caller)) => Some(MaySend(caller)),
        }
    }

    pub(in crate::smtp::server) fn may_log_in(&self) -> bool {
        matches!(self, Self::Introduced(introduced) if introduced.may_log_in())
    }

    /// Whether this is a submission door at all.
    pub(in crate::smtp::server) fn is_submission(&self) -> bool {
        match self {
            Self::Secured(secured) => secured.role.is_submission(),
            Self::Introduced(Introduced(caller)) | Self::Authenticated(Authenticated(caller)) => {
                caller.role.is_submission()
            }
        }
    }

    pub(in crate::smtp::server) fn tls(&self) -> &TlsInfo {
        match self {
            Self::Secured(secured) => &secured.tls,
            Self::Introduced(Introduced(caller)) | Self::Authenticated(Authenticated(caller)) => {
                &caller.tls
            }
        }
    }
}
