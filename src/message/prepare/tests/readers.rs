//! What independent programs make of the copies: verifiers and a parser.

use super::shapes::shapes;
use super::{leaves, parse};
use crate::message::copy::CopyPlan;
use crate::message::dkim::SigningTime;
use crate::message::mime::text;
use crate::message::testing::{self, Zone, copy, prepared, signer, values};

#[tokio::test]
async fn every_shape_is_signed_so_that_an_independent_verifier_accepts_it() {
    let zone = Zone::new();
    let time = SigningTime {
        at: "2026-11-21T10:00:00Z".parse().unwrap(),
        expires: None,
    };
    let mut copies = Vec::new();
    for (name, message, _) in shapes() {
        let prepared = prepared(&message);
        let plan = CopyPlan::new(prepared.clone());
        let signed = plan.signed_copy(&values(), signer(), time).unwrap();
        let bytes = signed.chunks().concat();
        assert_eq!(bytes.len(), signed.len());
        assert!(
            bytes.ends_with(&copy(&prepared, &values())),
            "{name}: the copy is what was approved"
        );
        assert_eq!(zone.verify(&bytes).await, [true, true], "{name}");
        assert_eq!(
            plan.signed_copy(&values(), signer(), time)
                .unwrap()
                .chunks()
                .concat(),
            bytes,
            "byte-alike"
        );
        copies.push(bytes);
    }
    testing::dkimpy_verifies(&copies);
}

#[test]
fn python_reads_the_same_texts() {
    const PROGRAM: &str = "
import base64, email, email.policy, json, sys
for line in sys.stdin:
    message = email.message_from_bytes(base64.b64decode(line), policy=email.policy.default)
    print(json.dumps({
        'defects': [repr(d) for part in message.walk() for d in part.defects],
        'from': str(message['From']),
        'names': [p.get_filename() for p in message.walk() if p.get_filename()],
        'texts': [p.get_content() for p in message.walk() if p.get_content_type() in ('text/plain', 'text/html')],
    }))
";
    #[derive(serde::Deserialize)]
    struct Read {
        defects: Vec<String>,
        from: String,
        names: Vec<String>,
        texts: Vec<String>,
    }
    let shapes = shapes();
    let copies: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(_, message, _)| copy(&prepared(message), &values()))
        .collect();
    let Some(output) = testing::python(PROGRAM, &[], &copies) else {
        println!("skipped: needs python3");
        return;
    };
    assert_eq!(output.lines().count(), copies.len());
    let trim = |text: &String| text.replace("\r\n", "\n").trim_end().to_owned();
    for ((line, copy), (name, ..)) in output.lines().zip(&copies).zip(&shapes) {
        let read: Read = serde_json::from_str(line).unwrap();
        assert!(read.defects.is_empty(), "{name}: {:?}", read.defects);
        assert_eq!(
            read.from, "The Example Party <news@party.example>",
            "{name}"
        );
        if *name == "mixed" {
            assert_eq!(read.names, ["Caf\u{e9} plan.pdf", "a b.png"]);
        }
        let mail = parse(copy);
        let ours: Vec<String> = leaves(&mail.root)
            .iter()
            .filter(|part| part.is("text/plain") || part.is("text/html"))
            .map(|part| trim(&text::decode(part).unwrap()))
            .collect();
        assert_eq!(
            read.texts.iter().map(trim).collect::<Vec<_>>(),
            ours,
            "{name}"
        );
    }
}
