//! Signals: SIGTERM and SIGINT stop, SIGHUP reloads.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a stop may take until what still runs is dropped.
pub const DRAIN: Duration = Duration::from_secs(30);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To stop.
    Stop,
    /// To read configuration and certificates again.
    Reload,
}

/// The signals that are heeded. The first stop asks politely; a second one during the drain ends it.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// What is asked for next.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Tells all parts to stop and waits for them, at most [`DRAIN`], or until a second stop. Returns whether they ended
    /// by themselves.
    pub async fn drain(
        &mut self,
        stop: &CancellationToken,
        parts: impl Future<Output = ()>,
    ) -> bool {
        self.drain_within(DRAIN, stop, parts).await
    }

    async fn drain_within(
        &mut self,
        patience: Duration,
        stop: &CancellationToken,
        parts: impl Future<Output = ()>,
    ) -> bool {
        stop.cancel();
        let second = async { while self.next().await != Asked::Stop {} };
        tokio::select! {
            () = parts => true,
            () = tokio::time::sleep(patience) => {
                tracing::warn!("some connections did not end in time and were closed");
                false
            }
            () = second => {
                tracing::warn!("stopped at once: a second signal came");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_ends_with_its_parts_or_with_its_time() {
        let mut signals = Signals::listen().expect("listens");
        let stop = CancellationToken::new();
        let polite = stop.clone();
        let parts = async move { polite.cancelled().await };
        assert!(signals.drain(&stop, parts).await);
        let patience = Duration::from_millis(50);
        let stubborn = std::future::pending();
        assert!(!signals.drain_within(patience, &stop, stubborn).await);
    }
}
