//! `serve`: the service itself.

/// Run the service
///
/// Reads the configuration, opens the doors and works until it gets SIGTERM; systemd starts it with hustings.service.
/// SIGHUP reads the configuration and the certificates again. With a passphrase it starts locked and waits for
/// `hustings unlock`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hustings serve --config /etc/hustings/hustings.toml\n  systemctl start hustings"
)]
pub struct Args {
    /// Start locked, whatever the root key's source is
    #[arg(long)]
    pub locked: bool,
}
