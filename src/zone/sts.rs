//! The party's own MTA-STS policy (RFC 8461 §3.2), and the id that its record in DNS has: it follows the content, so that
//! one can't change without the other.

use crate::config::{Config, StsMode};

/// The policy as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPolicy {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: String,
}

impl OwnPolicy {
    /// As configured; none if there is none.
    pub fn of(config: &Config) -> Option<Self> {
        let sts = &config.mta_sts;
        if sts.mode == StsMode::Off {
            return None;
        }
        let mut text = format!("version: STSv1\r\nmode: {}\r\n", sts.mode.as_str());
        let host = [config.hostname.clone()];
        let hosts = match sts.mx.as_slice() {
            [] => host.as_slice(),
            named => named,
        };
        for host in hosts {
            text += &format!("mx: {host}\r\n");
        }
        text += &format!("max_age: {}\r\n", sts.max_age.as_secs());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let id = digest.as_ref().iter().take(10);
        let id = id.map(|byte| format!("{byte:02x}")).collect();
        Some(Self { text, id })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::delivery::sts::{Mode, Policy};

    #[test]
    fn others_read_it_as_it_is_meant_and_its_id_follows_it() {
        let mut config = Config::example();
        assert_eq!(OwnPolicy::of(&config), None);
        config.mta_sts.mode = StsMode::Testing;
        let first = OwnPolicy::of(&config).unwrap();
        assert_eq!(
            OwnPolicy::of(&config).unwrap(),
            first,
            "the same stays the same"
        );
        let read = Policy::parse(first.text.as_bytes()).unwrap();
        assert_eq!(read.mode, Mode::Testing);
        assert!(first.id.len() <= 32 && first.id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let mut ids = vec![first.id];
        config.mta_sts.mode = StsMode::Enforce;
        ids.push(OwnPolicy::of(&config).unwrap().id);
        config.mta_sts.mx = vec![config.domains[0].clone()];
        ids.push(OwnPolicy::of(&config).unwrap().id);
        config.mta_sts.max_age *= 2;
        ids.push(OwnPolicy::of(&config).unwrap().id);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4, "each change is another id");
    }
}
