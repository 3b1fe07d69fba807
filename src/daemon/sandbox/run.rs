//! The command `sandbox`: puts the world together, says where to click, and waits for Ctrl-C; or does the whole story.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

use super::caller;
use super::inbox_page::{Detour, InboxPage};
use super::stage::{Person, StageError};
use super::walkthrough::{Colours, walk};
use super::world::World;
use crate::config::LogLevel;
use crate::control::Failure;
use crate::daemon::logging;

/// How to run it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Do the whole story and end.
    pub walkthrough: bool,
    /// Keep the data in this directory.
    pub directory: Option<PathBuf>,
    /// The first port to use.
    pub port: Option<u16>,
    /// Whether to use colours.
    pub colours: Colours,
}

/// Runs the sandbox until Ctrl-C, or the walkthrough to its end.
///
/// # Errors
/// Why it could not, or which step did not hold.
pub fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let ran = runtime.block_on(in_runtime(options));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    ran
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(
        "can't run the sandbox",
        error.to_string(),
        "free the ports or the directory it names, or leave --port and --directory out",
    )
}

async fn in_runtime(options: &Options) -> Result<(), Failure> {
    let log = Log::start().map_err(|error| failed(&error))?;
    let world = World::open(options.directory.clone(), options.port)
        .await
        .map_err(|error| failed(&error))?;
    if options.walkthrough {
        return walk(world, options.colours, Some(&log.path()))
            .await
            .map_err(|broken| {
                Failure::failed(
                    "the walkthrough did not hold",
                    broken.to_string(),
                    "report what it printed",
                )
            });
    }
    stay(world, options.colours, log.path())
        .await
        .map_err(|error| failed(&error))
}

/// The daemon's log, in a file of its own beside the throwaway directory: a terminal is for what to click.
struct Log {
    place: tempfile::TempDir,
}

impl Log {
    fn start() -> io::Result<Self> {
        let place = tempfile::Builder::new().prefix("hustings-log-").tempdir()?;
        let log = Self { place };
        let file = File::create(log.path())?;
        logging::start_into(LogLevel::Debug, file);
        Ok(log)
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("log")
    }
}

async fn stay(world: World, colours: Colours, log: PathBuf) -> Result<(), StageError> {
    let plain = format!("http://{}", world.door("plain")?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let detour = Detour {
        from: world.stage.config().pages_url(),
        to: plain.clone(),
    };
    let page = InboxPage::start(listener, world.outside.inbox().clone(), detour)?;
    println!("{}", guide(&world, &plain, &page.url(), &log, colours)?);
    tokio::signal::ctrl_c().await?;
    println!("Stopping.");
    drop(page);
    drop(world.stop().await);
    Ok(())
}

/// Where to click.
fn guide(
    world: &World,
    plain: &str,
    inbox: &str,
    log: &Path,
    colours: Colours,
) -> Result<String, StageError> {
    let mut text = String::new();
    let mut section = |title: &str, rows: &[(&str, String)]| {
        let _ = writeln!(text, "\n{}", colours.strong(title));
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:<22}{value}");
        }
    };
    section(
        "A stranger",
        &[
            ("signs up at", plain.to_owned()),
            ("reads mail at", inbox.to_owned()),
        ],
    );
    section("The staff's mail programs", &mail_programs(world)?);
    section("On the command line you are Ben", &commands(world));
    let _ = writeln!(
        text,
        "\n{}",
        colours.dim(&format!(
            "Data in {}, log in {}. Ctrl-C ends it.",
            world.stage.root().display(),
            log.display()
        ))
    );
    Ok(text)
}

type Row = (&'static str, String);

fn mail_programs(world: &World) -> Result<Vec<Row>, StageError> {
    let program =
        |person: &Person| format!("user {}, password {}", person.name, shown(&person.password));
    let (ada, ben) = (&world.sender, world.stage.approver());
    Ok(vec![
        ("server", format!("{} at 127.0.0.1", super::stage::HOST)),
        (
            "submission, TLS",
            format!("port {}", world.door("submissions")?.port()),
        ),
        (
            "submission, STARTTLS",
            format!("port {}", world.door("submission")?.port()),
        ),
        ("MX", format!("port {}", world.door("smtp")?.port())),
        (
            "authority to trust",
            world.stage.authority_file().display().to_string(),
        ),
        ("Ada writes", program(ada)),
        ("Ben approves", program(ben)),
        (
            "to a list",
            "from office@party.example to news@party.example or appeals@party.example".to_owned(),
        ),
    ])
}

fn commands(world: &World) -> [Row; 6] {
    let command = |rest: &str| {
        let program = std::env::current_exe()
            .map_or_else(|_| "hustings".into(), |path| path.display().to_string());
        let socket = world.stage.socket().path().display().to_string();
        format!("{}{program} --socket {socket} {rest}", caller::prefix())
    };
    [
        ("how it is", command("status")),
        ("what is held", command("mailing list")),
        ("approve it", command("mailing approve ID")),
        ("who is subscribed", command("subscriber stats")),
        ("is it proven", command("consent verify")),
        ("a week later", command("sandbox clock +8d")),
    ]
}

fn shown(password: &str) -> &str {
    if password.is_empty() {
        "as it was shown at first"
    } else {
        password
    }
}
