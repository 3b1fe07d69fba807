//! Withdrawals that come while the vault is locked. Nothing can be looked up or opened then, so each is handed on as it
//! came, to be kept on the disk under the vault's public key and applied before any door opens again.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::answer::{not_stopped, notice, way_out_unknown};
use super::{LATER, Open, Peer, Web};
use crate::consent::{Consent, ConsentError, Extent, WithdrawalChannel, WithdrawalView};
use crate::template::{Lang, NoticeKind};

/// How long a text may be that could be a withdrawal token. Which it is can't be told without the keys.
const TOKEN: std::ops::RangeInclusive<usize> = 32..=96;

/// Where withdrawals wait while the vault is locked.
pub trait LockedWithdrawals: Send + Sync {
    /// Keeps one. `Ok` means that it is on the disk, sealed.
    fn keep(
        &self,
        withdrawal: Zeroizing<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>>;

    /// Whether half of the room is used up, so that no network may take much more of it.
    fn is_filling(&self) -> bool;
}

/// Why a withdrawal was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The vault was opened meanwhile: the rooms take it.
    #[error("the vault is open by now; withdraw in the rooms")]
    Opened,
    /// It could not be; the page says so. What went wrong is for the log, and names nobody.
    #[error(
        "a withdrawal could not be kept while the vault is locked: {0}; unlock it with `hustings unlock`"
    )]
    Failed(String),
}

/// A withdrawal as it came: the link's token and what was pressed.
#[derive(Clone, PartialEq, Eq)]
pub struct LockedWithdrawal {
    /// The token.
    pub token: String,
    /// From how much.
    pub extent: Extent,
    /// How.
    pub channel: WithdrawalChannel,
    /// When; none if it was kept by an older version, which didn't say.
    pub at: Option<Timestamp>,
}

/// Its form on the disk, under the seal.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    extent: KeptExtent,
    channel: WithdrawalChannel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptExtent {
    AsToken,
    AllLists,
    NeverAgain,
}

impl LockedWithdrawal {
    /// Its bytes, to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut kept = Kept {
            token: self.token.clone(),
            extent: match self.extent {
                Extent::AsToken => KeptExtent::AsToken,
                Extent::AllLists => KeptExtent::AllLists,
                Extent::NeverAgain => KeptExtent::NeverAgain,
            },
            channel: self.channel,
            at: self.at,
        };
        let bytes = serde_json::to_vec(&kept).expect("four texts are JSON");
        kept.token.zeroize();
        Zeroizing::new(bytes)
    }

    /// Reads what [`LockedWithdrawal::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            token: kept.token,
            extent: match kept.extent {
                KeptExtent::AsToken => Extent::AsToken,
                KeptExtent::AllLists => Extent::AllLists,
                KeptExtent::NeverAgain => Extent::NeverAgain,
            },
            channel: kept.channel,
            at: kept.at,
        })
    }

    /// Lets it take effect, as often as it's applied. None for a token that was never ours.
    ///
    /// # Errors
    /// As [`Consent::withdraw`]: it is not known to have worked.
    pub async fn apply(&self, consent: &Consent) -> Result<Option<WithdrawalView>, ConsentError> {
        consent
            .withdraw_as_of(&self.token, self.extent, self.channel, self.at)
            .await
    }
}

/// Whether a text could be a withdrawal token, as far as its form alone tells: the page behind it is the same for all.
pub(super) fn may_be_token(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    digits && TOKEN.contains(&text.len())
}

/// It holds a token, so nothing of it is shown.
impl std::fmt::Debug for LockedWithdrawal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockedWithdrawal(..)")
    }
}

/// The rooms that take a withdrawal; or, while they are locked, the answer once it is kept.
pub(super) async fn open_or_keep(
    web: &Web,
    peer: Peer,
    lang: Lang,
    withdrawal: &LockedWithdrawal,
) -> ControlFlow<Response, Open> {
    if let Some(open) = web.opened() {
        return ControlFlow::Continue(open);
    }
    let site = &web.site();
    if !may_be_token(&withdrawal.token) {
        return ControlFlow::Break(way_out_unknown(site, lang));
    }
    if web.locked.is_filling()
        && let Err(wait) = web.locked_posts.ask(peer.0)
    {
        let why = NotKept::Failed("one network sent too many".to_owned());
        return ControlFlow::Break(not_stopped(site, lang, wait, &why));
    }
    let error = match web.locked.keep(withdrawal.to_bytes()).await {
        Ok(()) => {
            return ControlFlow::Break(notice(site, StatusCode::OK, lang, NoticeKind::Kept));
        }
        Err(error) => error,
    };
    match (error, web.opened()) {
        (NotKept::Opened, Some(open)) => ControlFlow::Continue(open),
        (error, _) => ControlFlow::Break(not_stopped(site, lang, LATER, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        for extent in [Extent::AsToken, Extent::AllLists, Extent::NeverAgain] {
            let withdrawal = LockedWithdrawal {
                token: "a".repeat(61),
                extent,
                channel: WithdrawalChannel::OneClick,
                at: Some("2026-11-21T12:00:00.123456789Z".parse().expect("a time")),
            };
            let bytes = withdrawal.to_bytes();
            assert!(bytes.len() < 256, "fits into the box");
            let again = LockedWithdrawal::from_bytes(&bytes);
            assert!(again == Some(withdrawal), "{extent:?}");
        }
        let older = br#"{"token":"abc","extent":"as-token","channel":"one-click"}"#;
        let older = LockedWithdrawal::from_bytes(older).expect("still read");
        assert_eq!((older.token.as_str(), older.at), ("abc", None));
        assert!(LockedWithdrawal::from_bytes(b"{}").is_none());
        assert!(LockedWithdrawal::from_bytes(b"\xff").is_none());
    }

    #[test]
    fn only_what_could_be_a_token_is_kept() {
        assert!(may_be_token(&"a7".repeat(30)));
        for other in [
            "",
            "a",
            "a".repeat(97).as_str(),
            "é".repeat(30).as_str(),
            "../".repeat(12).as_str(),
        ] {
            assert!(!may_be_token(other), "{other}");
        }
    }
}
