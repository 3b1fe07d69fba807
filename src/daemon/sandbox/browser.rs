//! A browser as small as can be: gets pages, fills the forms that are on them, and posts. With a transcript.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::peer::Trust;

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest page.
const LARGEST: usize = 4 << 20;

/// A browser that always goes to one door.
#[derive(Clone)]
pub struct Browser {
    door: SocketAddr,
    host: String,
    trust: Option<Trust>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// A page that came.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its text.
    pub text: String,
}

/// A form on a page: where it goes and what its hidden fields and chosen options hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The path that it's posted to.
    pub action: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

impl Browser {
    /// A browser for the pages of `host` at this door, over TLS.
    pub fn secured(door: SocketAddr, host: &str, trust: Trust) -> Self {
        Self::new(door, host, Some(trust))
    }

    /// The same in the clear; the sandbox alone has such a door.
    pub fn plain(door: SocketAddr) -> Self {
        Self::new(door, &door.to_string(), None)
    }

    fn new(door: SocketAddr, host: &str, trust: Option<Trust>) -> Self {
        Self {
            door,
            host: host.to_owned(),
            trust,
            seen: Arc::default(),
        }
    }

    /// What went over the wire since this was last asked: first lines only.
    pub fn take_transcript(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gets a page. `path` may be a whole address; its host is left out.
    ///
    /// # Errors
    /// If the server can't be reached or its answer can't be read.
    pub async fn get(&self, path: &str) -> io::Result<Page> {
        self.ask(Method::GET, path, String::new()).await
    }

    /// Posts a form.
    ///
    /// # Errors
    /// As [`Browser::get`].
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> io::Result<Page> {
        self.ask(Method::POST, path, encoded(fields)).await
    }

    /// Posts a form that was read from a page.
    ///
    /// # Errors
    /// As [`Browser::get`].
    pub async fn submit(&self, form: &Form) -> io::Result<Page> {
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post(&form.action, &fields).await
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> io::Result<Page> {
        let path = path_of(path);
        // Tokens open doors: a transcript shows their beginning alone.
        self.note(format!("> {method} {}", shortened(path)));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(bytes::Bytes::from(body)))
            .map_err(io::Error::other)?;
        let page = timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(io::Error::from)??;
        self.note(format!("< {}", page.status));
        Ok(page)
    }

    async fn exchange(&self, request: Request<Full<bytes::Bytes>>) -> io::Result<Page> {
        let stream = TcpStream::connect(self.door).await?;
        stream.set_nodelay(true)?;
        match &self.trust {
            Some(trust) => exchange(trust.secure(stream, &self.host).await?, request).await,
            None => exchange(stream, request).await,
        }
    }

    fn note(&self, line: String) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}

async fn exchange<S>(stream: S, request: Request<Full<bytes::Bytes>>) -> io::Result<Page>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST)
        .collect()
        .await
        .map_err(io::Error::other)?;
    driver.abort();
    Ok(Page {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    })
}

impl Page {
    /// The first form that is posted, as it would go if nothing were typed.
    pub fn form(&self) -> Option<Form> {
        let start = self.text.find("<form method=\"post\"")?;
        let text = &self.text[start..];
        let text = &text[..text.find("</form>")?];
        let mut tags = text
            .split('<')
            .filter_map(|piece| piece.split_once('>').map(|(tag, _)| tag));
        let action = attribute(tags.next()?, "action")?;
        let mut fields = Vec::new();
        let mut select = None;
        for tag in tags {
            let hidden = tag.starts_with("input ") && tag.contains("type=\"hidden\"");
            if tag.starts_with("select ") {
                select = attribute(tag, "name");
            }
            if hidden {
                fields.extend(attribute(tag, "name").zip(attribute(tag, "value")));
            }
            if tag.starts_with("option ") && tag.ends_with(" selected") {
                fields.extend(select.clone().zip(attribute(tag, "value")));
            }
        }
        Some(Form { action, fields })
    }

    /// The heading.
    pub fn heading(&self) -> String {
        let inside = self
            .text
            .split_once("<h1")
            .and_then(|(_, rest)| rest.split_once('>'));
        let heading = inside.and_then(|(_, rest)| rest.split_once("</h1>"));
        heading.map_or_else(String::new, |(heading, _)| unescaped(heading))
    }
}

impl Form {
    /// Fills a field in; what stood there goes.
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ticks a box.
    pub fn tick(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| unescaped(value))
}

/// The entities that our pages have.
fn unescaped(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, plain)| {
        text.replace(entity, plain)
    })
}

fn path_of(address: &str) -> &str {
    match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => address,
    }
}

/// A path with its long words cut.
fn shortened(path: &str) -> String {
    let word = |word: &str| match word.char_indices().nth(12) {
        Some((at, _)) if word.len() > 20 => format!("{}…", &word[..at]),
        _ => word.to_owned(),
    };
    path.split('/').map(word).collect::<Vec<_>>().join("/")
}

/// `application/x-www-form-urlencoded`.
fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out += &format!("%{byte:02X}");
            }
            out
        })
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_they_would_be_posted() {
        let page = Page {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            text: "<h1>A &amp; B</h1><form method=\"post\" action=\"&#x2f;c\" novalidate>\
                   <input type=\"hidden\" name=\"stamp\" value=\"s&quot;\"><input type=\"email\" name=\"email\" value=\"\">\
                   <select id=\"x\" name=\"constituency\"><option value=\"\">none</option>\
                   <option value=\"E1\" selected>Leeds</option></select></form>"
                .to_owned(),
        };
        let form = page
            .form()
            .expect("a form")
            .fill("email", "a@b.example")
            .tick("list", "news");
        let fields = [
            ("stamp", "s\""),
            ("constituency", "E1"),
            ("email", "a@b.example"),
            ("list", "news"),
        ];
        let expected = Form {
            action: "/c".to_owned(),
            fields: fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        };
        assert_eq!(form, expected);
        assert_eq!(page.heading(), "A & B");
        assert_eq!(encoded(&[("a b", "c&ä")]), "a%20b=c%26%C3%A4");
    }

    #[test]
    fn addresses_are_cut_to_paths() {
        assert_eq!(path_of("https://mail.party.example/c/abc"), "/c/abc");
        assert_eq!(path_of("https://mail.party.example"), "/");
        assert_eq!(path_of("/x"), "/x");
        assert_eq!(
            shortened("/c/abcdefghijklmnopqrstuvwxyz"),
            "/c/abcdefghijkl…"
        );
    }
}
