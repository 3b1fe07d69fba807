//! The HTTPS host of everybody's MTA-STS policies, on an ephemeral port of loopback: it shows the certificate that the name
//! it is asked for should have, unless it is told otherwise.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::authority::{Authority, self_signed};

#[derive(Default)]
struct Inner {
    /// What is answered, by host.
    answers: HashMap<String, String>,
    /// Hosts that show a certificate for which nobody vouches.
    unproven: Vec<String>,
    /// Which hosts were asked, in order.
    asked: Vec<String>,
}

/// The host. Dropping it closes its door.
pub struct PolicyHost {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    door: AbortHandle,
}

impl PolicyHost {
    /// A host without policies, for which this authority vouches.
    pub async fn start(authority: Arc<Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner::default()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Certificates {
                authority,
                inner: inner.clone(),
            }));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let of_door = inner.clone();
        let door = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, acceptor.clone(), of_door.clone()));
            }
        });
        Self {
            address,
            inner,
            door: door.abort_handle(),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers this policy for a domain.
    pub fn set(&self, domain: &str, mode: &str, mx: &str, max_age: u64) {
        let policy =
            format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n");
        self.set_answer(
            domain,
            &format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{policy}",
                policy.len()
            ),
        );
    }

    /// Answers these bytes for a domain.
    pub fn set_answer(&self, domain: &str, answer: &str) {
        let host = format!("mta-sts.{domain}");
        let mut inner = self.inner.lock().unwrap();
        inner.answers.insert(host, answer.to_owned());
    }

    /// Answers nothing for a domain any more.
    pub fn forget(&self, domain: &str) {
        let host = format!("mta-sts.{domain}");
        self.inner.lock().unwrap().answers.remove(&host);
    }

    /// Shows a certificate for which nobody vouches.
    pub fn unproven(&self, domain: &str) {
        let host = format!("mta-sts.{domain}");
        self.inner.lock().unwrap().unproven.push(host);
    }

    /// How often a domain's policy was asked for.
    pub fn asked(&self, domain: &str) -> usize {
        let host = format!("mta-sts.{domain}");
        let inner = self.inner.lock().unwrap();
        inner.asked.iter().filter(|asked| **asked == host).count()
    }
}

impl Drop for PolicyHost {
    fn drop(&mut self) {
        self.door.abort();
    }
}

async fn answer(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    inner: Arc<Mutex<Inner>>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let host = stream
        .get_ref()
        .1
        .server_name()
        .unwrap_or_default()
        .to_owned();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    assert!(request.starts_with("get /.well-known/mta-sts.txt http/1.1\r\n"));
    assert!(request.contains(&format!("\r\nhost: {host}")), "{request}");
    let answer = {
        let mut inner = inner.lock().unwrap();
        inner.asked.push(host.clone());
        inner.answers.get(&host).cloned()
    };
    let none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let answer = answer.as_deref().unwrap_or(none);
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

struct Certificates {
    authority: Arc<Authority>,
    inner: Arc<Mutex<Inner>>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let unproven = self
            .inner
            .lock()
            .unwrap()
            .unproven
            .iter()
            .any(|one| one == name);
        let (chain, key) = match unproven {
            true => self_signed(name),
            false => self.authority.vouch(name),
        };
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok()?;
        Some(Arc::new(CertifiedKey::new(chain, key)))
    }
}
