//! DNS as a table, for tests.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use super::names::{Answer, Names, NoAnswer, is_name};

/// Records by name: kind and value. `TIMEOUT` as a kind or as a value is a name server that was waited for in vain, `HANG`
/// as a value one that is still waited for.
#[derive(Default)]
pub(crate) struct Table {
    records: BTreeMap<String, Vec<(String, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Table {
    pub(crate) fn with(mut self, name: &str, kind: &str, value: &str) -> Self {
        self.add(name, kind, value);
        self
    }

    pub(crate) fn add(&mut self, name: &str, kind: &str, value: &str) {
        let records = self.records.entry(name.to_ascii_lowercase()).or_default();
        records.push((kind.to_owned(), value.to_owned()));
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn find(&self, name: &str, kind: &str, depth: u8) -> Answer<String> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if depth == 0 {
            self.asked.lock().unwrap().push(format!("{name} {kind}"));
        }
        let Some(records) = self.records.get(&name) else {
            return Err(NoAnswer::NoSuchName);
        };
        let mut found = Vec::new();
        for (of, value) in records {
            match (of.as_str(), value.as_str()) {
                ("TIMEOUT", _) if found.is_empty() => return Err(NoAnswer::Later),
                (of, "TIMEOUT") if of == kind => return Err(NoAnswer::Later),
                ("CNAME", target) if depth < 8 => {
                    found.extend(self.find(target, kind, depth + 1)?);
                }
                (of, value) if of == kind => found.push(value.to_owned()),
                _ => {}
            }
        }
        if found.is_empty() {
            return Err(NoAnswer::NoRecord);
        }
        Ok(found)
    }
}

/// The answer, if there will be one.
async fn in_time(found: Answer<String>) -> Answer<String> {
    match &found {
        Ok(values) if values.iter().any(|value| value == "HANG") => std::future::pending().await,
        _ => found,
    }
}

impl Names for Table {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        let found = in_time(self.find(name, "TXT", 0)).await?;
        Ok(found.into_iter().map(String::into_bytes).collect())
    }

    async fn addresses(&self, name: &str, v6: bool) -> Answer<IpAddr> {
        if !is_name(name) {
            return Err(NoAnswer::NoSuchName);
        }
        let found = in_time(self.find(name, if v6 { "AAAA" } else { "A" }, 0)).await?;
        Ok(found.iter().map(|text| text.parse().unwrap()).collect())
    }

    async fn mx(&self, name: &str) -> Answer<String> {
        let found = self.find(name, "MX", 0)?;
        let hosts = found.iter().filter_map(|value| value.split_once(' '));
        Ok(hosts.map(|(_, host)| host.to_owned()).collect())
    }

    async fn names_of(&self, address: IpAddr) -> Answer<String> {
        let name = match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let nibbles = format!("{:032x}", v6.to_bits());
                let nibbles: Vec<_> = nibbles.chars().rev().map(String::from).collect();
                format!("{}.ip6.arpa", nibbles.join("."))
            }
        };
        in_time(self.find(&name, "PTR", 0)).await
    }
}
