//! What all reports say together: who sends as us, from where, and does it pass; how TLS on the way to us fared. What fails
//! comes first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::desk::{Kept, KeptReport};
use super::dmarc::DmarcReceived;
use super::tls::TlsReceived;
use crate::address::Domain;

/// Lines at most; the rest is summed up.
const LINES: usize = 2_000;
/// Reporters that are named in a line.
const NAMED: usize = 5;

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Mail in our name.
    Mail {
        /// From which network; none is all that were too many.
        network: Option<String>,
        /// It is this machine.
        own: bool,
        /// The domain in From.
        author: String,
        /// Whether SPF passed, aligned.
        spf: bool,
        /// Whether DKIM passed, aligned.
        dkim: bool,
        /// What became of it: `none`, `quarantine`, `reject`.
        became: String,
    },
    /// Connections to us.
    Tls {
        /// Under which policy.
        policy: String,
        /// How they failed; none if they didn't.
        result: Option<String>,
        /// At which server of ours.
        host: Option<String>,
    },
}

impl About {
    /// Whether all is as it should be.
    pub fn passes(&self) -> bool {
        match self {
            Self::Mail { spf, dkim, .. } => *spf || *dkim,
            Self::Tls { result, .. } => result.is_none(),
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The domain of ours.
    pub domain: Domain,
    /// What it is about.
    pub about: About,
    /// How many mails or connections.
    pub count: u64,
    /// Who tells, the first few.
    pub reporters: BTreeSet<String>,
    /// Others who vouched for the mail: it says who sends.
    pub vouched: BTreeSet<String>,
    /// Somebody tells it who isn't proven.
    pub unproven: bool,
    /// The first day.
    pub from: Date,
    /// The last.
    pub to: Date,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this domain alone.
    pub domain: Option<Domain>,
    /// What ended since.
    pub since: Option<Timestamp>,
}

/// Adds reports up.
#[derive(Debug, Default)]
pub struct Summary {
    wanted: Wanted,
    lines: BTreeMap<(Domain, About), Line>,
    /// How many reports on mail were added.
    pub dmarc: u64,
    /// How many on TLS.
    pub tls: u64,
}

impl Summary {
    /// Of what is asked for.
    pub fn of(wanted: Wanted) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Adds a report.
    pub fn add(&mut self, kept: &KeptReport) {
        let to = match &kept.report {
            Kept::Tls(report) => report.to,
            Kept::Dmarc(report) => report.to,
        };
        if self.wanted.since.is_some_and(|since| to < since) {
            return;
        }
        match &kept.report {
            Kept::Tls(report) => self.add_tls(report),
            Kept::Dmarc(report) => self.add_dmarc(report),
        }
    }

    fn add_dmarc(&mut self, report: &DmarcReceived) {
        if !self.is_wanted(&report.domain) {
            return;
        }
        self.dmarc += 1;
        for source in &report.sources {
            let about = About::Mail {
                network: source.network.clone(),
                own: source.own,
                author: source.author.clone(),
                spf: source.spf,
                dkim: source.dkim,
                became: source.became.clone(),
            };
            let told = Told {
                reporter: &report.reporter,
                proven: report.proven,
                from: report.from,
                to: report.to,
            };
            let line = self.line(&report.domain, about, &told);
            line.count = line.count.saturating_add(source.count);
            let room = NAMED.saturating_sub(line.vouched.len());
            line.vouched
                .extend(source.vouched.iter().take(room).cloned());
        }
    }

    fn add_tls(&mut self, report: &TlsReceived) {
        let told = Told {
            reporter: &report.reporter,
            proven: false,
            from: report.from,
            to: report.to,
        };
        let mut any = false;
        for policy in &report.policies {
            if !self.is_wanted(&policy.domain) {
                continue;
            }
            any = true;
            let about = |result: Option<&str>, host: Option<&str>| About::Tls {
                policy: policy.kind.clone(),
                result: result.map(str::to_owned),
                host: host.map(str::to_owned),
            };
            let mut add = |about: About, count: u64| {
                if count > 0 {
                    let line = self.line(&policy.domain, about, &told);
                    line.count = line.count.saturating_add(count);
                }
            };
            add(about(None, None), policy.successes);
            let mut told_one_by_one = 0u64;
            for one in &policy.details {
                told_one_by_one = told_one_by_one.saturating_add(one.count);
                add(about(Some(&one.result), one.host.as_deref()), one.count);
            }
            let rest = policy.failures.saturating_sub(told_one_by_one);
            add(about(Some("not told how"), None), rest);
        }
        self.tls += u64::from(any);
    }

    fn is_wanted(&self, domain: &Domain) -> bool {
        self.wanted.domain.as_ref().is_none_or(|one| one == domain)
    }

    fn line(&mut self, domain: &Domain, mut about: About, told: &Told<'_>) -> &mut Line {
        let mut key = (domain.clone(), about.clone());
        if self.lines.len() >= LINES && !self.lines.contains_key(&key) {
            match &mut about {
                About::Mail {
                    network,
                    own,
                    author,
                    ..
                } => (*network, *own, *author) = (None, false, String::new()),
                About::Tls { host, .. } => *host = None,
            }
            key.1 = about.clone();
        }
        let (from, to) = (day(told.from), day(told.to));
        let line = self.lines.entry(key).or_insert_with(|| Line {
            domain: domain.clone(),
            about,
            count: 0,
            reporters: BTreeSet::new(),
            vouched: BTreeSet::new(),
            unproven: false,
            from,
            to,
        });
        (line.from, line.to) = (line.from.min(from), line.to.max(to));
        line.unproven |= !told.proven;
        if line.reporters.len() < NAMED {
            line.reporters.insert(told.reporter.to_owned());
        }
        line
    }

    /// The lines: what fails first, and most of it first.
    pub fn lines(self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.lines.into_values().collect();
        lines.sort_by_key(|line| {
            let is_tls = matches!(line.about, About::Tls { .. });
            (line.about.passes(), is_tls, u64::MAX - line.count)
        });
        lines
    }
}

/// Who tells, and of when.
struct Told<'a> {
    reporter: &'a str,
    proven: bool,
    from: Timestamp,
    to: Timestamp,
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::{dmarc, tls};

    fn kept(report: Kept) -> KeptReport {
        KeptReport {
            received_at: Timestamp::UNIX_EPOCH,
            report,
        }
    }

    fn mail(reporter: &str, day: i64) -> KeptReport {
        let xml =
            dmarc::tests::OLD.replace("far.example</org_name>", &format!("{reporter}</org_name>"));
        let own = |address: std::net::IpAddr| address.to_string() == "192.0.2.7";
        let mut report = DmarcReceived::read(xml.as_bytes(), |_| true, own).unwrap();
        let on = |at: Timestamp| Timestamp::from_second(at.as_second() + day * 86_400).unwrap();
        (report.from, report.to) = (on(report.from), on(report.to));
        report.proven = true;
        kept(Kept::Dmarc(report))
    }

    #[test]
    fn what_fails_comes_first_and_days_and_reporters_add_up() {
        let mut summary = Summary::default();
        summary.add(&mail("far.example", 0));
        summary.add(&mail("near.example", 2));
        let report = TlsReceived::read(tls::tests::RFC.as_bytes(), |_| true).unwrap();
        summary.add(&kept(Kept::Tls(report)));
        assert_eq!((summary.dmarc, summary.tls), (2, 1));
        let lines = summary.lines();
        let said: Vec<_> = lines
            .iter()
            .map(|line| (line.about.passes(), line.count))
            .collect();
        let expected = [
            (false, 14),
            (false, 200),
            (false, 100),
            (false, 3),
            (true, 24),
            (true, 5326),
        ];
        assert_eq!(said, expected);
        let reporters: Vec<_> = lines[0].reporters.iter().map(String::as_str).collect();
        assert_eq!(reporters, ["far.example", "near.example"]);
        assert_eq!((lines[0].to - lines[0].from).get_days(), 2);
        assert_eq!(lines[0].vouched.iter().next().unwrap(), "bulk.example");
        assert!(!lines[0].unproven && lines[1].unproven);
    }

    #[test]
    fn of_one_domain_and_lately_alone() {
        let until: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let mut summary = Summary::of(Wanted {
            domain: Some(Domain::parse("party.example").unwrap()),
            since: Some(until),
        });
        let report = TlsReceived::read(tls::tests::RFC.as_bytes(), |_| true).unwrap();
        summary.add(&kept(Kept::Tls(report)));
        summary.add(&mail("far.example", 0));
        summary.add(&mail("far.example", 1));
        assert_eq!((summary.dmarc, summary.tls), (1, 0));
    }
}
