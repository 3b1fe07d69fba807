//! What was measured: for each piece of work and each server how long it took, and what it cost the server.

use std::time::{Duration, Instant};

use super::Server;
use crate::process::Process;

/// What one server needed for one piece of work, time after time.
#[derive(Default)]
struct Measured {
    wall: Vec<Duration>,
    cpu: Duration,
}

/// A piece of work.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// How many times each server does it.
    pub(crate) rounds: usize,
    /// What it is made of, where that is what is counted.
    pub(crate) items: usize,
}

/// Takes the time of the part that counts.
#[derive(Default)]
pub(crate) struct Meter(Measured);

impl Meter {
    /// Times this.
    pub(crate) fn time(&mut self, server: &Server, work: impl FnOnce()) {
        let (cpu, began) = (server.tree.cpu_now(), Instant::now());
        work();
        self.0.wall.push(began.elapsed());
        self.0.cpu += server.tree.cpu_now().saturating_sub(cpu);
    }
}

impl Row {
    /// Lets the servers do it by turns. The first time is for warming up and isn't counted.
    pub(crate) fn measure<T>(
        &self,
        servers: &[Server],
        prepare: impl Fn(&Server) -> T,
        run: impl Fn(&Server, &mut T, &mut Meter),
    ) {
        let mut prepared: Vec<T> = servers.iter().map(prepare).collect();
        let mut measured: Vec<Measured> = servers.iter().map(|_| Measured::default()).collect();
        let own = Process(std::process::id());
        let before = own.cpu();
        for round in 0..=self.rounds {
            for ((server, state), sum) in servers.iter().zip(&mut prepared).zip(&mut measured) {
                let mut meter = Meter::default();
                run(server, state, &mut meter);
                if round > 0 {
                    sum.wall.extend(meter.0.wall);
                    sum.cpu += meter.0.cpu;
                }
            }
        }
        let client =
            (own.cpu() - before) / u32::try_from((self.rounds + 1) * servers.len()).unwrap();
        self.print(&measured, client);
    }

    fn print(&self, measured: &[Measured], client: Duration) {
        let shown = measured.iter().map(|one| {
            let (median, times) = (median(&one.wall), u32::try_from(one.wall.len()).unwrap());
            let cpu = millis(one.cpu / times);
            match self.items {
                1 => format!("{:>8.2} ms, {cpu:>7.2} CPU ms", millis(median)),
                items => format!(
                    "{:>8.2} ms, {:>7.0}/s, {cpu:>7.2} CPU ms",
                    millis(median),
                    items as f64 / median.as_secs_f64(),
                ),
            }
        });
        let shown: Vec<String> = shown.collect();
        let ratio = match measured {
            [ours, theirs] => format!(
                " | {:.2}",
                median(&ours.wall).as_secs_f64() / median(&theirs.wall).as_secs_f64()
            ),
            _ => String::new(),
        };
        println!(
            "{:<44} | {}{ratio} | client {:.2} CPU ms",
            self.name,
            shown.join(" | "),
            millis(client)
        );
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}
