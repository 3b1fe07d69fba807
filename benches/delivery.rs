//! How fast ready copies leave: the engine with a room in memory, over real sockets and TLS, to a sink in the same
//! process. `cargo bench --bench delivery`; figures are copies a second. Making and signing copies is measured by the
//! `message` benchmark, writing their outcomes down by `store`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use hustings::address::{Domain, EmailAddress};
use hustings::clock::Clock;
use hustings::daemon::sandbox::inbox::{Inbox, InboxLimits};
use hustings::daemon::sandbox::outside::{Outside, Polite};
use hustings::delivery::engine::{Bell, Engine, EngineSettings, Network};
use hustings::delivery::parcel::{
    Attempted, Boxed, Clearance, Fate, Letter, Loaded, MailBytes, Parcel, ParcelKey, Source,
};
use hustings::delivery::policy::Planner;
use hustings::delivery::route::{Ourselves, Reach, Router, StaticRoutes};
use hustings::dns::{Resolver, ResolverSettings};
use hustings::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use hustings::store::StoreError;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

const COPIES: usize = 5_000;
const DESTINATIONS: usize = 50;
const SIZE: usize = 10 * 1024;

fn main() {
    divan::main();
}

/// Copies that are ready, and who waits for the last.
struct Room {
    due: Mutex<VecDeque<Arc<Copy>>>,
    left: Arc<AtomicUsize>,
    done: Arc<Notify>,
}

struct Copy {
    key: ParcelKey,
    to: EmailAddress,
    bytes: Bytes,
    settled: AtomicBool,
    left: Arc<AtomicUsize>,
    done: Arc<Notify>,
}

impl Room {
    fn fill(&self, bytes: &Bytes) {
        self.left.store(COPIES, Ordering::SeqCst);
        let mut due = self.due.lock().expect("not poisoned");
        for n in 0..COPIES {
            let address = format!("r{n}@d{}.example", n % DESTINATIONS);
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(n as u64).to_be_bytes());
            due.push_back(Arc::new(Copy {
                key,
                to: EmailAddress::parse(&address).expect("an address"),
                bytes: bytes.clone(),
                settled: AtomicBool::new(false),
                left: self.left.clone(),
                done: self.done.clone(),
            }));
        }
    }
}

impl Source for Room {
    fn due(&self, _: Timestamp, limit: u32) -> Boxed<'_, Result<Vec<Arc<dyn Parcel>>, StoreError>> {
        let open = |copy: &&Arc<Copy>| !copy.settled.load(Ordering::Relaxed);
        let mut due = self.due.lock().expect("not poisoned");
        while due.front().is_some_and(|copy| !open(&copy)) {
            due.pop_front();
        }
        let first = due.iter().filter(open).take(limit as usize);
        let first = first.map(|copy| copy.clone() as Arc<dyn Parcel>).collect();
        Box::pin(async move { Ok(first) })
    }

    fn next_due(&self) -> Boxed<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async { Ok(None) })
    }
}

impl Parcel for Copy {
    fn key(&self) -> ParcelKey {
        self.key
    }

    fn destination(&self) -> &Domain {
        self.to.domain()
    }

    fn load(&self) -> Boxed<'_, Loaded> {
        let letter = Letter {
            dsn: Default::default(),
            reverse_path: EmailAddress::parse("u+token@party.example").ok(),
            recipient: self.to.clone(),
            size: Some(self.bytes.len() as u64),
            utf8: false,
            eight_bit: false,
            bytes: MailBytes::Chunks(vec![self.bytes.clone()]),
        };
        Box::pin(async move { Loaded::Ready(letter) })
    }

    fn clearance(&self) -> Boxed<'_, Option<Clearance>> {
        Box::pin(async { Some(Box::new(()) as Clearance) })
    }

    fn put_off(&self, _: Timestamp, _: String) -> Boxed<'_, Result<(), StoreError>> {
        unreachable!("a fixed route has no pace")
    }

    fn settle(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        assert!(matches!(attempted.fate, Fate::Delivered), "all are taken");
        self.settled.store(true, Ordering::Relaxed);
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.done.notify_one();
        }
        Box::pin(async { Ok(()) })
    }
}

async fn sink() -> Outside {
    let made = rcgen::generate_simple_self_signed(vec!["outside.example".to_owned()])
        .expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("fits");
    let limits = InboxLimits {
        mails: 100,
        octets: 1 << 20,
        each: 0,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let inbox = Inbox::new(limits);
    Outside::start(listener, Arc::new(tls), inbox, Clock::system(), Polite).expect("starts")
}

fn network(to: SocketAddr) -> Network {
    let to = to.to_string();
    let settings = ResolverSettings {
        servers: vec![([127, 0, 0, 1], 9).into()],
        ..ResolverSettings::default()
    };
    Network {
        router: Router {
            resolver: Resolver::new(settings).expect("a resolver"),
            secure: None,
            routes: StaticRoutes::parse([("*", to.as_str())]).expect("a route"),
            ourselves: Ourselves::default(),
            port: 25,
            reach: Reach::Anywhere,
        },
        dialer: Dialer {
            hello: HelloName::parse("mail.party.example").expect("a name"),
            tls: TlsSetup::new(None).expect("TLS"),
            timeouts: Timeouts::default(),
            limits: SessionLimits::default(),
            sources: Vec::new(),
        },
        planner: Planner::default(),
    }
}

/// 10 KB copies to 50 destinations.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn copies(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().expect("a runtime");
    let line = "0123456789 0123456789 0123456789 0123456789 01234567\r\n";
    let bytes = Bytes::from(format!(
        "Subject: x\r\n\r\n{}",
        line.repeat(SIZE / line.len())
    ));
    let (left, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let room = Arc::new(Room {
        due: Mutex::default(),
        left,
        done: done.clone(),
    });
    let bell = Bell::new();
    let (_sink, _engine) = runtime.block_on(async {
        let sink = sink().await;
        let engine = Engine::start(
            vec![room.clone()],
            network(sink.address()),
            Clock::system(),
            EngineSettings::default(),
            bell.clone(),
        );
        (sink, engine)
    });
    bencher
        .counter(ItemsCount::new(COPIES))
        .with_inputs(|| room.fill(&bytes))
        .bench_values(|()| {
            bell.wake();
            runtime.block_on(done.notified());
        });
}
