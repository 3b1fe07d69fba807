//! The headers of every answer: nothing loads from elsewhere, nothing frames us, nothing is kept, and no link that
//! holds a token is told to anybody.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// How long a browser remembers to come over HTTPS: two years.
const HSTS: &str = "max-age=63072000";
/// For a file whose name changes with its content.
pub(super) const FOR_EVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

const ALWAYS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), \
         gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
    ),
];

/// Puts the headers on an answer. A `Cache-Control` that the answer has already stays: only the stylesheet sets one.
pub(super) fn secure(headers: &mut HeaderMap, https: bool, findable: bool) {
    for (name, value) in ALWAYS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(HSTS),
        );
    }
    if !findable {
        let noindex = HeaderValue::from_static("noindex, nofollow");
        headers.insert(HeaderName::from_static("x-robots-tag"), noindex);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The same headers as they stand on the wire in HTTP/1.1, a line each.
pub(super) fn lines(https: bool) -> Vec<u8> {
    let mut fields = HeaderMap::new();
    secure(&mut fields, https, false);
    let mut lines = Vec::new();
    for (name, value) in &fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    lines
}
