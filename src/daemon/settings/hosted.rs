//! What programs fetch from us, and how our own certificates are looked after.

use std::collections::BTreeMap;

use super::SettingsError;
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
            hosted
                .settings
                .insert(host, programs(config, domain.as_str()));
        }
    }
    hosted
}

/// Settings for mail programs, as Thunderbird and its kin read them. What isn't offered here isn't in it.
fn programs(config: &Config, domain: &str) -> String {
    let listen = &config.listen;
    let offered = [
        ("SSL", 465, &listen.submissions.addresses),
        ("STARTTLS", 587, &listen.submission.addresses),
    ];
    let offered: BTreeMap<_, _> = offered
        .into_iter()
        .filter_map(|(socket, usual, addresses)| {
            let port = match addresses.first()?.port() {
                0 => usual,
                port => port,
            };
            Some((socket, port))
        })
        .collect();
    let host = &config.hostname;
    let servers = offered.iter().map(|(socket, port)| {
        format!(
            "    <outgoingServer type=\"smtp\">\n      <hostname>{host}</hostname>\n      <port>{port}</port>\n      \
             <socketType>{socket}</socketType>\n      <authentication>password-cleartext</authentication>\n      \
             <username>%EMAILLOCALPART%</username>\n    </outgoingServer>\n"
        )
    });
    let name = escaped(
        config
            .party
            .short_name
            .as_ref()
            .unwrap_or(&config.party.name),
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{domain}\">\n    \
         <domain>{domain}</domain>\n    <displayName>{name}</displayName>\n{}  </emailProvider>\n</clientConfig>\n",
        servers.collect::<String>()
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
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
