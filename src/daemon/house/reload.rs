//! Reads configuration and certificates again. All that can be checked is checked, then it goes on record, then it takes
//! force: what is refused changes nothing, and what can't be put on record is refused.

use std::path::Path;
use std::sync::Arc;

use super::super::mail_in::Checks;
use super::super::on_record::Deed;
use super::super::settings::Settings;
use super::{PartyHouse, gone_lists, gone_roles, same_names, say_what_is_gone, signups};
use crate::certificate::CertificateSettings;
use crate::config::{Config, FileDigest};
use crate::control::Failure;
use crate::control::api::service::Reloaded;
use crate::control::handlers::staff_failure;
use crate::delivery::engine::Network;
use crate::tls::ReadAgain;
use crate::web::Site;

const WHAT: &str = "can't reload the configuration";
const NEXT: &str = "mend it; the old configuration stays in force";

fn fail(error: &dyn std::fmt::Display) -> Failure {
    Failure::refused(WHAT, error.to_string(), NEXT)
}

const HELD: &str = "certificates, the MTA-STS policy and settings for mail programs stay as they are until the restart";

/// Whether certificates and what is served for programs wait for a restart. They name our hosts, and must not name others
/// than the doors greet with and mail is taken for: senders that keep to the policy would find no server that is in it.
fn held_until_restart(needs_restart: &[String]) -> bool {
    let naming = ["hostname", "domains", "tls"];
    needs_restart
        .iter()
        .any(|one| naming.contains(&one.as_str()))
}

/// A configuration that was checked.
struct Checked {
    settings: Arc<Settings>,
    site: Site,
    network: Network,
    checks: Checks,
    certificates: Option<CertificateSettings>,
    /// Certificates that come from files.
    read: ReadAgain,
}

impl PartyHouse {
    /// Reads everything again, on behalf of whom the audit log names so.
    pub(super) async fn read_again(&self, by: &str) -> Result<Reloaded, Failure> {
        let Some(path) = &self.reload_from else {
            return Err(Failure::refused(
                WHAT,
                "the sandbox has no file",
                "restart the sandbox",
            ));
        };
        let _one = self.reloading.lock().await;
        let (digest, config) = Config::load_for_record(path);
        let checked = config
            .map_err(|errors| fail(&errors))
            .and_then(|config| self.checked(config, path));
        let taken = match checked {
            Ok(checked) => {
                self.put_on_record(Deed::Reload, by, digest.as_ref())
                    .await?;
                self.take(checked).await
            }
            Err(failure) => Err(failure),
        };
        match taken {
            Ok(mut reloaded) => {
                reloaded.digest = digest.map(|digest| digest.to_string());
                Ok(reloaded)
            }
            Err(failure) => {
                let noted = self.put_on_record(Deed::Refused, by, digest.as_ref());
                if let Err(unwritten) = noted.await {
                    tracing::error!(%unwritten, "a refused reload is not in the audit log");
                }
                Err(failure)
            }
        }
    }

    /// Notes it, and writes it if the vault is open.
    async fn put_on_record(
        &self,
        deed: Deed,
        by: &str,
        digest: Option<&FileDigest>,
    ) -> Result<(), Failure> {
        self.record
            .note(deed, by, digest, self.clock.now())
            .map_err(|error| Failure::refused(WHAT, error.to_string(), "hustings unlock"))?;
        let Some(rooms) = self.cell.get() else {
            return Ok(());
        };
        let written = self.record.write(&rooms.staff).await;
        written.map_err(|error| staff_failure(WHAT, &error))
    }

    fn checked(&self, config: Config, path: &Path) -> Result<Checked, Failure> {
        let as_of = super::super::serve::date_of(path, &self.clock);
        let settings = Settings::new(config, as_of).map_err(|error| fail(&error))?;
        let site = settings.site();
        let trust = self.cell.get().map(|rooms| rooms.trust.clone());
        let network = settings
            .network(self.mail_door.get().copied(), &trust.unwrap_or_default())
            .map_err(|error| fail(&error))?;
        let checks = Checks::new(&settings.config).map_err(|error| fail(&error))?;
        let read = self.certificates.read_again(self.clock.now());
        Ok(Checked {
            read: read.map_err(|error| fail(&error))?,
            certificates: settings.certificates().map_err(|error| fail(&error))?,
            settings: Arc::new(settings),
            site,
            network,
            checks,
        })
    }

    async fn take(&self, checked: Checked) -> Result<Reloaded, Failure> {
        let settings = checked.settings;
        let mut warnings = Vec::new();
        let needs_restart = settings.needs_restart(&self.started);
        let held = held_until_restart(&needs_restart);
        if let Some(rooms) = self.cell.get() {
            // What can fail comes first: a refused reload leaves the doors, the network and the certificates as they were.
            let letters = Arc::new(settings.letters());
            let consent = rooms.consent.reload(settings.consent(), letters);
            consent.await.map_err(|error| fail(&error))?;
            rooms
                .mailings
                .reload(settings.mailings(&rooms.signing, rooms.names.clone()))
                .map_err(|error| fail(&error))?;
        }
        self.certificates.take(checked.read);
        if let Some(rooms) = self.cell.get() {
            rooms.go_by(&checked.network);
            rooms.queue.reword(settings.templates.clone());
            rooms.reload(&settings, checked.checks);
            say_what_is_gone(&rooms).await;
            warnings = gone_lists::warnings(&rooms, true);
            warnings.extend(gone_roles::warnings(&rooms).await);
            warnings.extend(same_names::warnings(&rooms));
            let own = rooms.certificates.as_ref().filter(|_| !held);
            if let (Some(own), Some(as_set)) = (own, checked.certificates)
                && let Err(error) = own.reload(as_set).await
            {
                // The rest is in force by now.
                warnings.push(format!("{error}; it is tried again by itself"));
            }
        }
        if let Ok(engine) = self.engine.lock()
            && let Some(engine) = &*engine
        {
            engine.set_network(checked.network);
        }
        self.web.replace(checked.site);
        match held {
            false => self.web.host(settings.hosted()),
            true => warnings.push(HELD.to_owned()),
        }
        let limits = &settings.config.limits;
        self.limits.set(limits);
        self.web.limit_signups(signups(limits));
        let faults = settings.faults.clone();
        self.settings.store(settings);
        tracing::info!("the configuration was read again");
        if !needs_restart.is_empty() {
            let changed = needs_restart.join(", ");
            tracing::warn!(
                changed,
                "these take effect at a restart only: systemctl restart hustings"
            );
        }
        Ok(Reloaded {
            needs_restart,
            faults,
            digest: None,
            warnings,
        })
    }
}
