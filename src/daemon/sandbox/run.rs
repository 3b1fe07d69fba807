//! The command `sandbox`: puts the world together, says where to click, and waits to be told to
//! stop; or does the whole story. What it made for itself is taken away in the end, whatever the end was.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::caller;
use super::inbox_page::{Detour, InboxPage};
use super::stage::{Person, StageError};
use super::walkthrough::{Colours, walk};
use super::world::World;
use crate::config::LogLevel;
use crate::control::Failure;
use crate::daemon::logging;
use crate::daemon::signals::Signals;

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

/// Runs the sandbox until Ctrl-C or another signal that ends programs, or the walkthrough to its end. What it made for
/// itself is taken away, however it ends.
///
/// # Errors
/// Why it could not, which step did not hold, or that it was stopped before its end.
pub fn run(options: &Options) -> Result<(), Failure> {
    let throwaway = |name: &str| {
        let place = tempfile::Builder::new().prefix(name).tempdir();
        place.map_err(|error| failed(&error))
    };
    let log = throwaway("hustings-log-")?;
    let place = match &options.directory {
        Some(_) => None,
        None => Some(throwaway("hustings-")?),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let directory = options.directory.as_deref();
    let directory = directory.or(place.as_ref().map(TempDir::path));
    let ran = runtime.block_on(in_runtime(options, directory, log.path()));
    // What still runs writes to its files until it ends.
    runtime.shutdown_timeout(Duration::from_secs(5));
    place.into_iter().chain([log]).for_each(clear);
    ran
}

/// Takes a directory away. A thread of SQLite's may be putting a file there just now.
fn clear(place: TempDir) {
    let path = place.keep();
    for _ in 0..40 {
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(50));
            }
            _ => return,
        }
    }
    say(&format!(
        "{} could not be taken away; delete it.",
        path.display()
    ));
}

/// A line for the person. A terminal that has gone wants to hear nothing, and what there is to do is done all the same.
fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    let text = error.to_string();
    match text.rsplit_once("; ") {
        Some((why, next)) => Failure::failed(CANT, why, next),
        None => Failure::failed(
            CANT,
            text,
            "free the ports or the directory it names, or leave --port and --directory out",
        ),
    }
}

const CANT: &str = "can't run the sandbox";

async fn in_runtime(
    options: &Options,
    directory: Option<&Path>,
    log: &Path,
) -> Result<(), Failure> {
    let told = told().map_err(|error| failed(&error))?;
    let log = log.join("log");
    let file = File::create(&log).map_err(|error| failed(&error))?;
    logging::start_into(LogLevel::Debug, file);
    let opening = World::open(directory.map(Path::to_owned), options.port);
    let world = tokio::select! {
        world = opening => world.map_err(|error| failed(&error))?,
        () = told.cancelled() => return Err(stopped()),
    };
    if options.walkthrough {
        let walked = tokio::select! {
            walked = walk(world, options.colours, Some(&log)) => walked,
            () = told.cancelled() => return Err(stopped()),
        };
        return walked.map_err(|broken| {
            Failure::failed(
                "the walkthrough did not hold",
                broken.to_string(),
                "report what it printed",
            )
        });
    }
    stay(world, options.colours, &log, &told)
        .await
        .map_err(|error| failed(&error))
}

/// Cancelled by the first signal that ends programs: Ctrl-C, SIGTERM, or SIGHUP of a terminal that was closed. From now
/// on none of them ends this one by itself.
fn told() -> io::Result<CancellationToken> {
    let mut signals = Signals::listen()?;
    let told = CancellationToken::new();
    let tell = told.clone();
    tokio::spawn(async move {
        // Whatever a service would do on it, here each one ends.
        let _ = signals.next().await;
        tell.cancel();
        std::future::pending::<()>().await;
    });
    Ok(told)
}

fn stopped() -> Failure {
    Failure::refused(
        CANT,
        "it was told to stop before its end",
        "run it again when you're ready",
    )
}

async fn stay(
    mut world: World,
    colours: Colours,
    log: &Path,
    told: &CancellationToken,
) -> Result<(), StageError> {
    while daemon_ended(&world, colours, log, told).await? {
        say(AGAIN);
        world = world.start_again().await?;
    }
    say("Stopping.");
    drop(world.stop().await);
    Ok(())
}

const AGAIN: &str = "\nThe service was asked to stop, and is started again, as systemd would do. After a lock it waits for \
    `hustings unlock`; its doors are these now:";

/// Says where to click until something ends. Answers whether that was the daemon, and not this program.
async fn daemon_ended(
    world: &World,
    colours: Colours,
    log: &Path,
    told: &CancellationToken,
) -> Result<bool, StageError> {
    let plain = format!("http://{}", world.door("plain")?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let detour = Detour {
        from: world.stage.config().pages_url(),
        to: plain.clone(),
    };
    let page = InboxPage::start(listener, world.outside.inbox().clone(), detour)?;
    say(&guide(world, &plain, &page.url(), log, colours)?);
    Ok(tokio::select! {
        () = world.ended() => true,
        () = told.cancelled() => false,
    })
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
        (
            "folders (IMAP), TLS",
            format!("port {}", world.door("imaps")?.port()),
        ),
        (
            "fetching (POP3), TLS",
            format!("port {}", world.door("pop3s")?.port()),
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
        "as it was shown last"
    } else {
        password
    }
}
