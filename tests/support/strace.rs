//! Reads what `strace -f -yy` wrote: which call on which file or socket began and ended where in the order of events.
//!
//! A line stands where strace saw the event, and the program waits for strace at each: what stands later came later.

#![allow(clippy::unwrap_used, unreachable_pub)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

/// What to run a program under, writing into this file. The program is the child itself, and can be killed as such.
pub fn under(file: &Path) -> Vec<String> {
    let calls = "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync,sync_file_range,msync";
    let options = [
        "strace", "-D", "-f", "-ttt", "-yy", "-s", "0", "-e", calls, "-o",
    ];
    let mut under: Vec<_> = options.map(str::to_owned).into();
    under.push(file.display().to_string());
    under
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What its first descriptor is: a path, or `TCP:[here->there]`.
    pub on: String,
    /// What it returned; none if the program was killed before strace saw that.
    pub result: Option<i64>,
    /// Where it began and ended in the order of events.
    pub span: (usize, usize),
}

impl Call {
    fn hears(&self) -> bool {
        ["read", "readv", "recvfrom", "recvmsg"].contains(&self.name.as_str())
            && self.result.is_some_and(|result| result > 0)
    }

    /// Whatever came of it: the far end may have read it and killed the program, of which strace then tells no end, or an
    /// error that the program itself never saw. And who only tried to say something had it on the disk before as well.
    fn says(&self) -> bool {
        ["write", "writev", "sendto", "sendmsg"].contains(&self.name.as_str())
    }

    fn syncs(&self) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str()) && self.result == Some(0)
    }
}

/// All calls, in the order in which they ended.
#[derive(Debug, Default)]
pub struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    /// Reads a file of strace's.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read(file).unwrap();
        let mut trace = Self::default();
        let mut begun: HashMap<String, (usize, String, String)> = HashMap::new();
        for (at, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            // PID, spaces, time, event.
            let Some((pid, rest)) = line.split_once(' ') else {
                continue;
            };
            let Some((_, event)) = rest.trim_start().split_once(' ') else {
                continue;
            };
            if event.starts_with("<... ") {
                let Some((from, name, on)) = begun.remove(pid) else {
                    continue;
                };
                trace.push(name, on, event, (from, at));
            } else if let Some((name, on)) = named(event) {
                if event.ends_with("<unfinished ...>") {
                    begun.insert(pid.to_owned(), (at, name, on));
                } else {
                    trace.push(name, on, event, (at, at));
                }
            }
        }
        for (from, name, on) in begun.into_values() {
            let (result, span) = (None, (from, usize::MAX));
            trace.calls.push(Call {
                name,
                on,
                result,
                span,
            });
        }
        trace
    }

    fn push(&mut self, name: String, on: String, event: &str, span: (usize, usize)) {
        let result = event
            .rsplit_once(" = ")
            .map(|(_, result)| result.trim_start());
        let result = result.and_then(|result| result.split(' ').next()?.parse().ok());
        self.calls.push(Call {
            name,
            on,
            result,
            span,
        });
    }

    /// The last thing that was heard on a socket, and the first that was said after it. `socket` is a part of its name:
    /// `->127.0.0.1:PORT]` by the far end, `[127.0.0.1:PORT->` by ours.
    pub fn last_exchange(&self, socket: &str) -> Option<(&Call, &Call)> {
        let on = |call: &&Call| call.on.contains(socket);
        let mut calls = self.calls.iter().filter(on);
        let heard = calls.rfind(|call| call.hears())?;
        let mut said = self.calls.iter().filter(on).filter(|call| call.says());
        let said = said.find(|call| call.span.0 > heard.span.1)?;
        Some((heard, said))
    }

    /// How often a file, known by the end of its name, was synced between the last thing heard on this socket and the first
    /// said after it: begun and ended in between.
    pub fn synced_before_answer(&self, socket: &str, file: &str) -> usize {
        let Some((heard, said)) = self.last_exchange(socket) else {
            panic!("{socket} has no exchange in\n{}", self.on_sockets());
        };
        let between = |call: &&Call| call.span.0 > heard.span.1 && call.span.1 < said.span.0;
        let syncs = self
            .calls
            .iter()
            .filter(|call| call.syncs() && call.on.ends_with(file));
        syncs.filter(between).count()
    }

    /// The last calls on sockets, a line each, for who has to find out why one is missing.
    fn on_sockets(&self) -> String {
        let on = |call: &&Call| call.on.contains("->");
        let calls: Vec<_> = self.calls.iter().filter(on).collect();
        let mut lines = String::new();
        for call in calls.iter().rev().take(60).rev() {
            let _ = writeln!(
                lines,
                "{:?} {} {} = {:?}",
                call.span, call.name, call.on, call.result
            );
        }
        lines
    }
}

/// The name of a call that begins here, and what its descriptor is.
fn named(event: &str) -> Option<(String, String)> {
    let (name, rest) = event.split_once('(')?;
    let from = rest.find('<')? + 1;
    let to = from
        + rest[from..]
            .find(['>', ','])
            .filter(|_| !rest.starts_with('"'))?;
    // A socket's name has an arrow in it.
    let to = match rest[from..].find("]>") {
        Some(end) if rest[from..].starts_with("TCP:[") => from + end + 1,
        _ => to,
    };
    Some((name.to_owned(), rest[from..to].to_owned()))
}

#[test]
fn calls_are_put_together() {
    let text = "\
10   1.1 recvfrom(7<TCP:[127.0.0.1:25->127.0.0.1:4000]>, \"\"..., 99, 0, NULL, NULL) = 42
11   1.2 fdatasync(9</data/hustings.db-wal> <unfinished ...>
10   1.3 recvfrom(7<TCP:[127.0.0.1:25->127.0.0.1:4000]>, 0x1, 99, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
11   1.4 <... fdatasync resumed>) = 0
10   1.5 sendto(7<TCP:[127.0.0.1:25->127.0.0.1:4000]>, \"\"..., 9, MSG_NOSIGNAL, NULL, 0) = 9
11   1.6 fdatasync(9</data/hustings.db-wal>) = 0
";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let trace = Trace::read(file.path());
    assert_eq!(trace.calls.len(), 5);
    let (heard, said) = trace.last_exchange("->127.0.0.1:4000]").unwrap();
    assert_eq!((heard.result, said.result), (Some(42), Some(9)));
    assert_eq!(trace.synced_before_answer("[127.0.0.1:25->", "db-wal"), 1);
    assert_eq!(trace.synced_before_answer("[127.0.0.1:25->", "journal"), 0);

    // Killed before it was seen that the answer had gone out.
    let whole = "9, MSG_NOSIGNAL, NULL, 0) = 9";
    for cut in [
        "9 <unfinished ...>",
        "9, MSG_NOSIGNAL, NULL, 0) = -1 EINVAL (Invalid argument)",
    ] {
        let cut = text.replace(whole, cut);
        assert_ne!(cut, text);
        std::fs::write(file.path(), cut).unwrap();
        let trace = Trace::read(file.path());
        assert_eq!(trace.synced_before_answer("[127.0.0.1:25->", "db-wal"), 1);
    }
}
