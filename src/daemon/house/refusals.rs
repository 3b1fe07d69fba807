//! Handshakes that came to nothing, kept over a restart: numbers alone, sealed like every setting.

use std::sync::Arc;

use jiff::SignedDuration;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::store::{Change, Setting, Step, Store};
use crate::tls::Refusals;

/// The setting.
const KEPT: &str = "tls-refused";
/// How often what is new is written down.
const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Adds what was counted before the restart. If that can't be read, it is counted anew.
pub(super) async fn recall(store: &Store, refusals: &Refusals, clock: &Clock) {
    let kept = store.setting(KEPT).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what was counted of refused TLS can't be read, and is counted anew");
        None
    });
    refusals.recall(kept.as_ref().map(|kept| kept.as_slice()), clock.now());
}

/// Writes down what is new, if anything is.
pub(super) async fn save(store: &Store, refusals: &Refusals, clock: &Clock) {
    let Some(value) = refusals.to_keep(clock.now()) else {
        return;
    };
    let setting = Setting {
        name: KEPT.into(),
        value: Zeroizing::new(value),
    };
    let change = Change::new().then(Step::PutSetting(setting));
    if let Err(error) = store.change(change).await {
        tracing::warn!(%error, "what was counted of refused TLS could not be written down; tried again later");
        refusals.not_kept();
    }
}

/// Does so all the time.
pub(super) async fn keep(store: Store, refusals: Arc<Refusals>, clock: Clock) {
    loop {
        clock.sleep(EVERY).await;
        save(&store, &refusals, &clock).await;
    }
}
