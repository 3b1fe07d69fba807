//! The DNS records that a party publishes so that its mail arrives and is believed, as lines of a zone file. Making them
//! makes the DKIM keys, if there are none yet.

use crate::config::Config;
use crate::delivery::signing::{KeyRecord, Signing};
use crate::vault::RootKey;

use super::super::settings::selectors;
use super::{InitError, keeper};

/// The longest string of a TXT record (RFC 1035 §3.3.14).
const STRING: usize = 255;

/// The records, with the public halves of the DKIM keys. `root` opens the store, which must not be in use.
///
/// # Errors
/// [`InitError`].
pub async fn dns_records(config: &Config, root: &RootKey) -> Result<String, InitError> {
    let store = keeper(config).await?.unlock_with(root).await?.store;
    let signing = Signing::open(
        &store,
        &config.domains,
        &selectors(config),
        jiff::Timestamp::now(),
    )
    .await;
    store.close().await;
    Ok(zone(config, &signing?.records(jiff::Timestamp::now())))
}

fn zone(config: &Config, keys: &[KeyRecord]) -> String {
    let host = &config.hostname;
    let mut lines = Vec::new();
    for domain in &config.domains {
        lines.push(format!("{domain}. IN MX 10 {host}."));
        lines.push(txt(domain.as_str(), "v=spf1 mx -all"));
        for key in keys {
            let name = format!("{}._domainkey.{domain}", key.selector);
            lines.push(txt(&name, &key.text));
        }
        let dmarc = format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}");
        lines.push(txt(&format!("_dmarc.{domain}"), &dmarc));
    }
    // The name in EHLO, for mail with the null reverse-path (RFC 7208 §2.3).
    if !config.domains.contains(host) {
        lines.push(txt(host.as_str(), "v=spf1 a -all"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A TXT record, cut into strings where it is long.
fn txt(name: &str, text: &str) -> String {
    let mut strings = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // Keys and policies are ASCII.
        let (string, later) = rest.split_at(rest.floor_char_boundary(STRING));
        strings.push(format!("\"{string}\""));
        rest = later;
    }
    format!("{name}. IN TXT {}", strings.join(" "))
}
