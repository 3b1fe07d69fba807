//! The greeting: both sides say which protocol they speak before anything else.

use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// The protocol's number. It changes when an old client could misread a new daemon, or the reverse.
pub const PROTOCOL: u32 = 1;

/// What each side says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    pub(super) version: String,
}

impl Hello {
    pub(super) fn ours() -> Self {
        Self {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether the other side, called `who`, can be talked with.
    pub(super) fn check(&self, who: &str) -> Result<(), Failure> {
        if self.protocol == PROTOCOL {
            return Ok(());
        }
        // The other side chose this text: take no more of it than a version needs.
        let version: String = self
            .version
            .chars()
            .filter(char::is_ascii_graphic)
            .take(20)
            .collect();
        Err(Failure::failed(
            "can't talk to each other",
            format!(
                "the {who} is hustings {version} with control protocol {}, this is {} with protocol {PROTOCOL}",
                self.protocol,
                env!("CARGO_PKG_VERSION"),
            ),
            "use the same version for both: restart the service after an upgrade (systemctl restart hustings)",
        ))
    }
}
