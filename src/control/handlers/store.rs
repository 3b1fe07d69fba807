//! `store verify`.

use crate::control::api::store::Verify;
use crate::control::{Call, Failure, Handle};
use crate::store::{Store, Verification};

/// Answers for the store.
pub struct StoreDesk(pub Store);

impl Handle<Verify> for StoreDesk {
    async fn handle(&self, _: Verify, call: &mut Call<Verify>) -> Result<Verification, Failure> {
        let progress = call.progress();
        let verify = self
            .0
            .verify(move |table, rows| progress.report(table, rows, None));
        tokio::select! {
            verification = verify => {
                verification.map_err(|error| Failure::store("can't verify the store", &error))
            }
            () = call.gone() => Err(Failure::gone()),
        }
    }
}
