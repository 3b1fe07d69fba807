//! What each command needs: where the daemon is, how to write, and one way to ask.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::style::{Style, clean};
use super::{Global, prompt};
use crate::control::{Ask, Class, Client, ClientError, Event, Failure, Progress, SecretText};

/// Where the configuration is unless something else is said.
pub const DEFAULT_CONFIG: &str = "/etc/hustings/hustings.toml";
/// Where the control socket is unless something else is said.
const DEFAULT_SOCKET: &str = "/run/hustings/control.sock";
/// The socket's name in the runtime directory.
pub const SOCKET_NAME: &str = "control.sock";

/// What a command works with.
pub(super) struct Context {
    pub(super) json: bool,
    pub(super) style: Style,
    socket: PathBuf,
    watched: bool,
    /// A code of the second factor, for what is asked next.
    code: RefCell<Option<SecretText>>,
}

/// Where what streams back goes.
pub(super) struct Sinks<'a, A: Ask> {
    pub(super) row: &'a mut dyn FnMut(A::Row) -> Result<(), Failure>,
    pub(super) body: &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>,
}

impl Context {
    pub(super) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            style: Style::detect(global.color),
            socket: socket(global),
            watched: !global.json && io::stderr().is_terminal(),
            code: RefCell::default(),
        }
    }

    /// Runs something that waits for the daemon.
    pub(super) fn run<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed("can't start", error.to_string(), "try again"))?
            .block_on(work)
    }

    /// Asks, and gives the answer; no rows are expected.
    pub(super) fn ask<A: Ask>(&self, ask: &A) -> Result<A::Answer, Failure> {
        self.ask_into(
            ask,
            None,
            Sinks {
                row: &mut |_| Ok(()),
                body: &mut |_| Ok(()),
            },
        )
    }

    /// What is asked next goes with this code of the second factor.
    pub(super) fn prove_with(&self, code: SecretText) {
        self.code.replace(Some(code));
    }

    /// Asks, and hands what streams back to the sinks. `body` is what is sent behind the request. If it takes a code of the
    /// second factor and none was given, a person who is there is asked for it, and the daemon once more.
    pub(super) fn ask_into<A: Ask>(
        &self,
        ask: &A,
        body: Option<&mut (dyn io::Read + Send)>,
        mut sinks: Sinks<'_, A>,
    ) -> Result<A::Answer, Failure> {
        let code = self.code.take();
        let (again, given) = (body.is_none(), code.is_some());
        match self.ask_once(ask, code, body, &mut sinks) {
            Err(failure)
                if failure.class == Class::CodeNeeded
                    && again
                    && !given
                    && prompt::somebody_there() =>
            {
                let code = prompt::code("Code of your second factor:")?;
                self.ask_once(ask, Some(code), None, &mut sinks)
            }
            answer => answer,
        }
    }

    fn ask_once<A: Ask>(
        &self,
        ask: &A,
        code: Option<SecretText>,
        body: Option<&mut (dyn io::Read + Send)>,
        sinks: &mut Sinks<'_, A>,
    ) -> Result<A::Answer, Failure> {
        self.run(async {
            let client = self.connect().await?;
            let asked = client.ask_with(ask, code.as_ref()).await;
            let (mut conversation, mut sender) = asked.map_err(ClientError::into_failure)?;
            let send = async {
                let Some(from) = body else {
                    // Held until the answer: a closed half would look like a client that has gone.
                    return std::future::pending::<Result<(), Failure>>().await;
                };
                super::body::send(&mut sender, from).await?;
                std::future::pending().await
            };
            let receive = async {
                let mut bar = Bar::new(self.watched);
                loop {
                    match conversation
                        .next()
                        .await
                        .map_err(ClientError::into_failure)?
                    {
                        Event::Progress(progress) => bar.report(&progress),
                        Event::Note(note) => bar.say(&clean(&note)),
                        Event::Row(row) => bar.beside(|| (sinks.row)(row))?,
                        Event::Body(bytes) => (sinks.body)(&bytes)?,
                        Event::Answer(answer) => return Ok(answer),
                    }
                }
            };
            tokio::pin!(send, receive);
            tokio::select! {
                biased;
                answer = &mut receive => answer,
                // If the daemon stopped reading, it has said why.
                failed = &mut send => match receive.await {
                    Err(failure) => Err(failure),
                    Ok(answer) => failed.map(|()| answer),
                },
            }
        })
    }

    async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.socket)
            .await
            .map_err(ClientError::into_failure)
    }

    /// Asks and prints an answer: as JSON, or as `text` says it.
    pub(super) fn print_answer<A: Ask>(
        &self,
        ask: &A,
        text: impl FnOnce(&A::Answer, Style) -> String,
    ) -> Result<(), Failure> {
        let answer = self.ask(ask)?;
        self.print(&answer, |style| text(&answer, style))
    }

    /// Prints a value: as JSON, or as `text` says it.
    pub(super) fn print(
        &self,
        value: &impl Serialize,
        text: impl FnOnce(Style) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.write(&json_line(value)?)
        } else {
            self.write(&text(self.style))
        }
    }

    /// Asks and prints rows: JSON a line each, or a table. `none` is said if there is no row.
    pub(super) fn print_rows<A: Ask>(
        &self,
        ask: &A,
        none: &str,
        table: impl Fn(&[A::Row], Style) -> String,
    ) -> Result<A::Answer, Failure> {
        let mut rows = Vec::new();
        let answer = self.ask_into(
            ask,
            None,
            Sinks {
                row: &mut |row| {
                    if self.json {
                        return self.write(&json_line(&row)?);
                    }
                    rows.push(row);
                    Ok(())
                },
                body: &mut |_| Ok(()),
            },
        )?;
        if !self.json {
            let text = if rows.is_empty() {
                format!("{none}\n")
            } else {
                table(&rows, self.style)
            };
            self.write(&text)?;
        }
        Ok(answer)
    }

    /// Writes what stands beside rows, for people alone: whoever reads JSON gets the rows.
    pub(super) fn print_beside(&self, text: impl Fn(Style) -> String) -> Result<(), Failure> {
        match self.json {
            true => Ok(()),
            false => self.write(&text(self.style)),
        }
    }

    /// Writes to standard output.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        write_out(text.as_bytes())
    }
}

/// Writes to standard output. A reader that has gone (`| head`) ends the command without a complaint.
pub(super) fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::gone(),
            _ => Failure::failed(
                "can't write the output",
                error.to_string(),
                "make room and try again",
            ),
        })
}

/// Writes to standard error. Where that fails there is nobody left to tell; what the command does and its exit status stay.
pub(super) fn write_note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// A value as one line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map(|text| text + "\n")
        .map_err(|error| Failure::failed("can't write JSON", error.to_string(), "report this"))
}

/// The socket: as said, or where the configuration puts it, or the usual place.
fn socket(global: &Global) -> PathBuf {
    if let Some(socket) = &global.socket {
        return socket.clone();
    }
    runtime_dir(&global.config).map_or_else(
        || DEFAULT_SOCKET.into(),
        |directory| directory.join(SOCKET_NAME),
    )
}

/// The `runtime_dir` of a configuration. A broken file doesn't keep a command from finding the usual place.
fn runtime_dir(config: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(config).ok()?;
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("runtime_dir")?.as_str()?.into())
}

/// The progress bar, if somebody watches.
struct Bar {
    watched: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    fn new(watched: bool) -> Self {
        Self { watched, bar: None }
    }

    fn report(&mut self, progress: &Progress) {
        if !self.watched {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| ProgressBar::new(0));
        let template = if progress.total.is_some() {
            "{msg} [{bar:30}] {pos}/{len} {eta}"
        } else {
            "{spinner} {msg} {pos}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(clean(&progress.what));
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
    }

    /// A line for the person, above the bar.
    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => write_note(&format!("{text}\n")),
        }
    }

    /// Writes something else while the bar stands aside.
    fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
