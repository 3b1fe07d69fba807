//! Checks DKIM signatures with a verifier that is not ours, against keys that are given: no look-up leaves the machine.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::{DomainKey, VerifySignature as _};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt,
};

use crate::delivery::signing::KeyRecord;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
#[error("the signatures can't be checked: {0}")]
pub struct CheckError(String);

/// A verifier that knows these keys and asks nobody.
pub struct Verifier {
    verifier: MessageAuthenticator,
    records: Records,
}

struct Records(Mutex<HashMap<Box<str>, Txt>>);

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn remove<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name)
    }

    fn insert(&self, key: Box<str>, value: Txt, _: Instant) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, value);
    }
}

impl Verifier {
    /// A verifier for the keys of `domain`.
    ///
    /// # Errors
    /// [`CheckError`] if a record is none.
    pub fn new(domain: &str, keys: &[KeyRecord]) -> Result<Self, CheckError> {
        let verifier =
            MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default())
                .map_err(|error| CheckError(error.to_string()))?;
        let mut records = HashMap::new();
        for key in keys {
            let name = format!("{}._domainkey.{domain}.", key.selector);
            let record = DomainKey::parse(key.text.as_bytes())
                .map_err(|error| CheckError(format!("{name}: {error}")))?;
            records.insert(name.into_boxed_str(), Txt::DomainKey(record.into()));
        }
        Ok(Self {
            verifier,
            records: Records(Mutex::new(records)),
        })
    }

    /// The algorithms of the message's signatures, each with whether it passes.
    ///
    /// # Errors
    /// [`CheckError`] if the message can't be read.
    pub async fn check(&self, message: &[u8]) -> Result<Vec<(String, bool)>, CheckError> {
        let message = AuthenticatedMessage::parse(message)
            .ok_or_else(|| CheckError("the message can't be read".to_owned()))?;
        let parameters = Parameters::new(&message).with_txt_cache(&self.records);
        let outputs = self.verifier.verify_dkim(parameters).await;
        let checked = outputs.iter().map(|output| {
            let name = output.signature().map_or_else(String::new, |signature| {
                format!("{:?}", signature.algorithm())
            });
            (name, *output.result() == DkimResult::Pass)
        });
        Ok(checked.collect())
    }
}
