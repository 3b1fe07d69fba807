//! An authoritative DNS server on an ephemeral port, UDP and TCP, whose one zone is the root: any name can be given
//! records, and faults, while it runs. Nothing is cached by those who ask: every TTL is 0. A [`Zone::signed`] one is signed
//! (DNSSEC), but for what lies below [`PLAIN`].

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::Time;
use hickory_server::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_server::proto::dnssec::rdata::DNSKEY;
use hickory_server::proto::dnssec::{DnssecSigner, SigningKey as _};
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, NULL, PTR, SOA, SRV, TXT};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{
    AxfrPolicy, Catalog, DnssecZoneHandler as _, MessageResponseBuilder, ZoneType,
};
use hustings::dns::Data;
use tokio::net::{TcpListener, UdpSocket};

/// What a name does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SERVFAIL.
    ServerFailure,
    /// No answer at all.
    Silence,
    /// NXDOMAIN, and no proof of it.
    BareDenial,
    /// No records, and no proof that there are none.
    BareNothing,
}

/// The part of a signed zone that is not signed: a delegation without keys.
pub const PLAIN: &str = "plain";

type Handler = InMemoryZoneHandler;

/// What makes a zone a signed one.
struct Signed {
    /// The names below [`PLAIN`].
    plain: Arc<Handler>,
    /// The root's key, as a trust anchor file has it.
    anchor: String,
    /// Records that come after the signatures.
    forged: tokio::sync::Mutex<Vec<Record>>,
}

type Faults = Arc<Mutex<HashMap<LowerName, Fault>>>;

/// A DNS server. Dropping it stops it.
pub struct Zone {
    address: SocketAddr,
    handler: Arc<Handler>,
    signed: Option<Signed>,
    faults: Faults,
    queries: Arc<Mutex<Vec<(String, RecordType)>>>,
    // Its tasks end with it.
    _server: Server<Answers>,
}

impl Zone {
    /// An empty zone at a port of its own.
    pub async fn start() -> Self {
        Self::serve(Arc::new(empty(Name::root(), None)), None).await
    }

    /// An empty signed zone, with an unsigned one below it.
    pub async fn signed() -> Self {
        let handler = empty(Name::root(), Some(NxProofKind::Nsec));
        let key = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&key).unwrap();
        let public = DNSKEY::from_key(&key.to_public_key().unwrap());
        let anchor = format!(". IN DNSKEY {public}\n");
        let day = Duration::from_secs(86_400);
        let signer = DnssecSigner::new(public, Box::new(key), Name::root(), day);
        handler.add_zone_signing_key(signer).await.unwrap();
        let signed = Signed {
            plain: Arc::new(empty(named(PLAIN), None)),
            anchor,
            forged: tokio::sync::Mutex::default(),
        };
        let zone = Self::serve(Arc::new(handler), Some(signed)).await;
        // Above the cut, and below it.
        let cut = || RData::NS(NS(named("ns.test")));
        zone.add(PLAIN, cut()).await;
        if let Some(signed) = &zone.signed {
            put(&signed.plain, Record::from_rdata(named(PLAIN), 0, cut())).await;
        }
        zone
    }

    async fn serve(handler: Arc<Handler>, signed: Option<Signed>) -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let (mut catalog, mut parents) = (Catalog::new(), Catalog::new());
        catalog.upsert(Name::root().into(), vec![handler.clone()]);
        parents.upsert(Name::root().into(), vec![handler.clone()]);
        if let Some(signed) = &signed {
            catalog.upsert(named(PLAIN).into(), vec![signed.plain.clone()]);
        }
        let (faults, queries) = (Faults::default(), Arc::default());
        let answers = Answers {
            catalog,
            parents,
            faults: faults.clone(),
            queries: Arc::clone(&queries),
        };
        let mut server = Server::new(answers);
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 1024);
        Self {
            address,
            handler,
            signed,
            faults,
            queries,
            _server: server,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds `MX preference host`; host `.` is a null MX.
    pub async fn mx(&self, name: &str, preference: u16, host: &str) {
        self.add(name, RData::MX(MX::new(preference, named(host))))
            .await;
    }

    /// Adds an A or AAAA record.
    pub async fn address_of(&self, name: &str, address: &str) {
        let data = match address.parse().unwrap() {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        };
        self.add(name, data).await;
    }

    /// Adds a TXT record of one string, or of several if it's long.
    pub async fn txt(&self, name: &str, text: &str) {
        let parts = text
            .as_bytes()
            .chunks(255)
            .map(|part| String::from_utf8(part.to_vec()).unwrap());
        self.add(name, RData::TXT(TXT::new(parts.collect()))).await;
    }

    /// Adds a CNAME record.
    pub async fn cname(&self, name: &str, target: &str) {
        self.add(name, RData::CNAME(CNAME(named(target)))).await;
    }

    /// Adds a TLSA record (usage, selector, matching type, data).
    pub async fn tlsa(&self, name: &str, kind: [u8; 3], data: &[u8]) {
        // RFC 6698 §2.1, as an opaque record: no need for the typed form here.
        let rdata = [&kind[..], data].concat();
        let data = RData::Unknown {
            code: RecordType::TLSA,
            rdata: NULL::with(rdata),
        };
        self.add(name, data).await;
    }

    /// Adds any record, and signs it.
    pub async fn add(&self, name: &str, data: RData) {
        let handler = self.handler_of(name);
        put(handler, Record::from_rdata(named(name), 0, data)).await;
        self.sign().await;
    }

    /// Adds a record that somebody on the way has put there: no signature is good for it.
    pub async fn forge(&self, name: &str, data: RData) {
        let signed = self.signed.as_ref().expect("a signed zone");
        let record = Record::from_rdata(named(name), 0, data);
        signed.forged.lock().await.push(record);
        self.sign().await;
    }

    /// Publishes a record as the party wants it.
    pub async fn publish(&self, name: &str, data: &Data) {
        match data {
            Data::Address(address) => self.address_of(name, &address.to_string()).await,
            Data::Mx { preference, host } => self.mx(name, *preference, host).await,
            Data::Text(text) => self.txt(name, text).await,
            Data::Tlsa(kind, bytes) => self.tlsa(name, *kind, bytes).await,
            Data::Alias(target) => self.cname(name, target).await,
            Data::Name(target) => self.add(name, RData::PTR(PTR(named(target)))).await,
            Data::Service {
                priority,
                weight,
                port,
                target,
            } => {
                let srv = SRV::new(*priority, *weight, *port, named(target));
                self.add(name, RData::SRV(srv)).await;
            }
            Data::Caa { .. } | Data::Signed => panic!("this zone holds no such record"),
        }
    }

    /// Takes all records of a kind away from a name.
    pub async fn remove(&self, name: &str, kind: RecordType) {
        let handler = self.handler_of(name);
        let key = RrKey::new(named(name).into(), kind);
        handler.records_mut().await.remove(&key);
        self.sign().await;
    }

    fn handler_of(&self, name: &str) -> &Handler {
        match &self.signed {
            Some(signed) if name.ends_with(&format!(".{PLAIN}")) => &signed.plain,
            _ => &self.handler,
        }
    }

    async fn sign(&self) {
        let Some(signed) = &self.signed else { return };
        let forged = signed.forged.lock().await;
        for record in &*forged {
            let key = RrKey::new((&record.name).into(), record.record_type());
            self.handler.records_mut().await.remove(&key);
        }
        self.handler.secure_zone().await.unwrap();
        for record in &*forged {
            put(&self.handler, record.clone()).await;
        }
    }

    /// The file of the trust anchor of a signed zone.
    pub fn anchor(&self) -> &str {
        &self.signed.as_ref().expect("a signed zone").anchor
    }

    /// Makes a name fail, or behave again.
    pub fn fault(&self, name: &str, fault: Option<Fault>) {
        let mut faults = self.faults.lock().unwrap();
        match fault {
            Some(fault) => faults.insert(named(name).into(), fault),
            None => faults.remove(&named(name).into()),
        };
    }

    /// What was asked, in order: names without their last dot.
    pub fn queries(&self) -> Vec<(String, RecordType)> {
        self.queries.lock().unwrap().clone()
    }
}

fn named(text: &str) -> Name {
    let mut name = Name::from_str(text).unwrap();
    name.set_fqdn(true);
    name
}

/// UDP and TCP at the same port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn put(handler: &Handler, record: Record) {
    let (name, serial) = (record.name.clone(), handler.serial().await);
    assert!(handler.upsert(record, serial).await, "{name}: not taken");
}

fn empty(origin: Name, denial: Option<NxProofKind>) -> Handler {
    let soa = SOA::new(
        named("ns.test"),
        named("hostmaster.test"),
        1,
        3600,
        600,
        86_400,
        0,
    );
    let mut set = RecordSet::new(origin.clone(), RecordType::SOA, 1);
    set.insert(Record::from_rdata(origin.clone(), 0, RData::SOA(soa)), 1);
    let records = BTreeMap::from([(RrKey::new((&origin).into(), RecordType::SOA), set)]);
    InMemoryZoneHandler::new(origin, records, ZoneType::Primary, AxfrPolicy::Deny, denial).unwrap()
}

/// The catalog, with faults in front.
struct Answers {
    catalog: Catalog,
    /// Without the delegated zone: it is its parent that knows about its keys.
    parents: Catalog,
    faults: Faults,
    queries: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl Answers {
    async fn handle<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let asked = request.request_info().ok().map(|info| info.query.clone());
        let (mut fault, mut catalog) = (None, &self.catalog);
        if let Some(query) = asked {
            if query.query_type() == RecordType::DS && *query.name() == named(PLAIN).into() {
                catalog = &self.parents;
            }
            let name = query.name().to_string();
            self.queries
                .lock()
                .unwrap()
                .push((name.trim_end_matches('.').to_owned(), query.query_type()));
            fault = self.faults.lock().unwrap().get(query.name()).copied();
        }
        match fault {
            None => catalog.handle_request::<R, T>(request, response).await,
            Some(Fault::Silence) => std::future::pending().await,
            Some(fault) => {
                let code = match fault {
                    Fault::BareDenial => ResponseCode::NXDomain,
                    Fault::BareNothing => ResponseCode::NoError,
                    _ => ResponseCode::ServFail,
                };
                let bare = MessageResponseBuilder::from_message_request(request)
                    .error_msg(&request.metadata, code);
                response.send_response(bare).await.unwrap()
            }
        }
    }
}

// What `#[async_trait]` would write.
impl RequestHandler for Answers {
    fn handle_request<'a, 'b, 'c, R, T>(
        &'a self,
        request: &'b Request,
        response: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'c>>
    where
        R: ResponseHandler + 'c,
        T: Time + 'c,
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(self.handle::<R, T>(request, response))
    }
}
