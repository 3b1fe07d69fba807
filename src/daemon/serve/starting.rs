//! The steps of a start, from the ports to the doors.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::house::PartyHouse;
use super::super::imap_in::ImapIn;
use super::super::mail_in::MailIn;
use super::super::maildrops::Maildrops;
use super::super::notify::Sockets;
use super::super::service::{NobodyKnown, ServiceDesk};
use super::{Doors, StartError, report};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Desk, Server};
use crate::imap::Door as ImapDoor;
use crate::pop3::Door as Pop3Door;
use crate::smtp::server::{Door as SmtpDoor, Role};
use crate::tls::{Certificates, Door as TlsDoor, server_config};
use crate::web::Door as WebDoor;

/// A door's name and its listeners.
pub(super) type Bound = (&'static str, Vec<TcpListener>);

/// The doors while they are being opened.
pub(super) struct Starting<'a> {
    pub(super) config: &'a Config,
    pub(super) house: &'a Arc<PartyHouse>,
    pub(super) certificates: &'a Arc<Certificates>,
    pub(super) clock: Clock,
    pub(super) stop: &'a CancellationToken,
    pub(super) tasks: &'a TaskTracker,
    pub(super) sockets: Sockets,
    pub(super) doors: Doors,
}

impl Starting<'_> {
    /// Takes the ports, so that one that is in use is known before anything is opened.
    pub(super) async fn bind_doors(&mut self) -> Result<Vec<Bound>, StartError> {
        let mut all = Vec::new();
        let mut reports = Vec::new();
        for (name, addresses, fd) in self.config.listen.all() {
            let listeners = self.listeners(name, addresses, fd).await?;
            let bound: Vec<SocketAddr> = listeners
                .iter()
                .map(TcpListener::local_addr)
                .collect::<io::Result<_>>()?;
            reports.push(report(name, &bound));
            *self.bound(name) = bound;
            all.push((name, listeners));
        }
        self.house.set_doors(reports);
        self.house.set_mail_door(&self.doors.smtp);
        for left in self.sockets.left() {
            tracing::warn!(
                socket = left,
                "systemd handed over a socket that no door is set to use"
            );
        }
        Ok(all)
    }

    pub(super) fn serve_doors(&self, bound: Vec<Bound>) {
        for (name, listeners) in bound {
            // Where it listens stands in the configuration; no address is logged, not even our own.
            tracing::info!(door = name, sockets = listeners.len(), "a door is open");
            match name {
                "smtp" => self.serve_smtp(name, Role::Mx, listeners),
                "submissions" => self.serve_smtp(name, Role::Submissions, listeners),
                "submission" => self.serve_smtp(name, Role::Submission, listeners),
                "imaps" => self.serve_imap(name, listeners),
                "pop3s" => self.serve_pop3(name, listeners),
                "http" => self.serve_port_80(name, listeners),
                _ => self.serve_pages(name, listeners),
            }
        }
    }

    pub(super) fn bound(&mut self, name: &str) -> &mut Vec<SocketAddr> {
        match name {
            "smtp" => &mut self.doors.smtp,
            "submissions" => &mut self.doors.submissions,
            "submission" => &mut self.doors.submission,
            "imaps" => &mut self.doors.imaps,
            "pop3s" => &mut self.doors.pop3s,
            "http" => &mut self.doors.http,
            _ => &mut self.doors.https,
        }
    }

    /// systemd's sockets of this name, or else our own.
    pub(super) async fn listeners(
        &mut self,
        name: &'static str,
        addresses: &[SocketAddr],
        fd: &str,
    ) -> Result<Vec<TcpListener>, StartError> {
        let given = self.sockets.named(fd);
        if !given.is_empty() {
            return Ok(given
                .into_iter()
                .map(TcpListener::from_std)
                .collect::<io::Result<_>>()?);
        }
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let bound = TcpListener::bind(address).await;
            let failed = |source| StartError::Listen {
                name,
                address: *address,
                source,
            };
            listeners.push(bound.map_err(failed)?);
        }
        Ok(listeners)
    }

    pub(super) fn serve_smtp(&self, name: &'static str, role: Role, listeners: Vec<TcpListener>) {
        let tls = match role {
            Role::Mx => TlsDoor::Mx,
            Role::Submissions | Role::Submission => TlsDoor::Submission,
        };
        let acceptor = TlsAcceptor::from(server_config(self.certificates.clone(), tls));
        let host = Arc::new(MailIn::new(self.house.cell()));
        let host_name: Arc<str> = self.config.hostname.as_str().into();
        let limits = self.house.limits();
        let door = SmtpDoor::new(role, host_name, host, acceptor, self.clock.clone())
            .with_shared_limits(limits.mail())
            .with_refusals(self.certificates.refusals().clone());
        let (door, admission) = (Arc::new(door), limits.admission(name));
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    pub(super) fn serve_imap(&self, name: &'static str, listeners: Vec<TcpListener>) {
        let tls = server_config(self.certificates.clone(), TlsDoor::Submission);
        let limits = self.house.limits();
        let host = Arc::new(ImapIn::new(self.house.cell()));
        let door = ImapDoor::new(host, TlsAcceptor::from(tls))
            .with_shared_limits(limits.folders())
            .with_refusals(self.certificates.refusals().clone());
        let (door, admission) = (Arc::new(door), limits.admission(name));
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    pub(super) fn serve_pop3(&self, name: &'static str, listeners: Vec<TcpListener>) {
        let tls = server_config(self.certificates.clone(), TlsDoor::Submission);
        let host = Arc::new(Maildrops::new(self.house.cell()));
        let door = Pop3Door::new(host, TlsAcceptor::from(tls))
            .with_refusals(self.certificates.refusals().clone());
        let (door, admission) = (Arc::new(door), self.house.limits().admission(name));
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    pub(super) fn serve_pages(&self, name: &'static str, listeners: Vec<TcpListener>) {
        let tls = server_config(self.certificates.clone(), TlsDoor::Https);
        let door = Arc::new(
            WebDoor::https(self.house.web(), tls)
                .with_refusals(self.certificates.refusals().clone()),
        );
        let admission = self.house.limits().admission(name);
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    pub(super) fn serve_port_80(&self, name: &'static str, listeners: Vec<TcpListener>) {
        let challenges = self.certificates.challenges().clone();
        let front = format!("{}/", self.config.pages_url());
        let door = Arc::new(WebDoor::port_80(challenges, &front));
        let admission = self.house.limits().admission(name);
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    pub(super) async fn serve_plain(&mut self, address: SocketAddr) -> Result<(), StartError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen {
                name: "https",
                address,
                source,
            })?;
        self.doors.plain.push(listener.local_addr()?);
        let (web, admission, stop) = (
            self.house.web().clone(),
            self.house.limits().admission("plain"),
            self.stop.clone(),
        );
        self.tasks.spawn(async move {
            if let Err(error) = WebDoor::listen_plain(&web, listener, admission, stop).await {
                tracing::error!(%error, "the plain pages are not served");
            }
        });
        Ok(())
    }

    pub(super) fn open_control(
        &mut self,
        service: &Arc<ServiceDesk<PartyHouse>>,
    ) -> Result<(), StartError> {
        let path = self.config.runtime_dir.join("control.sock");
        let listener = control::bind(&path)?;
        let server = Server::new(
            service.register(Desk::new()),
            NobodyKnown,
            control::Limits::default(),
        );
        self.house
            .attach(server.clone(), Desk::new(), service.clone());
        let stop = self.stop.clone();
        self.tasks
            .spawn(async move { server.serve(listener, stop).await });
        self.doors.control = path;
        Ok(())
    }
}
