//! Reaching a destination: each host by preference, each of its addresses, until one speaks TLS with us.

use super::Shared;
use super::desk::Session;
use super::failure::Failure;
use crate::address::Domain;
use crate::delivery::policy::policy_for;
use crate::delivery::route::Target;
use crate::smtp::client::{ClientError, Phase};

/// Connects to a destination.
///
/// # Errors
/// The [`Failure`] that stands for all hosts: that of TLS, if one of them had none that works, for that is what keeps
/// mail from getting there; else the last.
pub(super) async fn connect(shared: &Shared, domain: &Domain) -> Result<Session, Failure> {
    let network = shared.network.load_full();
    let targets = network
        .router
        .targets(domain)
        .await
        .map_err(|error| Failure::of_route(&error))?;
    let mut worst = None;
    let all = async {
        for target in &targets {
            match reach(&network.dialer, target).await {
                Ok(session) => return Some(session),
                Err(error) => {
                    tracing::debug!(%error, "a mail server was not reached");
                    worst = worst.take().filter(ClientError::is_tls).or(Some(error));
                }
            }
        }
        None
    };
    let reached = tokio::time::timeout(shared.settings.connect_within, all).await;
    match reached {
        Ok(Some(session)) => Ok(session),
        _ => {
            let error = worst.unwrap_or(ClientError::TimedOut(Phase::Connect));
            Err(Failure::of_error(&error, None))
        }
    }
}

async fn reach(
    dialer: &crate::smtp::client::Dialer,
    target: &Target,
) -> Result<Session, ClientError> {
    let Some(name) = target.server_name() else {
        return Err(ClientError::Connect(std::io::ErrorKind::InvalidInput));
    };
    let policy = policy_for(target);
    let mut last = ClientError::TimedOut(Phase::Connect);
    for address in &target.addresses {
        match dialer.dial(*address, &name, policy).await {
            Ok(session) => return Ok(session),
            Err(error) => last = error,
        }
        // The addresses of one host are one server more often than not, but a dead family must not hide a live one.
    }
    Err(last)
}
