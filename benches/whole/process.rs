//! A process as the kernel accounts for it.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// USER_HZ, which Linux shows to programs as 100 everywhere.
const TICKS_PER_SECOND: u64 = 100;

/// A running process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub u32);

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        write!(
            f,
            "resident {:.1} MiB, peak {:.1} MiB",
            mib(self.now),
            mib(self.peak)
        )
    }
}

impl Process {
    /// User and system time of all its threads so far.
    pub(crate) fn cpu(self) -> Duration {
        self.times(11..13).unwrap()
    }

    /// The same of a process that may have ended by now.
    pub(crate) fn cpu_if_running(self) -> Option<Duration> {
        self.times(11..13)
    }

    /// The same, with that of its children that have ended.
    pub(crate) fn cpu_with_the_dead(self) -> Duration {
        self.times(11..15).unwrap()
    }

    /// The sum of these fields of its `stat`, counted from the one after its name.
    fn times(self, fields: Range<usize>) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The name before it may hold blanks; it ends with the last bracket.
        let after = stat[stat.rfind(')').unwrap() + 2..].split_whitespace();
        let ticks: u64 = after
            .skip(fields.start)
            .take(fields.len())
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum();
        Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    pub(crate) fn memory(self) -> Memory {
        self.memory_if_running().unwrap()
    }

    /// The same of a process that may have ended by now.
    pub(crate) fn memory_if_running(self) -> Option<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Memory {
            now: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// Time on a processor of the threads that it has, in nanoseconds' steps.
    pub(crate) fn cpu_of_threads(self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).into_iter();
        let nanos = threads.flatten().flatten().filter_map(|thread| {
            let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            stat.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// What it holds of the machine's memory, in KiB: a page that several processes share counts for a part in each.
    pub(crate) fn proportional(self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// The processes whose parent this is.
    pub(crate) fn children(self) -> Vec<Self> {
        let file = PathBuf::from(format!("/proc/{0}/task/{0}/children", self.0));
        let listed = fs::read_to_string(file).unwrap_or_default();
        let ids = listed.split_whitespace();
        ids.filter_map(|id| id.parse().ok().map(Self)).collect()
    }

    /// Forgets the peak so far.
    pub(crate) fn forget_peak(self) {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }
}

/// A process and its children: a server of several processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree(pub Process);

impl Tree {
    /// User and system time of all the processes it ever had.
    pub(crate) fn cpu(self) -> Duration {
        let living: Duration = self
            .0
            .children()
            .into_iter()
            .filter_map(Process::cpu_if_running)
            .sum();
        // Last, so that one that ended meanwhile is not left out.
        self.0.cpu_with_the_dead() + living
    }

    /// Time on a processor of all that are there: finer than [`Tree::cpu`], for work in which none ends.
    pub(crate) fn cpu_now(self) -> Duration {
        self.living().map(Process::cpu_of_threads).sum()
    }

    /// Those that run now.
    pub(crate) fn living(self) -> impl Iterator<Item = Process> {
        self.0.children().into_iter().chain([self.0])
    }

    /// What they hold of the machine's memory together, in KiB.
    pub(crate) fn proportional(self) -> u64 {
        self.living().filter_map(Process::proportional).sum()
    }
}

/// A stretch of a process's life.
pub(crate) struct Stretch {
    process: Process,
    cpu: Duration,
    began: std::time::Instant,
}

impl Stretch {
    pub(crate) fn begin(process: Process) -> Self {
        process.forget_peak();
        Self {
            process,
            cpu: process.cpu(),
            began: std::time::Instant::now(),
        }
    }

    /// What `items` of something cost since.
    pub(crate) fn report(&self, items: usize) -> String {
        let (wall, cpu) = (self.began.elapsed(), self.process.cpu() - self.cpu);
        format!(
            "{:>7.0}/s, {:.3} CPU ms each, {} ({items} in {:.2} s)",
            items as f64 / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1000.0 / items as f64,
            self.process.memory(),
            wall.as_secs_f64(),
        )
    }
}
