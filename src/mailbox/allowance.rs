//! How much a mailbox may hold: the configuration's word, which may change while people are logged in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much a mailbox may hold, in bytes. All its clones say the same.
#[derive(Debug, Clone)]
pub struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// So much.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// From now on so much.
    pub fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// How much it is now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
