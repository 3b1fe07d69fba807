//! The inbox of the outside world as a web page: what came, to whom, and what it says, with links that can be clicked. Plain
//! HTTP on loopback, no script. Links to the party's pages lead to its plain door, since a browser doesn't trust the
//! sandbox's own authority.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::inbox::{Inbox, Mail};
use super::reading::{links, show};

/// How many mails a page lists.
const LISTED: usize = 200;
/// The fields that the head of a mail shows.
const FIELDS: [&str; 9] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
];

/// Where the party's pages say they are, and where a browser finds them here.
#[derive(Debug, Clone)]
pub struct Detour {
    /// `https://mail.party.example`.
    pub from: String,
    /// `http://127.0.0.1:8080`.
    pub to: String,
}

/// The page at work. Dropping it closes its door.
#[derive(Debug)]
pub struct InboxPage {
    address: SocketAddr,
    door: AbortHandle,
}

struct Shelf {
    inbox: Inbox,
    detour: Detour,
}

impl InboxPage {
    /// Shows `inbox` at `listener`.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn start(listener: TcpListener, inbox: Inbox, detour: Detour) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let router = router(inbox, detour);
        let door = tokio::spawn(async move {
            // It ends with the sandbox.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            door: door.abort_handle(),
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for InboxPage {
    fn drop(&mut self) {
        self.door.abort();
    }
}

fn router(inbox: Inbox, detour: Detour) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/mail/{number}", get(one))
        .route("/mail/{number}/raw", get(raw))
        .route("/style.css", get(style))
        .fallback(async || missing())
        .with_state(Arc::new(Shelf { inbox, detour }))
}

#[derive(serde::Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn list(State(shelf): State<Arc<Shelf>>, Query(search): Query<Search>) -> Response {
    let wanted = search.q.trim();
    let mails = if wanted.is_empty() {
        shelf.inbox.all()
    } else {
        shelf.inbox.search(wanted)
    };
    let mut body = String::new();
    let _ = write!(
        body,
        "<h1>The outside world's inbox</h1>\n<p>Every address that isn't the party's gets its mail here.</p>\n\
         <form method=\"get\" action=\"/\" role=\"search\">\n<div class=\"field\"><label for=\"q\">Address or word</label>\n\
         <input type=\"search\" id=\"q\" name=\"q\" value=\"{}\"></div>\n<button type=\"submit\">Search</button>\n</form>\n",
        escaped(wanted)
    );
    if mails.is_empty() {
        let why = if wanted.is_empty() {
            "Nothing came yet. Sign up, then load this page again."
        } else {
            "No mail has this in it."
        };
        let _ = writeln!(body, "<p>{why}</p>");
    } else {
        body += "<table>\n<caption>Newest first</caption>\n<thead><tr><th scope=\"col\">Subject</th>\
                 <th scope=\"col\">To</th><th scope=\"col\">Came</th></tr></thead>\n<tbody>\n";
        for mail in mails.iter().rev().take(LISTED) {
            row(&mut body, mail);
        }
        body += "</tbody>\n</table>\n";
    }
    page(StatusCode::OK, "Inbox", &body)
}

fn row(body: &mut String, mail: &Mail) {
    let subject = mail.header("Subject").unwrap_or_default();
    let subject = if subject.is_empty() {
        "(no subject)".to_owned()
    } else {
        decoded(&subject)
    };
    let _ = writeln!(
        body,
        "<tr><td><a href=\"/mail/{}\">{}</a></td><td>{}</td><td>{}</td></tr>",
        mail.number,
        escaped(&subject),
        escaped(&mail.recipients.join(", ")),
        mail.received.strftime("%H:%M:%S, %-d %B"),
    );
}

async fn one(State(shelf): State<Arc<Shelf>>, Path(number): Path<u64>) -> Response {
    let Some(mail) = shelf.inbox.get(number) else {
        return missing();
    };
    let message = mail.message();
    let shown = show(&message);
    let subject = decoded(&mail.header("Subject").unwrap_or_default());
    let mut body = format!(
        "<p><a href=\"/\">All mail</a></p>\n<h1>{}</h1>\n<dl>\n",
        escaped(&subject)
    );
    let mut field = |name: &str, value: &str| {
        let value = linked(value, &shelf.detour);
        let _ = writeln!(body, "<dt>{}</dt><dd>{value}</dd>", escaped(name));
    };
    field(
        "Envelope",
        &format!(
            "from <{}> to <{}>",
            mail.reverse_path,
            mail.recipients.join(">, <")
        ),
    );
    field("Came over", mail.tls);
    for name in FIELDS {
        if let Some(value) = mail.header(name) {
            field(name, &decoded(&value));
        }
    }
    body += "</dl>\n";
    let _ = writeln!(
        body,
        "<pre class=\"note\">{}</pre>",
        linked(&shown.text, &shelf.detour)
    );
    if let Some(html) = shown.html.filter(|html| *html != shown.text) {
        let _ = writeln!(
            body,
            "<h2>The HTML, as text</h2>\n<pre class=\"note\">{}</pre>",
            linked(&html, &shelf.detour)
        );
    }
    if !shown.attachments.is_empty() {
        body += "<h2>Attachments</h2>\n<ul>\n";
        for (name, size) in &shown.attachments {
            let _ = writeln!(body, "<li>{} ({size} bytes)</li>", escaped(name));
        }
        body += "</ul>\n";
    }
    let _ = writeln!(
        body,
        "<p><a href=\"/mail/{number}/raw\">As it came, every byte</a></p>"
    );
    page(StatusCode::OK, &subject, &body)
}

async fn raw(State(shelf): State<Arc<Shelf>>, Path(number): Path<u64>) -> Response {
    let Some(mail) = shelf.inbox.get(number) else {
        return missing();
    };
    let kind = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (kind, mail.message()).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

fn missing() -> Response {
    let body = "<h1>Not here</h1>\n<p>The oldest mail goes when it gets too much. <a href=\"/\">All mail</a></p>\n";
    page(StatusCode::NOT_FOUND, "Not here", body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{} – outside</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n\
         <header><div class=\"wrap bar\"><a class=\"party\" href=\"/\">Outside</a></div></header>\n\
         <main class=\"wrap\">\n{body}</main>\n</body>\n</html>\n",
        escaped(title)
    );
    let mut answer = (status, Html(html)).into_response();
    // What strangers wrote is shown here: nothing of it may run, load or be kept.
    let policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            one if one.is_control() && one != '\n' && one != '\t' => {}
            one => out.push(one),
        }
    }
    out
}

/// The text as HTML, its web addresses as links.
fn linked(text: &str, detour: &Detour) -> String {
    let mut out = String::new();
    let mut rest = text;
    for link in links(text) {
        let Some(at) = rest.find(link) else { continue };
        let own = link
            .strip_prefix(detour.from.as_str())
            .filter(|path| path.is_empty() || path.starts_with('/'));
        let target = own.map_or_else(|| link.to_owned(), |path| format!("{}{path}", detour.to));
        let _ = write!(
            out,
            "{}<a href=\"{}\" rel=\"noreferrer noopener\">{}</a>",
            escaped(&rest[..at]),
            escaped(&target),
            escaped(link)
        );
        rest = &rest[at + link.len()..];
    }
    out + &escaped(rest)
}

/// A header's value with its encoded words read.
fn decoded(value: &str) -> String {
    let message = format!("Subject: {value}\r\n\r\n");
    let limits = crate::message::mime::Limits::default();
    crate::message::mime::tree::Part::parse(message.as_bytes(), &limits)
        .ok()
        .and_then(|part| part.field("Subject").map(|field| field.text()))
        .unwrap_or_else(|| value.to_owned())
}

/// The look of the party's pages, without the party's colours.
const STYLE: &str = "\
:root { --paper: #fff; --ground: #f4f4f1; --ink: #1b1b1f; --soft: #55565c; --line: #85868c; --link: #134f7a; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #1d1e22; --ground: #131417; --ink: #ececee; --soft: #b5b6bc; --line: #83848b; --link: #8cc4f0; } }
*, *::before, *::after { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); overflow-wrap: anywhere;
  font: 1.0625rem/1.55 system-ui, -apple-system, \"Segoe UI\", Roboto, \"Noto Sans\", \"Liberation Sans\", sans-serif; }
.wrap { width: 100%; max-width: 60rem; margin: 0 auto; padding: 0 1.25rem; }
header { border-top: .4rem solid var(--link); background: var(--paper); border-bottom: 1px solid var(--line); }
.party { display: inline-flex; align-items: center; min-height: 2.75rem; font-weight: 700; color: var(--ink); text-decoration: none; }
main { padding-block: 1.5rem 3rem; }
h1 { font-size: clamp(1.4rem, 1.1rem + 1.5vw, 2rem); line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; border-radius: 4px; }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 0 0 1.5rem; }
.field { flex: 1 1 16rem; } label { display: block; font-weight: 600; }
input { width: 100%; min-height: 3rem; padding: .5rem .75rem; font: inherit; color: var(--ink); background: var(--paper); border: 2px solid var(--line); border-radius: 6px; }
button { min-height: 3rem; padding: .5rem 1.5rem; font: inherit; font-weight: 700; color: var(--paper); background: var(--link); border: 2px solid var(--link); border-radius: 8px; cursor: pointer; }
table { width: 100%; border-collapse: collapse; background: var(--paper); } caption { text-align: start; color: var(--soft); padding: .25rem 0; }
th, td { text-align: start; vertical-align: top; padding: .5rem .75rem; border: 1px solid var(--line); }
td a { display: inline-block; min-height: 1.75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; } dt { font-weight: 600; } dd { margin: 0; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin: 0 0 .5rem; } }
pre.note { white-space: pre-wrap; font: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem; }
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use jiff::Timestamp;
    use tower::ServiceExt as _;

    use super::*;
    use crate::daemon::sandbox::inbox::InboxLimits;

    fn detour() -> Detour {
        Detour {
            from: "https://mail.party.example".to_owned(),
            to: "http://127.0.0.1:8080".to_owned(),
        }
    }

    fn mail(to: &str, message: &str) -> Mail {
        Mail {
            number: 0,
            received: Timestamp::UNIX_EPOCH,
            reverse_path: String::new(),
            recipients: vec![to.to_owned()],
            tls: "TLSv1.3",
            require_tls: false,
            parameters: String::new(),
            connection: 1,
            stuffed: message.as_bytes().into(),
        }
    }

    async fn fetch(inbox: &Inbox, path: &str) -> (StatusCode, String) {
        let request = axum::http::Request::get(path)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = router(inbox.clone(), detour())
            .oneshot(request)
            .await
            .unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn mails_are_listed_searched_and_read() {
        let inbox = Inbox::new(InboxLimits::default());
        let (_, empty) = fetch(&inbox, "/").await;
        assert!(empty.contains("Nothing came yet"));
        inbox.put(mail(
            "ada@a.example",
            "Subject: =?utf-8?q?caf=C3=A9_<b>?=\r\n\r\nGo: https://mail.party.example/c/tok.\r\n",
        ));
        inbox.put(mail(
            "bob@b.example",
            "Subject: second\r\n\r\n<script>alert(1)</script>\r\n",
        ));
        let (status, all) = fetch(&inbox, "/").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            all.find("/mail/2").unwrap() < all.find("/mail/1").unwrap(),
            "newest first"
        );
        assert!(all.contains("café &lt;b&gt;"));
        let (_, found) = fetch(&inbox, "/?q=ADA%40a.example").await;
        assert!(found.contains("/mail/1") && !found.contains("/mail/2"));
        let (_, one) = fetch(&inbox, "/mail/1").await;
        let link = "<a href=\"http://127.0.0.1:8080/c/tok\" rel=\"noreferrer noopener\">https://mail.party.example/c/tok</a>.";
        assert!(one.contains(link), "{one}");
        let (_, two) = fetch(&inbox, "/mail/2").await;
        assert!(!two.contains("<script>"));
        assert!(fetch(&inbox, "/mail/2/raw").await.1.contains("<script>"));
        for path in ["/mail/9", "/mail/9/raw", "/nothing"] {
            assert_eq!(fetch(&inbox, path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn only_the_partys_own_pages_take_the_detour() {
        let text = "https://mail.party.example/x https://mail.party.example.evil.example/y https://mail.party.example";
        let html = linked(text, &detour());
        assert!(html.contains("\"http://127.0.0.1:8080/x\""));
        assert!(html.contains("\"https://mail.party.example.evil.example/y\""));
        assert!(html.contains("\"http://127.0.0.1:8080\""));
    }
}
