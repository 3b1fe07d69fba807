//! A party at work, for stories: the real daemon on ports of its own, with a world outside of it and a clock that moves.
//! [`Party`] runs in this process; [`Spawned`] is the real binary, to be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hustings::clock::Clock;
use hustings::config::{Config, LogLevel};
use hustings::control::api::service::{Status, StatusReport};
use hustings::daemon::keeper::{Keeper, key_source};
use hustings::daemon::logging;
use hustings::daemon::rooms::Rooms;
use hustings::daemon::sandbox::browser::{Browser, Form, Page};
use hustings::daemon::sandbox::caller::{Socket, person};
use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::leak::{Findings, Secrets};
use hustings::daemon::sandbox::peer::{Answer, Dialogue, Post};
use hustings::daemon::sandbox::reading::{links, show};
use hustings::daemon::sandbox::stage::{APPROVER, HOST, Person, Plan, Stage, free_ports};
use hustings::daemon::sandbox::world;
use hustings::daemon::serve::{Doors, Running};
use hustings::store::Store;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use rustix::process::{Pid, Signal, kill_process};

use super::outside::OutsideMta;

/// How long a mail may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long the daemon may take to start.
const START: Duration = Duration::from_secs(120);

/// Whether a program is there. Says `skipped: needs X` if it isn't; in CI that is a failure.
pub fn needs(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    });
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI must have {program}");
        println!("skipped: needs {program}");
    }
    found
}

/// Whether swaks is there and can do TLS, for which it needs a module of Perl.
pub fn needs_swaks() -> bool {
    if !needs("swaks") {
        return false;
    }
    let output = Command::new("swaks").arg("--support").output().unwrap();
    let able = String::from_utf8_lossy(&output.stdout).contains("=== TLS supported");
    if !able {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must have swaks with TLS"
        );
        println!("skipped: needs swaks with TLS (libnet-ssleay-perl)");
    }
    able
}

/// The file that this process logs into, from the first call on.
pub fn log() -> PathBuf {
    static LOG: OnceLock<tempfile::TempDir> = OnceLock::new();
    let place = LOG.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(place.path().join("log")).unwrap();
        // The service hides what a panic says; a story must not.
        let hook = std::panic::take_hook();
        logging::start_into(LogLevel::Debug, file);
        std::panic::set_hook(hook);
        place
    });
    place.path().join("log")
}

/// A party whose daemon runs in this process.
pub struct Party {
    /// What it was set up with.
    pub stage: Stage,
    /// Everybody else.
    pub outside: OutsideMta,
    /// The clock of the daemon.
    pub clock: Clock,
    /// Ada, who writes.
    pub sender: Person,
    running: Option<Running>,
}

impl Party {
    /// A party with the usual configuration.
    pub async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    /// A party with more lines of configuration, by section, as in [`Plan::more`].
    pub async fn start_with(more: Vec<(&'static str, String)>) -> Self {
        Self::start_as(|plan| plan.more = more).await
    }

    /// A party whose plan was changed.
    pub async fn start_as(change: impl FnOnce(&mut Plan)) -> Self {
        log();
        let (outside, clock) = (OutsideMta::start().await, Clock::movable());
        let mut plan = Plan::new(outside.address());
        change(&mut plan);
        on_any_disk(&mut plan);
        let stage = Stage::set(plan)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let running = stage.start(clock.clone()).await.unwrap();
        let sender = stage.sender().await.unwrap();
        Self {
            stage,
            outside,
            clock,
            sender,
            running: Some(running),
        }
    }

    /// Moves the clock to ten o'clock (UTC) of the next morning, so that no day ends in the middle of a story.
    pub fn at_ten(&self) {
        let now = self.clock.now();
        let tomorrow = now.to_zoned(TimeZone::UTC).date().tomorrow().unwrap();
        let ten = tomorrow.at(10, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap();
        let by = ten.timestamp().duration_since(now);
        self.clock.advance(by).unwrap();
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Where it listens.
    pub fn doors(&self) -> &Doors {
        &self.running().doors
    }

    /// The address of a door: `smtp`, `submissions`, `submission`, `imaps`, `pop3s`, `https`, `plain`.
    pub fn door(&self, name: &'static str) -> SocketAddr {
        world::door(self.doors(), name).unwrap()
    }

    /// The rooms.
    pub fn rooms(&self) -> Arc<Rooms> {
        self.running().rooms().unwrap()
    }

    /// Stops the daemon in order; the rest stays.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Starts it again after a stop; its ports are others.
    pub async fn start_again(&mut self) {
        self.stop().await;
        self.running = Some(self.stage.start(self.clock.clone()).await.unwrap());
    }

    /// Stops the daemon of this process; the real binary can go on with what it left. The plan must have named its ports.
    pub async fn into_spawned(mut self) -> Spawned {
        self.stop().await;
        Spawned {
            ports: self.stage.ports(),
            stage: self.stage,
            outside: Arc::new(self.outside),
            child: None,
        }
    }

    /// A browser at its pages.
    pub fn browser(&self) -> Browser {
        Browser::secured(self.door("https"), HOST, self.stage.trust().clone())
    }

    /// The control socket, as Ben, who has all roles.
    pub fn socket(&self) -> Socket {
        self.stage.socket()
    }

    /// Posts the sign-up form as a stranger who took two seconds over it (of the daemon's clock).
    pub async fn sign_up(&self, address: &str, constituency: &str, lists: &[&str]) -> Page {
        let browser = self.browser();
        let form = browser.get("/").await.unwrap().form().expect("a form");
        self.clock.advance(SignedDuration::from_secs(2)).unwrap();
        browser
            .submit(&filled(form, address, constituency, lists))
            .await
            .unwrap()
    }

    /// The confirm link in the newest challenge to an address.
    pub async fn challenge(&self, address: &str) -> String {
        let mail = self
            .mail(address, |mail| link_in(mail, "/c/").is_some())
            .await;
        link_in(&mail, "/c/").unwrap()
    }

    /// Presses the button behind a link.
    pub async fn press(&self, link: &str) -> Page {
        let browser = self.browser();
        let form = browser.get(link).await.unwrap().form().expect("a form");
        browser.submit(&form).await.unwrap()
    }

    /// Signs up and confirms.
    pub async fn subscribe(&self, address: &str, constituency: &str, lists: &[&str]) {
        let page = self.sign_up(address, constituency, lists).await;
        assert_eq!(page.status, 200, "{}", page.heading());
        let page = self.press(&self.challenge(address).await).await;
        assert_eq!(page.status, 200, "{}", page.heading());
    }

    /// The first mail to an address that fits, held or to come.
    pub async fn mail(&self, to: &str, fits: impl Fn(&Mail) -> bool) -> Arc<Mail> {
        let waiting = self
            .outside
            .inbox()
            .wait_for(|mail| mail.is_to(to) && fits(mail));
        tokio::time::timeout(ARRIVAL, waiting)
            .await
            .expect("a mail that fits")
    }

    /// Ada hands a mail over on 465, with her password.
    pub async fn submit(&self, to: &[&str], message: &[u8]) -> Answer {
        self.submit_from(&self.sender.address, to, message).await
    }

    /// The same, with another address in the envelope.
    pub async fn submit_from(&self, from: &str, to: &[&str], message: &[u8]) -> Answer {
        let mut dialogue = self.submission().await;
        dialogue.post(Post { from, to, message }).await.unwrap()
    }

    /// A conversation on 465, in which Ada has logged in.
    pub async fn submission(&self) -> Dialogue {
        let door = self.door("submissions");
        let (mut dialogue, _) = Dialogue::connect_secured(door, self.stage.trust(), HOST)
            .await
            .unwrap();
        dialogue.command("EHLO client.example").await.unwrap();
        let answer = dialogue
            .log_in(self.sender.name, &self.sender.password)
            .await
            .unwrap();
        assert_eq!(answer.code, 235, "{answer}");
        dialogue
    }

    /// A conversation on port 25, inside TLS, after EHLO.
    pub async fn mx(&self) -> Dialogue {
        let door = self.door("smtp");
        let connecting = Dialogue::connect_starttls(door, self.stage.trust(), HOST);
        connecting.await.unwrap().0
    }

    /// How many messages an office mailbox or staff member has.
    pub async fn kept(&self) -> u64 {
        let list = hustings::control::api::mailbox::List {};
        let rows = self.socket().ask(list).await.unwrap().rows;
        rows.iter().map(|row| row.messages).sum()
    }

    /// Runs swaks against a door; [`needs`] must have said that it's there.
    pub async fn swaks(&self, door: &'static str, arguments: &[&str]) -> Output {
        let door = self.door(door);
        let mut command = Command::new("swaks");
        command
            .args(["--server", "127.0.0.1", "--port", &door.port().to_string()])
            .args(["--helo", "client.example", "--timeout", "100s"])
            .args(arguments)
            .stdin(Stdio::null());
        output(command).await
    }

    /// Runs the command line as Ben.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        let socket = self.doors().control.display().to_string();
        let mut command = as_person(env!("CARGO_BIN_EXE_hustings"));
        command
            .args(["--socket", &socket])
            .args(arguments)
            .stdin(Stdio::null());
        output(command).await
    }

    /// The same, with something on its standard input.
    pub async fn cli_told(&self, arguments: &[&str], input: &str) -> Output {
        let mut input = Some(input.to_owned());
        self.cli_asked(arguments, move |_| input.take()).await
    }

    /// Runs the command line as Ben. At first, and for each line that it says, `answer` may have something to tell it.
    pub async fn cli_asked(
        &self,
        arguments: &[&str],
        answer: impl FnMut(&str) -> Option<String> + Send + 'static,
    ) -> Output {
        let socket = self.doors().control.display().to_string();
        let mut command = as_person(env!("CARGO_BIN_EXE_hustings"));
        command.args(["--socket", &socket]).args(arguments);
        talk(command, answer).await
    }

    /// Looks through the data directory, and the log of this process.
    pub fn leaks(&self, secrets: &Secrets) -> Findings {
        let mut findings = secrets.search_directory(self.stage.data()).unwrap();
        let log = log();
        let more = secrets.search(&log, &std::fs::read(&log).unwrap());
        findings.leaks.extend(more.leaks);
        findings.files += more.files;
        findings.bytes += more.bytes;
        findings
    }
}

/// The form as a person fills it.
pub fn filled(form: Form, address: &str, constituency: &str, lists: &[&str]) -> Form {
    let form = form
        .fill("email", address)
        .fill("constituency", constituency)
        .tick("age", "yes");
    lists
        .iter()
        .fold(form, |form, list| form.tick("list", list))
}

/// The first link of a mail whose path begins so.
pub fn link_in(mail: &Mail, path: &str) -> Option<String> {
    let text = show(&mail.message()).text;
    let mut all = links(&text).into_iter();
    all.find(|link| link.contains(path)).map(str::to_owned)
}

/// What a program said, on both.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Runs a program to its end, and tells it what it asks for, line by line. What is told first is told before it says
/// anything, and its standard input is closed once it says nothing more.
async fn talk(
    mut command: Command,
    mut answer: impl FnMut(&str) -> Option<String> + Send + 'static,
) -> Output {
    use std::io::{BufRead as _, BufReader, Write as _};
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let run = move || {
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take();
        let tell = |told: Option<String>, input: &mut Option<std::process::ChildStdin>| {
            if let (Some(told), Some(input)) = (told, input) {
                // It may not want to hear it.
                let _ = input.write_all(told.as_bytes());
            }
        };
        tell(answer(""), &mut input);
        let mut stdout = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line).unwrap() == 0 {
                break;
            }
            tell(answer(&String::from_utf8_lossy(&line)), &mut input);
            stdout.extend(line);
        }
        drop(input);
        let output = child.wait_with_output().unwrap();
        Output { stdout, ..output }
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Runs a program to its end without holding up the runtime, which may be serving it.
async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// A program that is run as the Unix user that the control socket takes for Ben.
fn as_person(program: &str) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command.uid(person()).gid(0);
    }
    command
}

/// Mail is taken however full this machine's disk is, unless a story sets a reserve.
fn on_any_disk(plan: &mut Plan) {
    let set =
        |(section, lines): &(&str, String)| *section == "limits" && lines.contains("disk_reserve");
    if !plan.more.iter().any(set) {
        plan.more
            .push(("limits", "disk_reserve = \"0 MiB\"".to_owned()));
    }
}

/// A party whose daemon is the real binary, on ports that stay the same over restarts.
pub struct Spawned {
    /// What it was set up with.
    pub stage: Stage,
    /// Everybody else.
    pub outside: Arc<OutsideMta>,
    /// Its ports on 127.0.0.1: SMTP, submissions, submission, pages, plain pages, IMAP, POP3.
    pub ports: [u16; 7],
    child: Option<Child>,
}

impl Spawned {
    /// Sets a party up and starts the binary.
    pub async fn start() -> Self {
        let mut party = Self::set(|_| ()).await;
        party.run(&[]).await;
        party
    }

    /// Sets a party up and starts nothing yet.
    pub async fn set(change: impl FnOnce(&mut Plan)) -> Self {
        Self::set_before(OutsideMta::start().await, change).await
    }

    /// The same before a world of one's own.
    pub async fn set_before(outside: OutsideMta, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::new(outside.address());
        plan.ports = free_ports().unwrap();
        change(&mut plan);
        on_any_disk(&mut plan);
        let ports = plan.ports;
        let stage = Stage::set(plan).await.unwrap();
        Self {
            stage,
            outside: Arc::new(outside),
            ports,
            child: None,
        }
    }

    /// Starts the binary, under another program if `under` names one (as in `["strace", "-f", "-o", "file"]`), and waits until it is open.
    pub async fn run(&mut self, under: &[&str]) {
        self.launch(under);
        self.wait_open().await;
    }

    /// Starts the binary and waits for nothing.
    pub fn launch(&mut self, under: &[&str]) {
        let binary = env!("CARGO_BIN_EXE_hustings");
        let (program, before) = under
            .split_first()
            .map_or((binary, &[][..]), |(first, rest)| (*first, rest));
        let mut command = Command::new(program);
        command.args(before);
        if program != binary {
            command.arg(binary);
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        command
            .arg("serve")
            .arg("--config")
            .arg(self.stage.config_file());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until it is open and knows Ben.
    pub async fn wait_open(&mut self) {
        // The vault opens first, then the rooms, then the desk that knows who we are.
        let open = |status: &StatusReport| status.work.is_some() && status.you == APPROVER;
        self.wait_for(open).await;
    }

    /// Waits until `status` says what it should.
    pub async fn wait_for(&mut self, holds: impl Fn(&StatusReport) -> bool) -> StatusReport {
        let deadline = std::time::Instant::now() + START;
        loop {
            let status = self.stage.socket().ask(Status {}).await;
            if let Ok(status) = status
                && holds(&status.answer)
            {
                return status.answer;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
            assert!(ended.is_none(), "the daemon ended: {ended:?}\n{}", log());
            assert!(
                std::time::Instant::now() < deadline,
                "it doesn't open\n{}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// `store verify` and the verification of both logs, by the command line: all must find nothing wrong.
    pub async fn verify(&self) {
        for arguments in [
            ["store", "verify"],
            ["audit", "verify"],
            ["consent", "verify"],
        ] {
            let output = self.cli(&arguments).await;
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {said}");
        }
    }

    /// The store of the daemon, which must not be running, opened with the party's own key. Close it before the next start.
    pub async fn store(&self) -> Store {
        assert!(self.child.is_none(), "the daemon has the store");
        let config = Config::load(&self.stage.config_file()).unwrap();
        let source = key_source(&config.key);
        let keeper = Keeper::open(&config.data_dir, &config.runtime_dir, source, 16 << 20).await;
        let keeper = keeper.unwrap();
        assert_eq!(
            keeper.locked_box().waiting(),
            0,
            "withdrawals that came while locked"
        );
        let opening = keeper.unlock(None).await.unwrap();
        let store = opening.store().clone();
        opening.opened();
        store
    }

    /// Starts the binary, which must end by itself: how, and what it said.
    pub async fn fails_to_start(&mut self) -> (ExitStatus, String) {
        let _ = std::fs::remove_file(self.log());
        self.launch(&[]);
        let ended = self.ended().await;
        (ended, std::fs::read_to_string(self.log()).unwrap())
    }

    /// Waits until the binary has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = std::time::Instant::now() + START;
        while std::time::Instant::now() < deadline {
            if let Some(ended) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return ended;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kill();
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        panic!("the daemon doesn't end\n{log}");
    }

    /// Sends the binary a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Stops the binary in order.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let ended = self.ended().await;
        assert!(ended.success(), "{ended}");
    }

    /// Runs the command line as Ben.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        self.cli_told(arguments, "").await
    }

    /// The same as a dialogue, as in [`Party::cli_asked`].
    pub async fn cli_asked(
        &self,
        arguments: &[&str],
        answer: impl FnMut(&str) -> Option<String> + Send + 'static,
    ) -> Output {
        let mut command = as_person(env!("CARGO_BIN_EXE_hustings"));
        let socket = self.stage.socket();
        command.arg("--socket").arg(socket.path()).args(arguments);
        talk(command, answer).await
    }

    /// Runs the command line as Ben, with something on its standard input.
    pub async fn cli_told(&self, arguments: &[&str], input: &str) -> Output {
        use std::io::Write as _;
        let mut command = as_person(env!("CARGO_BIN_EXE_hustings"));
        command
            .arg("--socket")
            .arg(self.stage.socket().path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn().unwrap();
            // It may not want to hear it.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// A browser at its pages.
    pub fn browser(&self) -> Browser {
        Browser::secured(self.door(3), HOST, self.stage.trust().clone())
    }

    /// Posts the sign-up form as a stranger, who takes two seconds over it by the host's clock.
    pub async fn sign_up(&self, address: &str, lists: &[&str]) -> Page {
        let browser = self.browser();
        let form = browser.get("/").await.unwrap().form().expect("a form");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let form = filled(form, address, "", lists);
        browser.submit(&form).await.unwrap()
    }

    /// Signs up and confirms.
    pub async fn subscribe(&self, address: &str, lists: &[&str]) {
        let page = self.sign_up(address, lists).await;
        assert_eq!(page.status, 200, "{}", page.heading());
        let mail = self.mail(address, |mail| link_in(mail, "/c/").is_some());
        let link = link_in(&*mail.await, "/c/").unwrap();
        let browser = self.browser();
        let form = browser.get(&link).await.unwrap().form().expect("a form");
        let page = browser.submit(&form).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.heading());
    }

    /// The first mail to an address that fits, held or to come.
    pub async fn mail(&self, to: &str, fits: impl Fn(&Mail) -> bool) -> Arc<Mail> {
        let inbox = self.outside.inbox();
        let waiting = inbox.wait_for(|mail| mail.is_to(to) && fits(mail));
        tokio::time::timeout(ARRIVAL, waiting)
            .await
            .expect("a mail that fits")
    }

    /// A member of staff hands a mail over on 465, with the password.
    pub async fn submit(&self, by: &Person, to: &[&str], message: &[u8]) -> Answer {
        let door = self.door(1);
        let connecting = Dialogue::connect_secured(door, self.stage.trust(), HOST);
        let (mut dialogue, _) = connecting.await.unwrap();
        dialogue.command("EHLO client.example").await.unwrap();
        let answer = dialogue.log_in(by.name, &by.password).await.unwrap();
        assert_eq!(answer.code, 235, "{answer}");
        let from = &by.address;
        dialogue.post(Post { from, to, message }).await.unwrap()
    }

    /// A conversation on port 25, inside TLS, after EHLO.
    pub async fn mx(&self) -> Dialogue {
        let connecting = Dialogue::connect_starttls(self.door(0), self.stage.trust(), HOST);
        connecting.await.unwrap().0
    }

    /// What the daemon logged.
    pub fn log(&self) -> PathBuf {
        self.stage.root().join("log")
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The address of a door by its place in [`Spawned::ports`].
    pub fn door(&self, place: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[place]))
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.stage.data()
    }

    /// How many messages mailboxes hold.
    pub async fn kept(&self) -> u64 {
        let list = hustings::control::api::mailbox::List {};
        let rows = self.stage.socket().ask(list).await.unwrap().rows;
        rows.iter().map(|row| row.messages).sum()
    }

    /// SIGKILL: no warning, no chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.kill();
    }
}
