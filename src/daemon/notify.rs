//! The talk with systemd: what it is told (sd_notify(3)) and the sockets it hands over (sd_listen_fds(3)). Without
//! systemd all of this does nothing.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// The doors are open, or the vault is locked and `hustings unlock` is awaited: either way the start is over.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A line for `systemctl status`. No personal data.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The stop has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// Tells the watchdog that we live, twice as often as it wants to hear, as long as `alive` says so within that time.
/// `alive` goes through what must work, such as the store's writer; without a watchdog this returns at once.
pub async fn watchdog<F>(stop: CancellationToken, alive: impl Fn() -> F)
where
    F: Future<Output = bool>,
{
    if let Some(patience) = sd_notify::watchdog_enabled() {
        watch(patience, stop, alive, || tell(&[NotifyState::Watchdog])).await;
    }
}

async fn watch<F>(
    patience: Duration,
    stop: CancellationToken,
    alive: impl Fn() -> F,
    living: impl Fn(),
) where
    F: Future<Output = bool>,
{
    let mut tick = tokio::time::interval(patience / 2);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match tokio::time::timeout(patience / 2, alive()).await {
            Ok(true) => living(),
            Ok(false) => tracing::error!("the store's writer is gone; the watchdog was not told"),
            Err(_) => tracing::warn!("the daemon answers slowly; the watchdog was not told"),
        }
    }
}

/// For a stop that takes longer than systemd thinks.
pub fn extend_stop(by: Duration) {
    let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// The sockets that systemd handed over: by their `FileDescriptorName=`, or, where the unit gives none, by the door that
/// their port is usual for.
#[derive(Default)]
pub struct Sockets(HashMap<String, Vec<TcpListener>>);

impl Sockets {
    /// Takes them over. To be called once, before there are other threads, a runtime's among them: it forgets the
    /// environment variables by which they came.
    ///
    /// # Errors
    /// If one of them is no listening TCP socket.
    pub fn take() -> io::Result<Self> {
        // Names first: adopting the sockets forgets that there were any. It also marks them close-on-exec.
        let names: Vec<String> = sd_notify::listen_fds_with_names()?
            .map(|(_, name)| name)
            .collect();
        if names.is_empty() {
            return Ok(Self::default());
        }
        let mut adopted = ListenFd::from_env();
        let mut sockets = Self::default();
        for (at, name) in names.into_iter().enumerate() {
            let Some(listener) = adopted.take_tcp_listener(at)? else {
                continue;
            };
            listener.set_nonblocking(true)?;
            let name = door_of(name, listener.local_addr()?.port());
            sockets.0.entry(name).or_default().push(listener);
        }
        Ok(sockets)
    }

    /// Takes the sockets of this name; none if systemd gave none.
    pub fn named(&mut self, name: &str) -> Vec<TcpListener> {
        self.0.remove(name).unwrap_or_default()
    }

    /// Sockets that nobody asked for: the unit and the configuration don't fit.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A socket unit without `FileDescriptorName=` gives its sockets its own name.
fn door_of(name: String, port: u16) -> String {
    if !name.ends_with(".socket") && name != "unknown" {
        return name;
    }
    match port {
        25 => "smtp".into(),
        465 => "submissions".into(),
        587 => "submission".into(),
        993 => "imaps".into(),
        995 => "pop3s".into(),
        443 => "https".into(),
        80 => "http".into(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_known_by_its_name_or_else_by_its_port() {
        assert_eq!(door_of("smtp".into(), 2525), "smtp");
        assert_eq!(door_of("hustings.socket".into(), 587), "submission");
        assert_eq!(door_of("unknown".into(), 443), "https");
        assert_eq!(door_of("hustings.socket".into(), 8080), "hustings.socket");
    }

    #[tokio::test]
    async fn without_systemd_nothing_happens() {
        ready("unlocked");
        let sockets = Sockets::take().expect("none is no error");
        assert_eq!(sockets.left().count(), 0);
        watchdog(CancellationToken::new(), async || true).await;
    }

    #[tokio::test]
    async fn who_is_dead_or_too_slow_is_not_said_to_live() {
        let patience = Duration::from_millis(50);
        for (case, lives) in [("well", true), ("dead", false), ("slow", false)] {
            let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
            let alive = async || {
                if case == "slow" {
                    std::future::pending::<()>().await;
                }
                case == "well"
            };
            let living = || said.send(()).expect("somebody listens");
            let watching = watch(patience, CancellationToken::new(), alive, living);
            let long = match lives {
                true => Duration::from_secs(30),
                false => patience * 6,
            };
            let told = tokio::select! {
                () = watching => None,
                told = tokio::time::timeout(long, heard.recv()) => told.ok().flatten(),
            };
            assert_eq!(told.is_some(), lives, "{case}");
        }
    }
}
