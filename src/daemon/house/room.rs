//! Warnings that the disk has little room.

use std::path::Path;

use crate::store::{Space, withdrawals};

/// With less room than this, or twice the reserve, mail may be put off any moment.
pub(super) const LITTLE_ROOM: u64 = 128 << 20;

/// Said before there is too little room for mail, and while there is.
pub(super) fn little_room(data: &Path, space: Space) -> Option<String> {
    let (data, left, reserve) = (data.display(), space.left >> 20, space.reserve >> 20);
    if space.is_short() {
        return Some(format!(
            "mail is refused: less than the reserve of {reserve} MiB (limits.disk_reserve) is free on the disk that holds \
             {data}, {left} MiB; it is put off (nothing is lost) until there is room, {}",
            withdrawals(space.left)
        ));
    }
    (space.left < LITTLE_ROOM.max(space.reserve.saturating_mul(2))).then(|| {
        format!(
            "the disk that holds {data} is nearly full: {left} MiB are left; with less than {reserve} MiB, mail is put off \
             (nothing is lost) until there is room"
        )
    })
}
