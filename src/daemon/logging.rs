//! The service's log.
//!
//! # What may never stand in it, at any level
//! Addresses, names, subjects, texts, tokens, passwords, IP addresses and user agents. A person or mailbox stands as
//! [`LogName`](crate::vault::LogName), a keyed short hash; a domain only if it serves ten or more held addresses; a mail,
//! copy or connection by its random id. Each line of a connection carries its id (`conn`), through a span.
//!
//! # How that is kept
//! - Types that hold such things have a `Debug` without content and no `Display`, or are never handed to a log macro.
//! - Only our own lines are logged: what libraries log may quote names, statements or bytes from the wire.
//! - A panic is logged by its place alone: its text may quote a value.
//! - Control characters are taken out, so that nothing written by a stranger begins a new line.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{DefaultFields, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Log, LogFormat, LogLevel, LogTarget};

/// Our own lines begin here.
const OWN: &str = env!("CARGO_PKG_NAME");

/// How a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// `<6>`: the journal reads the level from it (sd-daemon(3)) and adds the time itself.
    Journal,
    /// Time and level as text.
    Plain,
}

/// One line an event: head, message, fields, and the fields of the spans it is in.
struct Line(Head);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        context.format_fields(Writer::new(&mut line), event)?;
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                let extensions = span.extensions();
                if let Some(fields) = extensions.get::<FormattedFields<N>>()
                    && !fields.is_empty()
                {
                    write!(line, " {fields}")?;
                }
            }
        }
        let level = *event.metadata().level();
        match self.0 {
            Head::Journal => write!(writer, "<{}>", priority(level))?,
            Head::Plain => {
                let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
                write!(writer, "{now} {level:>5} ")?;
            }
        }
        writeln!(writer, "{}", on_one_line(&line))
    }
}

/// syslog's severity of a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn on_one_line(text: &str) -> String {
    text.chars()
        .map(|one| if one.is_control() { ' ' } else { one })
        .collect()
}

/// Starts the log as the configuration says. Called once; a second call changes nothing.
pub fn start(log: &Log) {
    quiet_panics();
    let subscriber = tracing_subscriber::registry().with(filter(log.level));
    // The first subscriber stays: tests and the sandbox may have set one.
    let _ = match (log.format, log.to) {
        (LogFormat::Json, _) => subscriber.with(json(std::io::stderr)).try_init(),
        (LogFormat::Text, LogTarget::Journald) if !std::io::stderr().is_terminal() => subscriber
            .with(text(Head::Journal, std::io::stderr))
            .try_init(),
        (LogFormat::Text, _) => subscriber
            .with(text(Head::Plain, std::io::stderr))
            .try_init(),
    };
}

/// Starts the log into a file: for the sandbox, whose terminal is for people. A second call changes nothing.
pub fn start_into(level: LogLevel, file: std::fs::File) {
    quiet_panics();
    let writer = std::sync::Mutex::new(file);
    let _ = tracing_subscriber::registry()
        .with(filter(level))
        .with(text(Head::Plain, writer))
        .try_init();
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target(OWN, level)
}

fn text<S, W>(head: Head, to: W) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // It would be said on standard error, by a macro that panics where that is what can't be written.
        .log_internal_errors(false)
        .fmt_fields(DefaultFields::new())
        .event_format(Line(head))
        .with_writer(to)
}

fn json<S, W>(to: W) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .log_internal_errors(false)
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_writer(to)
}

/// Lets a panic say where it happened and nothing else.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(
            || "?".to_owned(),
            |at| format!("{}:{}", at.file(), at.line()),
        );
        tracing::error!(
            place,
            "a part of the daemon stopped on an error in the program; report this line"
        );
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&all).into_owned()
        }
    }

    fn log(head: Head, level: LogLevel, work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let to = sink.clone();
        let subscriber = tracing_subscriber::registry()
            .with(filter(level))
            .with(text(head, move || to.clone()));
        tracing::subscriber::with_default(subscriber, work);
        sink.text()
    }

    #[test]
    fn a_line_has_its_level_its_fields_and_its_connection() {
        let text = log(Head::Journal, LogLevel::Info, || {
            let _span = tracing::info_span!("smtp", conn = 7).entered();
            tracing::warn!(code = 451, "refused");
            tracing::debug!("not shown");
        });
        assert_eq!(text, "<4>refused code=451 conn=7\n");
    }

    #[test]
    fn nothing_begins_a_new_line() {
        let text = log(Head::Journal, LogLevel::Info, || {
            tracing::info!(why = %"a\n<3>forged\x1b[2J", "refused");
        });
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn libraries_are_not_heard() {
        let text = log(Head::Journal, LogLevel::Debug, || {
            tracing::error!(target: "hickory_resolver", "voter.example");
            tracing::error!(target: "hyper::proto", "voter.example");
        });
        assert_eq!(text, "");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let sink = Sink::default();
        let to = sink.clone();
        let subscriber = tracing_subscriber::registry()
            .with(filter(LogLevel::Info))
            .with(json(move || to.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("smtp", conn = 7).entered();
            tracing::info!(code = 250, "accepted");
        });
        let line: serde_json::Value = serde_json::from_str(sink.text().trim()).expect("JSON");
        assert_eq!(line["message"], "accepted");
        assert_eq!(line["code"], 250);
        assert_eq!(line["spans"][0]["conn"], 7);
    }
}
