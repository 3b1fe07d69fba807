//! `dns reports`: what other servers tell us of mail in our name, and of TLS on the way to us.

use std::sync::Arc;

use jiff::SignedDuration;

use super::dns::own;
use crate::control::api::dns::{Reported, Reports, SourceReport};
use crate::control::{Call, Class, Failure, Handle};
use crate::daemon::rooms::Rooms;
use crate::report::summary::{About, Line, Summary, Wanted};

/// Answers for reports of others.
pub(super) struct ReportsDesk(pub(super) Arc<Rooms>);

fn source(line: &Line) -> SourceReport {
    let common = SourceReport {
        domain: line.domain.to_string(),
        passes: line.about.passes(),
        count: line.count,
        from: line.from.to_string(),
        to: line.to.to_string(),
        reporters: line.reporters.iter().cloned().collect(),
        unproven: line.unproven,
        vouched: line.vouched.iter().cloned().collect(),
        ..SourceReport::default()
    };
    match line.about.clone() {
        About::Mail {
            network,
            own,
            author,
            spf,
            dkim,
            became,
        } => SourceReport {
            about: "mail".to_owned(),
            network,
            own,
            author: Some(author).filter(|author| !author.is_empty()),
            spf: Some(spf),
            dkim: Some(dkim),
            became: Some(became),
            ..common
        },
        About::Tls {
            policy,
            result,
            host,
        } => SourceReport {
            about: "tls".to_owned(),
            policy: Some(policy),
            result,
            host,
            ..common
        },
    }
}

impl Handle<Reports> for ReportsDesk {
    async fn handle(&self, ask: Reports, call: &mut Call<Reports>) -> Result<Reported, Failure> {
        let domain = own::<Reports>(&self.0, ask.domain.as_deref())?;
        let since = ask.days.map(|days| {
            let span = SignedDuration::from_hours(24 * i64::from(days));
            let now = self.0.clock.now();
            now.saturating_sub(span).unwrap_or(now)
        });
        let mut summary = Summary::of(Wanted { domain, since });
        let read = self.0.reports.each(|kept| summary.add(&kept)).await;
        read.map_err(|error| Failure::from_error(Class::Failed, "can't read the reports", &error))?;
        let reported = Reported {
            dmarc: summary.dmarc,
            tls: summary.tls,
        };
        for line in summary.lines() {
            call.row(&source(&line)).await?;
        }
        Ok(reported)
    }
}
