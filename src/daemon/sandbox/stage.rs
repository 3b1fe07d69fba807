//! Sets a party up from nothing, in a directory of its own on loopback: configuration, authority, certificates, key, store
//! and staff, by the same steps as `hustings init`. The sandbox and the stories begin here.

mod plan;
mod text;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;

use super::caller::{Socket, person};
use super::directory::{Directory, DirectoryError};
use super::peer::Trust;
use crate::address::EmailAddress;
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors};
use crate::control::api::staff::{Add, AddPassword};
use crate::control::{Class, Failure};
use crate::daemon::init::{self, Due, InitError};
use crate::daemon::keeper::LOCKED;
use crate::daemon::notify::Sockets;
use crate::daemon::serve::{self, Running, StartError, StartOptions};
use crate::daemon::settings::{Settings, SettingsError};
use crate::staff::{NewAccount, Role};
use crate::store::Files;
use crate::tls::{SelfMadeCa, SelfMadeError};

pub use plan::{Plan, free_ports};
use text::config_text;

/// The party's mail domain.
pub const DOMAIN: &str = "party.example";

/// The name in the server's certificate.
pub const HOST: &str = "mail.party.example";

/// The lists' identity.
pub const OFFICE: &str = "office@party.example";

/// Ada, who writes: her login name.
pub const SENDER: &str = "ada";

/// Ben, who approves and administers: his login name.
pub const APPROVER: &str = "ben";

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A file or directory.
    #[error("the sandbox's directory can't be prepared: {0}")]
    Io(#[from] io::Error),
    /// The directory is not for us.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] SelfMadeError),
    /// The trust in them.
    #[error("the sandbox's own authority can't be trusted: {0}")]
    Trust(#[from] rustls::Error),
    /// The configuration.
    #[error("the sandbox's configuration is wrong:\n{0}")]
    Config(#[from] ConfigErrors),
    /// What is made from it.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The set-up.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A door that should be there isn't.
    #[error("the daemon has no door called {0}")]
    NoDoor(&'static str),
    /// A request to the running daemon.
    #[error("{}: {}; {}", .0.what, .0.why, .0.next)]
    Control(Box<Failure>),
}

impl From<Failure> for StageError {
    fn from(failure: Failure) -> Self {
        Self::Control(Box::new(failure))
    }
}

/// Somebody of the staff.
#[derive(Clone)]
pub struct Person {
    /// The login name.
    pub name: &'static str,
    /// The main address.
    pub address: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({})", self.name)
    }
}

/// A party that is set up and not started.
pub struct Stage {
    place: Directory,
    config: Config,
    ports: [u16; 7],
    trust: Trust,
    approver: Person,
}

impl Stage {
    /// Sets a party up. Its first admin is Ben, whom the control socket knows by our own Unix user.
    ///
    /// # Errors
    /// A [`StageError`] with what could not be made.
    pub async fn set(plan: Plan) -> Result<Self, StageError> {
        // Nothing is written before the directory is known for ours alone.
        let place = match &plan.directory {
            Some(directory) => Directory::kept(directory).await?,
            None => Directory::throwaway()?,
        };
        let root = place.path().to_owned();
        // A daemon may have been started on it by hand.
        let data = Files::in_directory(root.join("data"));
        data.refuse_in_use().await.map_err(InitError::from)?;
        // The second person may be another Unix user: they pass through, and can read nothing but the socket.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o711))?;
        for (name, mode) in [("keys", 0o700), ("tls", 0o700), ("data", 0o700)] {
            init::make_directory(&root.join(name), mode)?;
        }
        // TLS peers go by the host's clock, whatever the sandbox's says.
        let ca = SelfMadeCa::new("Hustings sandbox, trusted by nobody else", Timestamp::now())?;
        let host = plan.domain.map(|domain| HOST.replace(DOMAIN, domain));
        let names = [HOST, DOMAIN, "127.0.0.1"]
            .into_iter()
            .chain(host.as_deref());
        ca.issue_to(&root.join("tls"), "party", &names.collect::<Vec<_>>())?;
        fs::write(root.join("ca.pem"), ca.pem())?;
        let trust = Trust::new(ca.der())?;
        let text = config_text(&root, &plan);
        fs::write(root.join("hustings.toml"), &text)?;
        // Its key is made in the next step.
        let config = Config::load_without_files(&root.join("hustings.toml"))?;
        let passphrase = plan.passphrase.as_ref();
        let key = init::root_key(&config, passphrase, &root.join("keys/credential"), false)?;
        init::make_store(&config, &key).await?;
        let approver = first_admin(&config, &key.key).await?;
        // Nobody needs the sheet of a sandbox.
        init::set_due(&config, Due::Nothing)?;
        Ok(Self {
            place,
            config,
            ports: plan.ports,
            trust,
            approver,
        })
    }

    /// The directory of all of it.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    /// The directory that must give nothing away.
    pub fn data(&self) -> &Path {
        &self.config.data_dir
    }

    /// The configuration's file.
    pub fn config_file(&self) -> PathBuf {
        self.root().join("hustings.toml")
    }

    /// The authority's certificate, in PEM.
    pub fn authority_file(&self) -> PathBuf {
        self.root().join("ca.pem")
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The ports it was planned with: SMTP, submissions, submission, pages, plain pages, IMAP and POP3; 0 is any.
    pub fn ports(&self) -> [u16; 7] {
        self.ports
    }

    /// Whom outside programs must trust.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Ben, whom the control socket knows by our own Unix user.
    pub fn approver(&self) -> &Person {
        &self.approver
    }

    /// The control socket, as Ben.
    pub fn socket(&self) -> Socket {
        let path = self.config.runtime_dir.join("control.sock");
        Socket::new(path, person())
    }

    /// Starts the daemon in this process.
    ///
    /// # Errors
    /// Why it didn't start.
    pub async fn start(&self, clock: Clock) -> Result<Running, StageError> {
        let as_of = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let (digest, config) = Config::load_for_record(&self.config_file());
        let config = config?;
        let plain = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[4]));
        let options = StartOptions {
            clock,
            settings: Settings::new(config, as_of)?,
            plain_pages: Some(plain),
            sockets: Sockets::default(),
            reload_from: Some(self.config_file()),
            digest,
            stay_locked: false,
            warnings: Vec::new(),
        };
        Ok(serve::start(options).await?)
    }

    /// Takes away the mark of a lock.
    ///
    /// # Errors
    /// If it's there and can't be taken away.
    pub(super) fn forget_lock(&self) -> io::Result<()> {
        match fs::remove_file(self.config.runtime_dir.join(LOCKED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Ada, who writes: Ben makes her account over the control socket, or a new password if she's there already. Once he
    /// has a second factor he can't do that without a code, and her old password stays.
    ///
    /// # Errors
    /// The daemon's failure.
    pub async fn sender(&self) -> Result<Person, StageError> {
        let address = format!("{SENDER}@{}", self.config.domain());
        let add = Add {
            name: SENDER.to_owned(),
            addresses: vec![address.clone()],
            roles: vec![Role::Reader, Role::Sender, Role::Approver],
            uid: None,
            reason: Some("to try it".to_owned()),
        };
        let password = match self.socket().ask(add).await {
            Ok(made) => made.answer.password.reveal().to_owned(),
            // Of a directory that was kept: her password was shown when she was made.
            Err(refused) if self.approver.password.is_empty() => {
                let anew = AddPassword {
                    name: Some(SENDER.to_owned()),
                    label: "sandbox".to_owned(),
                    replace: true,
                    reason: Some("to try it again".to_owned()),
                };
                match self.socket().ask(anew).await {
                    Ok(anew) => anew.answer.password.reveal().to_owned(),
                    Err(again) if again.class == Class::CodeNeeded => String::new(),
                    Err(_) => return Err(refused.into()),
                }
            }
            Err(refused) => return Err(refused.into()),
        };
        Ok(Person {
            name: SENDER,
            address,
            password,
        })
    }
}

async fn first_admin(config: &Config, root: &crate::vault::RootKey) -> Result<Person, StageError> {
    let address = format!("{APPROVER}@{}", config.domain());
    let account = NewAccount {
        name: APPROVER.to_owned(),
        addresses: EmailAddress::parse(&address).into_iter().collect(),
        roles: Vec::new(),
        uid: Some(person()),
    };
    let issued = init::first_admin(config, root, account).await?;
    Ok(Person {
        name: APPROVER,
        address,
        // A kept directory has its admin already; the password was shown when he was made.
        password: issued.map_or_else(String::new, |issued| issued.password.reveal().to_string()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_party_is_set_up_with_its_admin() {
        let stage = Stage::set(Plan::new("127.0.0.1:2525".parse().unwrap()))
            .await
            .unwrap();
        assert_eq!(stage.config().list.len(), 2);
        assert!(!stage.approver().password.is_empty());
        assert!(stage.data().join("hustings.db").exists());
        assert!(!stage.data().starts_with(stage.root().join("keys")));
        let root = stage.root().to_owned();
        drop(stage);
        assert!(!root.exists(), "a throwaway directory is thrown away");
    }

    #[tokio::test]
    async fn a_kept_directory_can_be_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut plan = Plan::new("127.0.0.1:2525".parse().unwrap());
        plan.directory = Some(directory.path().join("kept"));
        drop(Stage::set(plan.clone()).await.unwrap());
        let again = Stage::set(plan).await.unwrap();
        assert!(again.approver().password.is_empty());
    }

    /// What a directory holds: names, modes and contents.
    fn held(directory: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut all = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                all.extend(held(&entry.path()));
            }
            let bytes = fs::read(entry.path()).unwrap_or_default();
            all.push((entry.path(), about.permissions().mode(), bytes));
        }
        all.sort();
        all
    }

    #[tokio::test]
    async fn a_directory_in_use_or_of_somebody_else_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let mut plan = Plan::new("127.0.0.1:2525".parse().unwrap());
        let used = directory.path().join("used");
        plan.directory = Some(used.clone());
        let running = Stage::set(plan.clone()).await.unwrap();
        let before = held(&used);
        let refused = Stage::set(plan.clone()).await.err().unwrap().to_string();
        assert!(refused.contains("in use"), "{refused}");
        assert_eq!(held(&used), before);
        drop(running);

        let foreign = directory.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::set_permissions(&foreign, fs::Permissions::from_mode(0o750)).unwrap();
        fs::write(foreign.join("hustings.toml"), "a party's own").unwrap();
        plan.directory = Some(foreign.clone());
        let before = held(&foreign);
        let refused = Stage::set(plan).await.err().unwrap().to_string();
        assert!(refused.contains("not a sandbox's"), "{refused}");
        assert_eq!(held(&foreign), before);
        let mode = fs::metadata(&foreign).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
    }

    #[test]
    fn ports_are_given_in_a_row() {
        let plan = Plan::new("127.0.0.1:1".parse().unwrap()).ports_from(Some(4000));
        assert_eq!(plan.ports, [4000, 4001, 4002, 4003, 4004, 4005, 4006]);
        let ports = free_ports().unwrap();
        assert!(ports.iter().all(|port| (10_000..32_000).contains(port)));
    }
}
