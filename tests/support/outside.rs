//! An outside mail server on an ephemeral port that can be told to misbehave while it runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use hustings::clock::Clock;
use hustings::daemon::sandbox::inbox::{Inbox, InboxLimits};
use hustings::daemon::sandbox::outside::{Manners, Outside, Polite};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

pub use hustings::daemon::sandbox::outside::{Act, At};

/// The name in its certificate.
pub const NAME: &str = "outside.example";

/// An outside server, the script it follows, and its certificate. Dropping it closes its door.
pub struct OutsideMta {
    server: Outside,
    script: Script,
    certificate: CertificateDer<'static>,
}

impl OutsideMta {
    /// A polite server that keeps all it gets.
    pub async fn start() -> Self {
        Self::with_limits(InboxLimits {
            mails: 1_000_000,
            octets: 1 << 30,
            each: 64 << 20,
        })
        .await
    }

    /// A server for many mails of which only the first octets matter.
    pub async fn sink(each: usize) -> Self {
        Self::with_limits(InboxLimits {
            mails: 1_000_000,
            octets: 1 << 30,
            each,
        })
        .await
    }

    /// A polite server at this address that shows this certificate: the first is its own.
    pub async fn at(
        address: SocketAddr,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self::behind(listener, InboxLimits::default(), chain, key)
    }

    async fn with_limits(limits: InboxLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (chain, key) = super::authority::self_signed(NAME);
        Self::behind(listener, limits, chain, key)
    }

    fn behind(
        listener: TcpListener,
        limits: InboxLimits,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        let (certificate, tls) = (chain[0].clone(), shown(chain, key));
        let script = Script::default();
        let server = Outside::start(
            listener,
            tls,
            Inbox::new(limits),
            Clock::movable(),
            script.clone(),
        )
        .unwrap();
        Self {
            server,
            script,
            certificate,
        }
    }

    /// The certificate, to be trusted by who wants to verify it.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Does `act` whenever `at` comes.
    pub fn always(&self, at: At, act: Act) {
        self.script.add(Rule {
            at,
            what: None,
            act,
            left: None,
        });
    }

    /// Does `act` the next `times` that `at` comes.
    pub fn next(&self, times: usize, at: At, act: Act) {
        self.script.add(Rule {
            at,
            what: None,
            act,
            left: Some(times),
        });
    }

    /// Does `act` whenever `at` comes with this address.
    pub fn for_address(&self, at: At, address: &str, act: Act) {
        self.script.add(Rule {
            at,
            what: Some(address.to_lowercase()),
            act,
            left: None,
        });
    }

    /// Refuses with this line whenever `at` comes.
    pub fn refuse(&self, at: At, line: &str) {
        self.always(at, Act::Reply(line.to_owned()));
    }

    /// Refuses the first `times` mails with a 451.
    pub fn tempfail_first(&self, times: usize) {
        self.next(
            times,
            At::Mail,
            Act::Reply("451 4.7.1 come back later".to_owned()),
        );
    }

    /// Offers no STARTTLS any more.
    pub fn without_starttls(&self) {
        self.script.0.lock().unwrap().no_starttls = true;
    }

    /// Offers no SMTPUTF8 from now on.
    pub fn without_utf8(&self) {
        self.script.0.lock().unwrap().no_utf8 = true;
    }

    /// Offers DSN from now on, and tells nobody anything.
    pub fn with_dsn(&self) {
        self.script.0.lock().unwrap().dsn = true;
    }

    /// Offers REQUIRETLS from now on.
    pub fn with_require_tls(&self) {
        self.script.0.lock().unwrap().require_tls = true;
    }

    /// From now on notes whose DATA and final dot came when.
    pub fn note_times(&self) {
        self.script.0.lock().unwrap().times = Some(HashMap::new());
    }

    /// When DATA or the final dot came for this address, in order, since [`OutsideMta::note_times`].
    pub fn times_of(&self, at: At, address: &str) -> Vec<Instant> {
        let script = self.script.0.lock().unwrap();
        let all = script.times.as_ref().and_then(|times| times.get(address));
        let fit = all.into_iter().flatten().filter(|(step, _)| *step == at);
        fit.map(|(_, when)| *when).collect()
    }

    /// Behaves again.
    pub fn behave(&self) {
        *self.script.0.lock().unwrap() = Rules::default();
    }
}

impl Deref for OutsideMta {
    type Target = Outside;

    fn deref(&self) -> &Outside {
        &self.server
    }
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<Rules>>);

#[derive(Default)]
struct Rules {
    rules: Vec<Rule>,
    no_starttls: bool,
    require_tls: bool,
    no_utf8: bool,
    dsn: bool,
    /// By address.
    times: Option<HashMap<String, Vec<(At, Instant)>>>,
}

struct Rule {
    at: At,
    what: Option<String>,
    act: Act,
    left: Option<usize>,
}

impl Script {
    fn add(&self, rule: Rule) {
        self.0.lock().unwrap().rules.push(rule);
    }
}

impl Manners for Script {
    fn at(&self, at: At, what: &str) -> Act {
        let mut script = self.0.lock().unwrap();
        if let (Some(times), At::Data | At::Dot) = (&mut script.times, at) {
            let of = times.entry(what.to_owned()).or_default();
            of.push((at, Instant::now()));
        }
        let fits = |rule: &&mut Rule| {
            rule.at == at
                && rule.left != Some(0)
                && rule
                    .what
                    .as_deref()
                    .is_none_or(|w| w == what.to_lowercase())
        };
        let Some(rule) = script.rules.iter_mut().find(fits) else {
            return Act::GoOn;
        };
        rule.left = rule.left.map(|left| left - 1);
        rule.act.clone()
    }

    fn extensions(&self) -> &[&str] {
        let script = self.0.lock().unwrap();
        if script.dsn {
            return &["PIPELINING", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES"];
        }
        match script.require_tls {
            true => &[
                "PIPELINING",
                "8BITMIME",
                "REQUIRETLS",
                "ENHANCEDSTATUSCODES",
            ],
            false if script.no_utf8 => &["PIPELINING", "SIZE 52428800", "8BITMIME"],
            false => Polite.extensions(),
        }
    }

    fn offers_starttls(&self) -> bool {
        !self.0.lock().unwrap().no_starttls
    }
}

/// A TLS set-up that shows this certificate.
pub fn shown(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// A TLS set-up with a fresh self-signed certificate for `name`.
pub fn self_made(name: &str) -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let (chain, key) = super::authority::self_signed(name);
    let certificate = chain[0].clone();
    (shown(chain, key), certificate)
}
