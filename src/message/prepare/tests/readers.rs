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
        testing::dkimpy_verifies(&bytes);
    }
}

#[test]
fn python_reads_the_same_texts() {
    const PROGRAM: &str = "
import email, email.policy, sys
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
defects = [d for part in message.walk() for d in part.defects]
texts = [p.get_content() for p in message.walk() if p.get_content_type() in ('text/plain', 'text/html')]
names = [p.get_filename() or '' for p in message.walk()]
sys.stdout.buffer.write(repr(defects).encode() + b'\\0' + message['From'].encode() + b'\\0' + '\\x01'.join(names).encode() + b'\\0' + '\\0'.join(texts).encode())
";
    for (name, message, _) in shapes() {
        let copy = copy(&prepared(&message), &values());
        let Some(output) = testing::python("email", PROGRAM, &[], &copy) else {
            println!("skipped: needs python3");
            return;
        };
        let mut output = output.split('\0');
        assert_eq!(output.next(), Some("[]"), "{name}: no defects");
        assert_eq!(
            output.next(),
            Some("The Example Party <news@party.example>"),
            "{name}"
        );
        let names = output.next().unwrap();
        if name == "mixed" {
            assert!(names.contains("Caf\u{e9} plan.pdf"), "{names}");
        }
        let mail = parse(&copy);
        let ours: Vec<String> = leaves(&mail.root)
            .iter()
            .filter(|part| part.is("text/plain") || part.is("text/html"))
            .map(|part| text::decode(part).unwrap())
            .collect();
        let theirs: Vec<&str> = output.collect();
        let trim = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
        assert_eq!(
            theirs.iter().map(|t| trim(t)).collect::<Vec<_>>(),
            ours.iter().map(|t| trim(t)).collect::<Vec<_>>(),
            "{name}"
        );
    }
}
