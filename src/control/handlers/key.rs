//! `key backup`.

use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::control::api::key::{Backup, Sheet};
use crate::control::{Call, Failure, Handle, SecretText};
use crate::staff::StaffRoom;

use super::{proven, staff_failure};

/// Where the recovery sheet comes from.
pub trait SheetSource: Send + Sync + 'static {
    /// The sheet's text. Takes the passphrase where the root key comes from one.
    fn sheet(
        &self,
        passphrase: Option<&SecretText>,
    ) -> impl Future<Output = Result<(Zeroizing<String>, Timestamp), Failure>> + Send;
}

/// Answers for the keys.
pub struct KeyDesk<S> {
    staff: StaffRoom,
    source: Arc<S>,
}

impl<S: SheetSource> KeyDesk<S> {
    /// A desk for this vault's keys.
    pub fn new(staff: StaffRoom, source: Arc<S>) -> Self {
        Self { staff, source }
    }
}

impl<S: SheetSource> Handle<Backup> for KeyDesk<S> {
    async fn handle(&self, ask: Backup, call: &mut Call<Backup>) -> Result<Sheet, Failure> {
        // Before the code: a mistyped passphrase uses none up.
        let (text, _) = self.source.sheet(ask.passphrase.as_ref()).await?;
        proven(call, &self.staff, "can't print the recovery sheet").await?;
        // In the log before it is shown: what can't be logged is not handed out.
        self.staff
            .record(call.caller(), "key backup", None, ask.reason.as_deref())
            .await
            .map_err(|error| staff_failure("can't print the recovery sheet", &error))?;
        Ok(Sheet {
            text: SecretText::new(text),
        })
    }
}
