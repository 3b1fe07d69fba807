//! A party's pages on loopback over TLS: a real store, consent room and worker, and a browser of a few lines.

#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hustings::address::EmailAddress;
use hustings::clock::Clock;
use hustings::config::Config;
use hustings::consent::{Consent, IntakeWorker};
use hustings::daemon::settings::Settings;
use hustings::net::admission::ConnectionLimits;
use hustings::report::{Ours, Reports};
use hustings::store::{Files, LockedStore, Store};
use hustings::template::{Factor, Problem, Text};
use hustings::tls::{self, Certificates, SelfMadeCa};
use hustings::vault::{KeyRing, Vault};
use hustings::web::{
    Approvals, Asking, Decided, Door, LockedWithdrawals, MailingToApprove, NotKept, Rooms,
    Timeouts, Web, WebParts,
};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The name in the certificate.
pub const NAME: &str = "mail.party.example";
/// What a browser posts.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// What the locked box was given.
#[derive(Default)]
pub struct Box_(pub Mutex<Vec<Vec<u8>>>);

impl LockedWithdrawals for Box_ {
    fn keep(
        &self,
        withdrawal: Zeroizing<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>> {
        self.0.lock().unwrap().push(withdrawal.to_vec());
        Box::pin(async { Ok(()) })
    }

    fn is_filling(&self) -> bool {
        false
    }
}

/// One mailing waits for its approval, and its link is `/a/good`; that of an approver who has a second factor is `/a/coded`.
pub struct OneMailing;

impl Approvals for OneMailing {
    fn look<'a>(&'a self, token: &'a str) -> Asking<'a, Option<MailingToApprove>> {
        let mailing = move || MailingToApprove {
            sender: "ada".to_owned(),
            list: Text::english("News"),
            constituencies: None,
            subject: "Meeting at the town hall".to_owned(),
            count: "1,204".to_owned(),
            digest: "9f86d081".repeat(8),
            configured: true,
            factor: match token {
                "coded" => Factor::Code,
                _ => Factor::Nothing,
            },
            text: "See you on Friday at seven.\n\nBring a friend.\n".repeat(40),
            designed: None,
            files: Vec::new(),
        };
        Box::pin(async move { Ok(matches!(token, "good" | "coded").then(mailing)) })
    }
    fn decide<'a>(
        &'a self,
        token: &'a str,
        decision: hustings::list::Decision,
        code: Option<&'a str>,
    ) -> Asking<'a, Decided> {
        let refuses = decision == hustings::list::Decision::Refuse;
        Box::pin(async move {
            Ok(match (token, code) {
                ("good", _) | ("coded", Some("123456")) => Decided::Done,
                ("coded", _) if refuses => Decided::Done,
                ("coded", None) => Decided::NoCode(Problem::CodeMissing),
                ("coded", _) => Decided::NoCode(Problem::CodeWrong),
                _ => Decided::NoLink,
            })
        })
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Everything but the time.
    pub fn bytes(&self) -> (u16, Vec<(String, String)>, &str) {
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.retain(|(name, _)| *name != "date");
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (self.status, headers.collect(), &self.text)
    }

    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        let at = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&at).expect("the field").1;
        rest.split('"').next().unwrap().to_owned()
    }

    /// The page with any stamp for its own, which is another one each time, as long as each other.
    pub fn unstamped(&self) -> Self {
        let mut plain = self.clone();
        if self.text.contains("name=\"stamp\"") {
            let stamp = self.field("stamp");
            plain.text = self.text.replace(&stamp, &"S".repeat(stamp.len()));
        }
        plain
    }
}

/// The configuration of the tests: two lists, and as many sign-ups as anybody likes.
pub fn config() -> Config {
    let mut config = Config::example();
    let news = config.list.values().next().unwrap().clone();
    let mut appeals = news.clone();
    appeals.title = "Appeals".to_owned();
    appeals.purpose = "appeals for money, about once a month".to_owned();
    appeals.purpose_cy = Some("apeliadau am arian, tua unwaith y mis".to_owned());
    config.list.insert("appeals".parse().unwrap(), appeals);
    config
}

pub struct Pages {
    directory: TempDir,
    pub clock: Clock,
    pub store: Store,
    pub consent: Consent,
    pub worker: IntakeWorker,
    pub web: Arc<Web>,
    pub kept: Arc<Box_>,
    pub settings: Settings,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub door: JoinHandle<()>,
    client: Arc<ClientConfig>,
}

fn settings(config: Config) -> Settings {
    Settings::new(config, jiff::civil::date(2026, 11, 1)).unwrap()
}

fn trusting(ca: &SelfMadeCa) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

impl Pages {
    pub async fn start() -> Self {
        Self::with(NonZeroU32::new(10_000).unwrap(), Timeouts::default()).await
    }

    /// The pages of a daemon that waits for its passphrase.
    pub async fn start_locked() -> Self {
        Self::closed(NonZeroU32::new(10_000).unwrap(), Timeouts::default()).await
    }

    pub async fn with(signups: NonZeroU32, timeouts: Timeouts) -> Self {
        let pages = Self::closed(signups, timeouts).await;
        pages.unlock();
        pages
    }

    async fn closed(signups: NonZeroU32, timeouts: Timeouts) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        let settings = settings(config());
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let vault = Vault::from_ring(KeyRing::generate());
        let store = locked.unwrap().unlock(vault, 1 << 20).await.unwrap();
        let letters = Arc::new(settings.letters());
        let consent = Consent::open(store.clone(), clock.clone(), settings.consent(), letters);
        let consent = consent.await.unwrap();
        let kept = Arc::new(Box_::default());
        let web = Web::new(WebParts {
            site: settings.site(),
            https: true,
            clock: clock.clone(),
            signups_per_network: signups,
            locked: kept.clone(),
        });
        let ca = SelfMadeCa::new("Test CA", Timestamp::now()).unwrap();
        let pair = ca.issue(&[NAME, "localhost", "127.0.0.1"]).unwrap();
        let server = tls::server_config(Certificates::fixed(vec![pair]), tls::Door::Https);
        let door = Arc::new(Door::https(&web, server).with_timeouts(timeouts));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let limits = Arc::new(ConnectionLimits::new(100, 100));
        Self {
            directory,
            worker: IntakeWorker::new(consent.clone()),
            clock,
            store,
            consent,
            web,
            kept,
            settings,
            address,
            stop: stop.clone(),
            door: tokio::spawn(door.listen(listener, limits, stop)),
            client: trusting(&ca),
        }
    }

    /// Opens the rooms to the pages.
    pub fn unlock(&self) {
        self.web.open(Rooms {
            consent: self.consent.clone(),
            approvals: Arc::new(OneMailing),
            reports: self.reports(),
        });
    }

    pub fn reports(&self) -> Reports {
        Reports::new(self.store.clone(), self.clock.clone(), Ours::default())
    }

    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// A TLS connection that offers these protocols.
    pub async fn connect(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut config = (*self.client).clone();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await.unwrap()
    }

    /// Sends one request over HTTP/1.1 on a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let io = TokioIo::new(self.connect(&[b"http/1.1"]).await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        whole(sender.send_request(request).await.unwrap()).await
    }

    /// The same over HTTP/2.
    pub async fn send_h2(&self, mut request: Request<Full<Bytes>>) -> Answer {
        let path = request.uri().to_string();
        *request.uri_mut() = format!("https://{NAME}{path}").parse().unwrap();
        request.headers_mut().remove(HOST);
        let io = TokioIo::new(self.connect(&[b"h2"]).await);
        let executor = TokioExecutor::new();
        let opened = hyper::client::conn::http2::handshake(executor, io).await;
        let (mut sender, connection) = opened.unwrap();
        tokio::spawn(connection);
        whole(sender.send_request(request).await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, "", "")).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request(Method::POST, path, FORM, body)).await
    }

    /// A stamp of a form that was looked at for a while.
    pub async fn stamp(&self) -> String {
        self.stamps(1).await.remove(0)
    }

    /// So many of them: each is good for one sign-up.
    pub async fn stamps(&self, count: usize) -> Vec<String> {
        let mut stamps = Vec::new();
        for _ in 0..count {
            stamps.push(self.get("/").await.field("stamp"));
        }
        self.pass(SignedDuration::from_secs(5));
        stamps
    }

    pub fn pass(&self, time: SignedDuration) {
        self.clock.advance(time).unwrap();
    }

    /// Fills the form and posts it.
    pub async fn sign_up(&self, address: &str) -> Answer {
        let stamp = self.stamp().await;
        self.post("/", &sign_up_form(address, &stamp)).await
    }

    /// Lets the worker do what is due.
    pub async fn work(&self) {
        while self.worker.step().await.unwrap().pieces > 0 {}
    }

    /// The texts of the mails that wait for an address, in no order.
    pub async fn mails_to(&self, address: &str) -> Vec<String> {
        let address = EmailAddress::parse(address).unwrap();
        let mut texts = Vec::new();
        for queued in self.store.queue_page(None, 500).await.unwrap().rows {
            if queued.record.recipient == address {
                let bytes = self.store.body(queued.message).read_whole(1 << 20).await;
                let mail = bytes.unwrap();
                let mail = mail_parser::MessageParser::default().parse(&mail).unwrap();
                texts.push(mail.body_text(0).unwrap().into_owned());
            }
        }
        texts
    }

    /// The path of the one link of this kind (`/c/`, `/u/`, `/n/`) in the mails to an address.
    pub async fn link_to(&self, address: &str, kind: &str) -> String {
        let origin = self.settings.config.pages_url() + kind;
        let mails = self.mails_to(address).await;
        let words = mails.iter().flat_map(|text| text.split_whitespace());
        let link = words.filter_map(|word| word.strip_prefix(&origin)).next();
        format!("{kind}{}", link.expect("a link"))
    }

    /// Signs up and confirms; gives the path of the way out.
    pub async fn subscribe(&self, address: &str) -> String {
        self.sign_up(address).await;
        self.work().await;
        let link = self.link_to(address, "/c/").await;
        let done = self.post(&link, "constituency=E14001319").await;
        assert_eq!(done.status, 200, "{}", done.text);
        self.link_to(address, "/u/").await
    }

    pub async fn subscribers(&self) -> usize {
        let page = self.consent.audience("news", None, 500).await.unwrap();
        page.subscriptions.len()
    }

    /// How many writes were committed.
    pub fn writes(&self) -> u64 {
        self.store.written().0
    }

    /// How often something was looked up.
    pub fn reads(&self) -> u64 {
        self.store.read()
    }

    /// Everything in the intake, the queue and the list, counted.
    pub async fn rows(&self) -> [usize; 3] {
        let intake = self.store.intake_after(None, 500).await.unwrap().rows.len();
        let queue = self.store.queue_page(None, 500).await.unwrap().rows.len();
        [intake, queue, self.subscribers().await]
    }
}

pub fn sign_up_form(address: &str, stamp: &str) -> String {
    let address = address.replace('+', "%2B").replace('@', "%40");
    format!(
        "email={address}&constituency=E14001319&list=news&age=yes&lang=en&nectar=&stamp={stamp}"
    )
}

pub fn request(method: Method, path: &str, kind: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, NAME);
    if !kind.is_empty() {
        request = request.header(CONTENT_TYPE, kind);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    request.body(body).unwrap()
}

async fn whole(answer: hyper::Response<hyper::body::Incoming>) -> Answer {
    let (parts, body) = answer.into_parts();
    let body = tokio::time::timeout(Duration::from_secs(60), body.collect());
    let bytes = body.await.unwrap().unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}
