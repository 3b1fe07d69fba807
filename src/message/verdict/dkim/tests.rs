//! Messages that others signed, and what counts.

use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../../tests/vectors/dkim.json");

fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    message.split_at(end)
}

/// Checks a message whose body comes in pieces of this size.
fn checked(message: &[u8], keys: &Keys, piece: usize, now: Timestamp) -> Vec<DkimCheck> {
    let (header, body) = split(message);
    let mut hashes = BodyHashes::of(header);
    body.chunks(piece).for_each(|piece| hashes.update(piece));
    verify(header, &hashes.finish(), keys, now)
}

fn results(checks: &[DkimCheck]) -> Vec<&'static str> {
    checks.iter().map(|one| one.result.as_str()).collect()
}

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

#[test]
fn what_others_signed() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 70);
    let mut wrong = Vec::new();
    for case in cases {
        let text = case["message"].as_str().unwrap();
        let message: Vec<u8> = text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        let keys = case["keys"].as_object().unwrap().iter();
        let keys: Keys = keys
            .map(|(name, key)| (name.clone(), Ok(vec![key.as_str().unwrap().into()])))
            .collect();
        for piece in [1, 2, 7, 4096] {
            let checks = checked(&message, &keys, piece, noon());
            let found = results(&checks);
            let right = match case["results"].as_array() {
                Some(expected) => expected.iter().eq(found.iter()),
                // Not right, one way or another.
                None => !found.contains(&"pass"),
            };
            if !right {
                wrong.push(format!(
                    "{}: {checks:?} for {}",
                    case["name"], case["results"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn example() -> (String, Keys) {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let case = cases
        .iter()
        .find(|case| case["name"] == "RFC 8463, appendix A")
        .unwrap();
    let keys = case["keys"].as_object().unwrap().iter();
    let keys = keys.map(|(name, key)| (name.clone(), Ok(vec![key.as_str().unwrap().into()])));
    (case["message"].as_str().unwrap().to_owned(), keys.collect())
}

#[test]
fn what_does_not_count() {
    let (message, keys) = example();
    let result = |message: &str, keys: &Keys| {
        let checks = checked(message.as_bytes(), keys, 99, noon());
        let all: Vec<_> = checks
            .iter()
            .map(|one| (one.result, one.note.clone()))
            .collect();
        all
    };
    let good = result(&message, &keys);
    assert_eq!(good[1], (DkimResult::Pass, "1024-bit key".to_owned()));
    let old = message.replace("a=rsa-sha256", "a=rsa-sha1");
    assert_eq!(result(&old, &keys)[1].0, DkimResult::Policy);
    let expired = message.replacen("t=1528637909;", "t=1528637909; x=1528637910;", 1);
    assert_eq!(result(&expired, &keys)[0].0, DkimResult::Neutral);
    let without_author = message.replacen("h=from : to :", "h=to :", 1).replacen(
        "message-id : from :",
        "message-id :",
        1,
    );
    assert_eq!(result(&without_author, &keys)[0].0, DkimResult::PermError);
    let many = message.replacen("h=from", &format!("h=from{}", " : x".repeat(300)), 1);
    assert_eq!(result(&many, &keys)[0].0, DkimResult::Policy);
    let foreign = message.replacen("i=@football", "i=@evil-football", 1);
    assert_eq!(result(&foreign, &keys)[0].0, DkimResult::PermError);
    let short = "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52Tb/\
                 mPfjC0QJTocVBq6Za/PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ==";
    let with = |answer: Answer<Vec<u8>>| {
        let mut keys = keys.clone();
        keys.insert("test._domainkey.football.example.com".to_owned(), answer);
        result(&message, &keys)[1].clone()
    };
    assert_eq!(
        with(Ok(vec![short.into()])),
        (DkimResult::Policy, "512-bit key does not count".to_owned())
    );
    assert_eq!(with(Err(NoAnswer::Later)).0, DkimResult::TempError);
    assert_eq!(with(Err(NoAnswer::NoSuchName)).0, DkimResult::PermError);
    assert_eq!(
        with(Ok(vec![b"v=DKIM1; p=".to_vec()])).0,
        DkimResult::PermError
    );
}

#[test]
fn keys_are_asked_for_once_and_not_for_what_cannot_count() {
    let (message, _) = example();
    let names = key_names(split(message.as_bytes()).0);
    assert_eq!(
        names,
        [
            "brisbane._domainkey.football.example.com",
            "test._domainkey.football.example.com"
        ]
    );
    let unicode = message
        .replace("d=football.", "d=B\u{fc}cher.")
        .replace("i=@football.", "i=@B\u{fc}cher.");
    let names = key_names(split(unicode.as_bytes()).0);
    assert_eq!(names[0], "brisbane._domainkey.xn--bcher-kva.example.com");
    let old = message.replace("a=rsa-sha256", "a=rsa-sha1");
    assert_eq!(key_names(split(old.as_bytes()).0).len(), 1);
    let signature = &message[..message.find("From:").unwrap()];
    let many = signature.repeat(20) + "From: a@b.example\r\n\r\n";
    assert_eq!(
        checked(many.as_bytes(), &Keys::new(), 9, noon()).len(),
        MOST_SIGNATURES
    );
}

proptest::proptest! {
    #[test]
    fn any_message_can_be_checked(bytes: Vec<u8>, tags in "[ -~]{0,120}") {
        let _ = checked(&bytes, &Keys::new(), 5, noon());
        let message = format!("DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; b=YQ==; bh=YQ==; h=from; {tags}\r\n\r\n");
        let _ = checked(message.as_bytes(), &Keys::new(), 5, noon());
    }
}

#[test]
fn a_broken_field_of_another_kind_is_no_broken_signature() {
    let broken = "DKIM-Signature: v=1; nonsense\r\n";
    let other = "DKIM2-Signature: nonsense\r\nMessage-Instance: nonsense\r\n";
    for (header, expected) in [(broken, 1), (other, 0)] {
        let message = format!("{header}From: a@b.example\r\n\r\nx\r\n");
        let checks = checked(message.as_bytes(), &Keys::new(), 9, noon());
        assert_eq!(results(&checks), vec!["permerror"; expected], "{header}");
    }
}
