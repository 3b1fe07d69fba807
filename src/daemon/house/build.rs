//! Builds the rooms on an open store.

use std::sync::{Arc, PoisonError};

use super::super::mail_in::Checks;
use super::super::names::Names;
use super::super::rooms::Rooms;
use super::super::settings::Settings;
use super::{PartyHouse, refusals};
use crate::certificate::OwnCertificates;
use crate::consent::Consent;
use crate::delivery::pace::PaceBook;
use crate::delivery::queue::{MailQueue, QueueSettings};
use crate::delivery::signing::Signing;
use crate::list::Mailings;
use crate::staff::StaffRoom;
use crate::store::Store;

impl PartyHouse {
    pub(super) async fn build_rooms(&self, store: Store) -> Result<Arc<Rooms>, String> {
        let say = |error: &dyn std::fmt::Display| error.to_string();
        let settings = self.settings.load_full();
        let letters = Arc::new(settings.letters());
        let consent = Consent::open(
            store.clone(),
            self.clock.clone(),
            settings.consent(),
            letters,
        )
        .await
        .map_err(|error| say(&error))?;
        let staff = StaffRoom::open(store.clone(), self.clock.clone(), settings.premises())
            .await
            .map_err(|error| say(&error))?;
        let (domains, selectors) = (&settings.config.domains, settings.selectors());
        let signing = Signing::open(&store, domains, &selectors, self.clock.now())
            .await
            .map_err(|error| say(&error))?;
        let signing = Arc::new(signing);
        let own = self.own_certificates(&store, &settings).await;
        let names = Names::new(
            self.clock.clone(),
            settings.config.clone(),
            signing.clone(),
            self.certificates.clone(),
            own.clone(),
        );
        let mailings = Mailings::open(
            store.clone(),
            self.clock.clone(),
            consent.clone(),
            staff.clone(),
            settings.mailings(&signing, names.clone()),
            self.bell.clone(),
        )
        .await
        .map_err(|error| say(&error))?;
        let queue = MailQueue::new(
            store.clone(),
            self.clock.clone(),
            Some(signing.clone()),
            Arc::new(consent.clone()),
            QueueSettings {
                schedule: settings.schedule(),
                host: settings.config.hostname.to_string(),
                postmaster: settings.postmaster(),
                templates: settings.templates.clone(),
            },
        );
        let pace = PaceBook::load(&store, settings.pace()).await;
        refusals::recall(&store, self.certificates.refusals(), &self.clock).await;
        let checks = Checks::new(&settings.config).map_err(|error| say(&error))?;
        let rooms = Rooms::new(
            store,
            self.clock.clone(),
            &settings,
            crate::daemon::rooms::Parts {
                staff,
                consent,
                mailings,
                queue,
                signing,
                names,
                certificates: own,
                bell: self.bell.clone(),
                pace,
                checks,
            },
        );
        rooms.consent.know_own(Arc::new(rooms.own_addresses()));
        Ok(Arc::new(rooms))
    }

    /// Our own certificates. What is wrong with them keeps no door shut: those of the last time are served.
    pub(super) async fn own_certificates(
        &self,
        store: &Store,
        settings: &Settings,
    ) -> Option<Arc<OwnCertificates>> {
        let (store, served) = (store.clone(), self.certificates.clone());
        let opened = match settings.certificates() {
            Ok(None) => return None,
            Ok(Some(settings)) => {
                OwnCertificates::open(store, self.clock.clone(), served, settings)
                    .await
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match opened {
            Ok(own) => Some(own),
            Err(error) => {
                tracing::error!(error, "certificates are not looked after");
                let said = format!("certificates are not looked after: {error}");
                self.found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(said);
                None
            }
        }
    }
}
