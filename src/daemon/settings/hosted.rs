//! What programs fetch from us, and how our own certificates are looked after.

use super::{SettingsError, programs};
use crate::certificate::{AcmeSettings, CertificateSettings, Http};
use crate::config::{CertificateSource, Config};
use crate::dns::{Resolver, ResolverSettings};
use crate::tls::{trusted_roots, verified_client};
use crate::web::Hosted;
use crate::zone::OwnPolicy;

pub(super) fn hosted(config: &Config) -> Hosted {
    let policy = OwnPolicy::of(config).map(|policy| policy.text);
    let mut hosted = Hosted::default();
    for domain in &config.domains {
        if let Some(text) = &policy {
            let host = format!("mta-sts.{domain}");
            hosted.policies.insert(host, text.clone());
        }
        if config.dns.autoconfig {
            let host = format!("autoconfig.{domain}");
            let text = programs::thunderbird(config, domain);
            hosted.settings.insert(host, text);
        }
    }
    if config.dns.autoconfig {
        let host = config.hostname.to_string();
        let (outlook, apple) = (programs::outlook(config), programs::apple(config));
        hosted.outlook.insert(host.clone(), outlook);
        // Without a door to read by there is no account to set up.
        if !apple.is_empty() {
            hosted.apple.insert(host, apple);
        }
    }
    hosted
}

pub(super) fn certificates(config: &Config) -> Result<Option<CertificateSettings>, SettingsError> {
    let wrong = |error: &dyn std::fmt::Display| SettingsError::Certificates(error.to_string());
    let (tls, acme) = (&config.tls, &config.tls.acme);
    let acme = match tls.source {
        CertificateSource::Files => return Ok(None),
        CertificateSource::SelfMade => None,
        CertificateSource::Acme => {
            let lookups = ResolverSettings {
                servers: config.delivery.resolver.clone(),
                ..ResolverSettings::default()
            };
            let roots = trusted_roots(acme.trusted_certificates.as_deref());
            let roots = roots.map_err(|error| wrong(&error))?;
            Some(AcmeSettings {
                directory: acme.directory.to_string(),
                contact: acme.contact.as_ref().map(ToString::to_string),
                kinds: acme.challenges.clone(),
                http: Http {
                    resolver: Resolver::new(lookups).map_err(|error| wrong(&error))?,
                    tls: verified_client(roots).map_err(|error| wrong(&error))?,
                },
            })
        }
    };
    let names = config.certificate_names();
    Ok(Some(CertificateSettings {
        names: names.iter().map(ToString::to_string).collect(),
        directory: tls.directory.clone(),
        acme,
    }))
}
