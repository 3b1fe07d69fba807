//! What the process does to itself before it touches a key: no core dumps, no debugger, files for nobody else. The unit
//! does the same and more from outside; this holds without systemd, too.

use std::{fs, io};

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Hardens the service. Returns what could not be had, for the log and for `hustings status`.
pub fn harden() -> Vec<String> {
    umask(Mode::from_raw_mode(0o077));
    guard_memory()
}

/// Keeps the memory to this process, for programs that hold a key for a moment and write files for others, too. Returns
/// what could not be had.
pub fn guard_memory() -> Vec<String> {
    let mut warnings = Vec::new();
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
    if !group_forbids_swap() {
        warnings.extend(may_swap(&fs::read_to_string("/proc/swaps")).map(str::to_owned));
    }
    warnings
}

/// What to say if memory of this process may be swapped out. The shipped unit hides the kernel's table
/// (`ProcSubset=pid`): what can't be seen may be there.
fn may_swap(table: &io::Result<String>) -> Option<&'static str> {
    match table {
        Ok(swaps) if !has_swap(swaps) => None,
        Ok(_) => Some(
            "the host has swap that this process may use, so keys may reach the disk; turn it off (swapoff -a), or start the service by its unit (MemorySwapMax=0)",
        ),
        Err(_) => Some(
            "whether the host has swap can't be seen from here, and nothing forbids this process to use it, so keys may reach the disk; turn it off (swapoff -a), or keep MemorySwapMax=0 in the unit",
        ),
    }
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
        let swaps = format!("{head}/dev/sda2 partition 1048572 0 -2\n");
        assert!(has_swap(&swaps));
        assert_eq!(may_swap(&Ok(head.to_owned())), None);
        assert!(may_swap(&Ok(swaps)).is_some_and(|said| said.contains("has swap")));
    }

    #[test]
    fn a_table_that_is_hidden_is_no_sign_that_there_is_no_swap() {
        let hidden = Err(io::ErrorKind::NotFound.into());
        let said = may_swap(&hidden).expect("a warning");
        assert!(said.contains("can't be seen"), "{said}");
    }
}
