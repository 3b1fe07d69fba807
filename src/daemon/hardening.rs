//! What the process does to itself before it touches a key: no core dumps, no debugger, files for nobody else. The unit
//! does the same and more from outside; this holds without systemd, too.

use std::fs;

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Hardens the process. Returns what could not be had, for the log and for `hustings status`.
pub fn harden() -> Vec<String> {
    let mut warnings = Vec::new();
    umask(Mode::from_raw_mode(0o077));
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if setrlimit(Resource::Core, none).is_err() {
        warnings
            .push("core dumps can't be turned off: a crash may write keys to the disk".to_owned());
    }
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        warnings.push("other processes of the same user can read this one's memory".to_owned());
    }
    if may_swap() {
        warnings.push(
            "the host has swap that this process may use, so keys may reach the disk; turn it off (swapoff -a), or start the service by its unit (MemorySwapMax=0)"
                .to_owned(),
        );
    }
    warnings
}

/// Whether memory of this process may be swapped out: there is swap, and our control group may use it.
fn may_swap() -> bool {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    has_swap(&swaps) && !group_forbids_swap()
}

/// The first line of /proc/swaps is its head.
fn has_swap(swaps: &str) -> bool {
    swaps.lines().skip(1).any(|line| !line.trim().is_empty())
}

fn group_forbids_swap() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::")) else {
        return false;
    };
    // A limit of any group above holds as well.
    std::path::Path::new(group).ancestors().any(|group| {
        let path = format!("/sys/fs/cgroup{}/memory.swap.max", group.display());
        fs::read_to_string(path).is_ok_and(|limit| limit.trim() == "0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_seen_in_the_kernels_table() {
        let head = "Filename\t\t\tType\t\tSize\n";
        assert!(!has_swap(head));
        assert!(!has_swap(""));
        assert!(has_swap(&format!(
            "{head}/dev/sda2 partition 1048572 0 -2\n"
        )));
    }
}
