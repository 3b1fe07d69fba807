//! Our signatures against an independent verifier (mail-auth), the body hashes of the RFCs, and odd bodies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proptest::prelude::*;

use super::canon::{is_relaxed, relaxed_field};
use super::*;
use crate::message::testing::{Zone, signer};

/// An RSA key of 1024 bits, made for this test.
const SHORT_KEY: &str = "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAMG+yyeuMMmIL2nJz9cLWWc5Duc19pQP/xGBEklokQrkTIjTw7rSTSVK/2hv9CUnqoA6/68+/XA1FEnZGQYh9nkrRc+K7W72xXZ1rjJrnx1QGa+XYyU0a6TZn8Ov5L0qZKjg/o6pDrc5+R95Jzug4yclnjibdrDZTB2fjxfALl9nAgMBAAECgYBMkISiQsE+81WhXcKH/hEvrKnKD1ZJfuTS2woJ/ovLHRttuxoPe0pHYZL7h7qY8Er979LZQ3BOZnuFD4lHFibbXRO1MoiDrjO55JBswYgNzAAxk6CUj16xB8pQSZkeKUfWmRwmjLsRUVnlIntAcoaY0l/3/Fpe9XYLKr0GD85nuQJBAO+PZKKxHBOBQYuWJP0a19nQLzqqsW/opCtnMzQsBLP0vV3QUdYgPnr4s+yOOfj2GvysoJkcKtqCRW/fMfE5f2UCQQDPCoXFYCxFiN0liViVmiH52cA32X6SahHigb+z4a88hgr0qGJldDqbkDxMHe9DVJg5bGBJa4WSZ4G6b0ZDeJTbAkB1Hf1tLHk1b/PDclwTAZSVgBoW7Gxi8bGRJpr53qtN71DFFJttu8XQCNatx7q/5FG9Rggd0o+A1D9uOggIjruhAkBGvIqdt9EIZM1hwL4yRrnq+jmRG08CSRkZMUlE9QuA+y8NDeaoUQChG7NuMiAH+gQUQnHXQ9QcBB8viksQTEdXAkEApPDYoZ6hJFxg5EGj0YPPsVoWgIa1a0EVsCCpxu2APKZTByZqJM+RlrHuwNY5T+NyGHAsty3thvHTOxdQDlllpw==";

fn hash(body: &[u8]) -> String {
    let mut hasher = BodyHasher::new();
    hasher.update(body);
    STANDARD.encode(hasher.finish())
}

/// The relaxed body, written the slow and obvious way, to hash in one piece.
fn relaxed_body(body: &str) -> String {
    let mut lines: Vec<String> = body
        .split("\r\n")
        .map(|line| {
            let mut out = String::new();
            for c in line.chars() {
                match c {
                    ' ' | '\t' if out.ends_with(' ') => {}
                    ' ' | '\t' => out.push(' '),
                    _ => out.push(c),
                }
            }
            out.trim_end_matches(' ').to_owned()
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

#[test]
fn body_hashes_of_the_rfcs_and_of_odd_bodies() {
    // RFC 6376 §3.4.4: the hash of an empty body.
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for body in [
        "",
        "\r\n",
        "\r\n\r\n\r\n",
        "   \r\n",
        " \t\r\n \r\n",
        "  ",
        "\t",
    ] {
        assert_eq!(hash(body.as_bytes()), empty, "{body:?}");
    }
    // RFC 6376 §3.4.5: the example body, and its relaxed form.
    assert_eq!(hash(b" C \r\nD \t E\r\n\r\n\r\n"), sha256(b" C\r\nD E\r\n"));
    // RFC 8463 appendix A: bh of the example message.
    let body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    assert_eq!(
        hash(body.as_bytes()),
        "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    );
    // No final CRLF: one is added.
    assert_eq!(hash(b"a"), sha256(b"a\r\n"));
    assert_eq!(hash(b"a \t"), sha256(b"a\r\n"));
    assert_eq!(hash(b"\r\n\r\na\r\n \r\n\t\r\n"), sha256(b"\r\n\r\na\r\n"));
    // A bare CR or LF is no line end, and isn't lost.
    assert_eq!(hash(b"a\rb\nc"), sha256(b"a\rb\nc\r\n"));
    assert_eq!(hash(b"a\r"), sha256(b"a\r\r\n"));
}

#[test]
fn header_fields_are_relaxed_as_in_the_rfc() {
    for (field, relaxed) in [
        (&b"A: X\r\n"[..], "a:X"),
        (b"B : Y\t\r\n\tZ  \r\n", "b:Y Z"),
        (b"Subject:\r\n  folded \t text\r\n", "subject:folded text"),
        (b"Empty:\r\n", "empty:"),
        (b"To:a@example.org", "to:a@example.org"),
    ] {
        let mut out = Vec::new();
        relaxed_field(&mut out, field);
        assert_eq!(String::from_utf8(out).unwrap(), relaxed);
    }
}

proptest! {
    #[test]
    fn chunks_may_be_cut_anywhere(body in "([ab.] ?|\t|  |\r\n|\r\n\r\n){0,40}", cut in 0usize..80) {
        let bytes = body.as_bytes();
        let cut = cut.min(bytes.len());
        let mut hasher = BodyHasher::new();
        hasher.update(&bytes[..cut]);
        let mut copy = hasher.clone();
        copy.update(&bytes[cut..]);
        let expected = sha256(relaxed_body(&body).as_bytes());
        prop_assert_eq!(STANDARD.encode(copy.finish()), expected.clone());
        for &byte in &bytes[cut..] {
            hasher.update(&[byte]);
        }
        prop_assert_eq!(STANDARD.encode(hasher.finish()), expected);
    }

    #[test]
    fn relaxed_chunks_are_hashed_as_they_are(parts in prop::collection::vec("([ab]|[ab] [ab]|\r\n| |\t){0,8}", 0..8)) {
        let (mut plain, mut quick) = (BodyHasher::new(), BodyHasher::new());
        for part in &parts {
            plain.update(part.as_bytes());
            if is_relaxed(part.as_bytes()) {
                quick.update_relaxed(part.as_bytes());
            } else {
                quick.update(part.as_bytes());
            }
        }
        prop_assert_eq!(quick.finish(), plain.finish());
    }
}

#[test]
fn keys_survive_their_own_bytes_and_short_ones_are_refused() {
    for key in [
        SigningKey::generate_rsa().unwrap(),
        SigningKey::generate_ed25519().unwrap(),
    ] {
        let again = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.record().unwrap(), key.record().unwrap());
        assert_eq!(again.algorithm(), key.algorithm());
        assert!(!format!("{key:?}").contains("p="));
    }
    let short = STANDARD.decode(SHORT_KEY).unwrap();
    assert_eq!(
        SigningKey::from_pkcs8(&short).unwrap_err(),
        KeyError::TooShort
    );
    assert_eq!(
        SigningKey::from_pkcs8(b"no key").unwrap_err(),
        KeyError::NotAKey
    );
}

#[test]
fn names_that_would_break_the_field_are_refused() {
    for bad in ["", "a;b", "a b", "a\r\nX: y", "ä.example", "a..b"] {
        let key = || SelectedKey {
            selector: "s1".into(),
            key: SigningKey::generate_ed25519().unwrap(),
        };
        assert_eq!(
            Signer::new(bad, vec![key()]).unwrap_err(),
            SignError::Name,
            "{bad:?}"
        );
        let selected = SelectedKey {
            selector: bad.into(),
            ..key()
        };
        assert_eq!(
            Signer::new("a.example", vec![selected]).unwrap_err(),
            SignError::Name
        );
    }
    assert_eq!(
        Signer::new("a.example", vec![]).unwrap_err(),
        SignError::NoKey
    );
}

const HEADER: &str = "From: Party <news@party.example>\r\nTo: <a@b.example>\r\nSubject: A \t long\r\n subject\r\n\
    Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@party.example>\r\nReceived: one\r\nReceived: two\r\n\
    List-Unsubscribe: <https://party.example/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";

fn time() -> SigningTime {
    SigningTime {
        at: "2026-11-21T10:00:00Z".parse().unwrap(),
        expires: None,
    }
}

fn sign(header: &str, body: &str, set: HeaderSet, time: SigningTime) -> String {
    let mut hasher = BodyHasher::new();
    hasher.update(body.as_bytes());
    let fields = signer()
        .sign(header.as_bytes(), &hasher.finish(), set, time)
        .unwrap();
    format!("{}{header}\r\n{body}", String::from_utf8(fields).unwrap())
}

#[tokio::test]
async fn an_independent_verifier_accepts_both_signatures() {
    let zone = Zone::new();
    for body in [
        "Hello\r\n",
        "",
        "a  b\t\r\n\r\n\r\n",
        "no end",
        " x\r\n\r\ny  \r\n",
        "é ä\r\n.\r\n",
    ] {
        for set in [HeaderSet::ListCopy, HeaderSet::Message] {
            let message = sign(HEADER, body, set, time());
            assert_eq!(
                zone.verify(message.as_bytes()).await,
                [true, true],
                "{body:?} {set:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_signatures_break_when_anything_signed_is_touched() {
    let zone = Zone::new();
    let good = sign(HEADER, "Hello\r\nBye\r\n", HeaderSet::ListCopy, time());
    assert_eq!(zone.verify(good.as_bytes()).await, [true, true]);
    for (from, to) in [
        ("Hello", "Hallo"),
        ("a@b.example", "c@b.example"),
        ("/u/x", "/u/y"),
        ("From: Party", "From: <evil@party.example>\r\nFrom: Party"),
        ("To: <a", "Reply-To: <evil@b.example>\r\nTo: <a"),
        ("To: <a", "Content-Type: text/html\r\nTo: <a"),
        ("To: <a", "List-Id: <evil.example>\r\nTo: <a"),
        ("Bye\r\n", "Bye\r\nBuy\r\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert_eq!(
            zone.verify(bad.as_bytes()).await,
            [false, false],
            "{from} → {to}"
        );
    }
    // Fields that aren't signed may come and go.
    let relayed = format!("Received: by relay\r\n{good}");
    assert_eq!(zone.verify(relayed.as_bytes()).await, [true, true]);
}

#[tokio::test]
async fn an_expired_signature_fails_and_a_live_one_passes() {
    let zone = Zone::new();
    let expires = |text: &str| {
        let expires: Timestamp = text.parse().unwrap();
        SigningTime {
            expires: Some(expires),
            ..time()
        }
    };
    // The verifier takes the system's time, which no test may depend on: far past and far future only.
    let past = SigningTime {
        at: "2001-01-01T00:00:00Z".parse().unwrap(),
        ..expires("2001-01-02T00:00:00Z")
    };
    let dead = sign(HEADER, "x\r\n", HeaderSet::Message, past);
    assert_eq!(zone.verify(dead.as_bytes()).await, [false, false]);
    let live = sign(
        HEADER,
        "x\r\n",
        HeaderSet::Message,
        expires("2200-01-01T00:00:00Z"),
    );
    assert_eq!(zone.verify(live.as_bytes()).await, [true, true]);
}

#[test]
fn the_field_is_folded_covers_what_must_hold_and_never_uses_a_length() {
    let message = sign(HEADER, "x\r\n", HeaderSet::ListCopy, time());
    let fields = message.split("From: Party").next().unwrap();
    assert!(fields.lines().all(|line| line.len() <= 78), "{fields}");
    let flat = fields.replace("\r\n ", "");
    assert!(!flat.contains("l=") || !flat.contains("; l="), "{flat}");
    for name in [
        "From:From",
        "List-Unsubscribe:List-Unsubscribe:",
        "List-Unsubscribe-Post:List-Unsubscribe-Post",
    ] {
        assert!(flat.contains(name), "{name} in {flat}");
    }
    assert!(flat.contains("a=rsa-sha256") && flat.contains("a=ed25519-sha256"));
    assert_eq!(fields.matches("DKIM-Signature:").count(), 2);
    assert_eq!(
        message,
        sign(HEADER, "x\r\n", HeaderSet::ListCopy, time()),
        "byte-alike"
    );
    assert_eq!(
        signer().sign(
            b"To: <a@b.example>\r\n",
            &[0; 32],
            HeaderSet::Message,
            time()
        ),
        Err(SignError::NoFrom)
    );
}

#[test]
fn dkimpy_accepts_both_signatures() {
    let message = sign(HEADER, "Hello  world\r\n\r\n", HeaderSet::ListCopy, time());
    crate::message::testing::dkimpy_verifies(&[message.into_bytes()]);
}

/// RFC 8463 appendix A: the example's key, header fields and signature.
#[test]
fn the_ed25519_example_of_rfc_8463_comes_out_alike() {
    let seed = STANDARD
        .decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
        .unwrap();
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend_from_slice(&seed);
    let key = SigningKey::from_pkcs8(&der).unwrap();
    let record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert_eq!(key.record().unwrap(), record);
    let (from, to, subject, date, id) = (
        "From: Joe SixPack <joe@football.example.com>\r\n",
        "To: Suzie Q <suzie@shopping.example.net>\r\n",
        "Subject: Is dinner ready?\r\n",
        "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
    );
    let mut data = Vec::new();
    for field in [from, to, subject, date, id] {
        relaxed_field(&mut data, field.as_bytes());
        data.extend_from_slice(b"\r\n");
    }
    let unsigned = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
        d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
        subject : date : message-id : from : subject : date;\r\n \
        bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
    relaxed_field(&mut data, unsigned.as_bytes());
    let signature = STANDARD.encode(key.sign(&data).unwrap());
    assert_eq!(
        signature,
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
    );
}
