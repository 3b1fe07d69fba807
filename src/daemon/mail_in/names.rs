//! DNS for verdicts: what `message::verdict` asks, answered by the resolver.

use std::net::IpAddr;

use crate::dns::{LookupError, Resolver};
use crate::message::verdict::names::{Answer, Names, NoAnswer, is_name};

/// The resolver, as verdicts see it.
pub(in crate::daemon) struct Lookups(pub(in crate::daemon) Resolver);

fn answer<T>(found: Result<Vec<T>, LookupError>) -> Answer<T> {
    match found {
        Ok(found) if found.is_empty() => Err(NoAnswer::NoRecord),
        Ok(found) => Ok(found),
        Err(LookupError::NoSuchDomain) => Err(NoAnswer::NoSuchName),
        Err(LookupError::NoAddress | LookupError::NullMx) => Err(NoAnswer::NoRecord),
        Err(_) => Err(NoAnswer::Later),
    }
}

fn checked(name: &str) -> Result<&str, NoAnswer> {
    let name = name.trim_end_matches('.');
    if is_name(name) {
        Ok(name)
    } else {
        Err(NoAnswer::NoSuchName)
    }
}

impl Names for Lookups {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        answer(self.0.texts(checked(name)?).await)
    }

    async fn addresses(&self, name: &str, v6: bool) -> Answer<IpAddr> {
        answer(self.0.addresses_of(checked(name)?, v6).await)
    }

    async fn mx(&self, name: &str) -> Answer<String> {
        answer(self.0.exchanges(checked(name)?).await)
    }

    async fn names_of(&self, address: IpAddr) -> Answer<String> {
        answer(self.0.names_of(address).await)
    }
}
