//! Records as they stand, for those who judge by them: TXT, addresses of one family, mail hosts, names of an address.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::data::text;
use super::error::LookupError;
use super::resolver::Resolver;

/// Records taken from one answer.
const MOST: usize = 100;

impl Resolver {
    /// TXT records, each with its strings put together.
    ///
    /// # Errors
    /// [`LookupError`]; no record is an empty list.
    pub async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, LookupError> {
        self.records(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .await
    }

    /// Addresses of one family.
    ///
    /// # Errors
    /// As [`Resolver::texts`].
    pub async fn addresses_of(&self, name: &str, v6: bool) -> Result<Vec<IpAddr>, LookupError> {
        let kind = if v6 { RecordType::AAAA } else { RecordType::A };
        self.records(name, kind, |data| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
        .await
    }

    /// The names in MX records, in order of preference.
    ///
    /// # Errors
    /// As [`Resolver::texts`].
    pub async fn exchanges(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let mut found = self
            .records(name, RecordType::MX, |data| match data {
                RData::MX(mx) => Some((mx.preference, text(&mx.exchange))),
                _ => None,
            })
            .await?;
        found.sort();
        Ok(found.into_iter().map(|(_, name)| name).collect())
    }

    /// The names of an address.
    ///
    /// # Errors
    /// As [`Resolver::texts`].
    pub async fn names_of(&self, address: IpAddr) -> Result<Vec<String>, LookupError> {
        let name = text(&Name::from(address));
        self.records(&name, RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(text(&ptr.0)),
            _ => None,
        })
        .await
    }

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, LookupError> {
        let answer = self.look_up(name, kind).await?;
        let records = answer.as_ref().map(|answer| answer.answers());
        let data = records.unwrap_or_default().iter().map(|one| &one.data);
        Ok(data.filter_map(read).take(MOST).collect())
    }
}
