//! Whether our own service mail is still wanted when it is about to leave. The queue holds it for hours if the other
//! server asks for patience, and meanwhile the person may have left. Only the room that wrote it knows.

use crate::address::EmailAddress;
use crate::delivery::parcel::{Boxed, Clearance};

/// What becomes of a queued service mail.
pub enum Wanted {
    /// It goes; the permission is held until its final dot has left.
    Yes(Clearance),
    /// Nobody can say at present: it waits.
    NotNow,
    /// It never goes: what it says or asks isn't so any more.
    No,
}

/// The room behind the service mail.
pub trait StillWanted: Send + Sync {
    /// Says whether a mail of this kind may still go to this address. What is answered holds as long as the permission
    /// is held: whoever ends it in between waits until the permission is dropped, or revokes it.
    fn still_wanted<'a>(&'a self, kind: &'a str, to: &'a EmailAddress) -> Boxed<'a, Wanted>;
}

/// All mail goes: for a queue whose mail depends on nobody's standing.
#[derive(Debug, Clone, Copy)]
pub struct AlwaysWanted;

impl StillWanted for AlwaysWanted {
    fn still_wanted<'a>(&'a self, _: &'a str, _: &'a EmailAddress) -> Boxed<'a, Wanted> {
        Box::pin(async { Wanted::Yes(Box::new(())) })
    }
}
