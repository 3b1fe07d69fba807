//! The real binary at work for a party of its own, in a throwaway directory.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hustings::clock::Clock;
use hustings::control::api::service::Status;
use hustings::daemon::sandbox::inbox::{Inbox, InboxLimits};
use hustings::daemon::sandbox::outside::{Outside, Polite};
use hustings::daemon::sandbox::stage::{Plan, Stage, free_ports};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;

use crate::process::Process;

/// How long the daemon may take to open.
const START: Duration = Duration::from_secs(60);

pub(crate) struct House {
    pub(crate) stage: Stage,
    pub(crate) outside: Outside,
    ports: [u16; 7],
    child: Child,
}

impl House {
    /// A party with nobody on its list.
    pub(crate) async fn start() -> Self {
        let (stage, outside, ports) = Self::plan().await;
        Self::open(stage, outside, ports).await
    }

    /// A party that isn't started yet, and the world outside of it.
    pub(crate) async fn plan() -> (Stage, Outside, [u16; 7]) {
        let outside = sink().await;
        let mut plan = Plan::new(outside.address());
        plan.ports = free_ports().unwrap();
        // All of the load comes from one network, which may by default have but a part of what is unfinished.
        let limits = "connections = 1000\nconnections_per_account = 1000\nunfinished = \"16 GiB\"\ndisk_reserve = \"0 MiB\"";
        plan.more.push(("limits", limits.to_owned()));
        let incoming = "verify = false\nmails_per_network = 1000000\nmails_per_sender = 1000000\n\
                        size_per_network = \"16 GiB\"";
        plan.more.push(("incoming", incoming.to_owned()));
        let ports = plan.ports;
        (Stage::set(plan).await.unwrap(), outside, ports)
    }

    /// Starts the daemon.
    pub(crate) async fn open(stage: Stage, outside: Outside, ports: [u16; 7]) -> Self {
        let child = spawn(&stage);
        let house = Self {
            stage,
            outside,
            ports,
            child,
        };
        house.wait_open().await;
        house
    }

    /// Stops the daemon and starts another on the same store.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.stage);
        self.wait_open().await;
    }

    async fn wait_open(&self) {
        let deadline = std::time::Instant::now() + START;
        loop {
            let status = self.stage.socket().ask(Status {}).await;
            if status.is_ok_and(|status| status.answer.work.is_some()) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "it doesn't open");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Port 465.
    pub(crate) fn submissions(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[1]))
    }

    /// Port 993.
    pub(crate) fn imaps(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[5]))
    }

    /// Port 995.
    pub(crate) fn pop3s(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[6]))
    }

    /// Port 25.
    pub(crate) fn mx(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[0]))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(stage: &Stage) -> Child {
    let log = std::fs::File::create(stage.root().join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hustings"));
    command
        .arg("serve")
        .arg("--config")
        .arg(stage.config_file());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().unwrap()
}

/// An outside server that counts mails and keeps little of them.
async fn sink() -> Outside {
    let made = rcgen::generate_simple_self_signed(vec!["outside.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(hustings::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let limits = InboxLimits {
        mails: 1_000_000,
        octets: 256 << 20,
        each: 64,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Outside::start(
        listener,
        tls.into(),
        Inbox::new(limits),
        Clock::system(),
        Polite,
    )
    .unwrap()
}
