//! What must hold for any text and any values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::{texts, well_formed};
use crate::message::segment::{Prepared, SlotValues};
use crate::message::testing::{copy, mail, prepared, values};

fn arb_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z .=\n]{0,300}",
        "(From |>| |\t|\\.|é|🌹|=|--|\n|[a-z]{1,90}){0,40}",
        "\\PC{0,80}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_reader_finds_the_text_and_the_values_whatever_their_length(
        body in arb_text(),
        token in "[a-z2-7]{1,700}",
        query in "(\\?a=b&c=d|%20|\\.|=|#x){0,3}",
    ) {
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        let message = mail(fields, &STANDARD.encode(body.replace('\n', "\r\n")));
        let prepared = prepared(&message);
        let url = format!("https://party.example/u/{token}{query}");
        let mailto = format!("mailto:u+{token}@party.example");
        let values = SlotValues { unsubscribe_url: &url, unsubscribe_mailto: &mailto, ..values() };
        let copy = copy(&prepared, &values);
        well_formed(&copy);
        let header_end = copy.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        prop_assert!(copy[header_end..].split(|&b| b == b'\n').all(|line| line.len() <= 77));
        let text = texts(&copy, "text/plain").remove(0);
        let way_out = format!("Stop these e-mails\n{url}\n\nThe Example Party, 1 High");
        prop_assert!(text.contains(&way_out), "{}", text);
        let (before, signature) = match body.rfind("\n-- \n") {
            Some(at) if body[at + 1..].lines().count() <= 12 => body.split_at(at + 1),
            _ => (body.as_str(), ""),
        };
        let expected = format!("{}\n\n----------\n", before.trim_end_matches('\n'));
        prop_assert!(text.starts_with(&expected), "{:?} {:?}", text, expected);
        prop_assert!(text.trim_end().ends_with(signature.trim_end()));
        // The body is its own relaxed form, so that copies are hashed as they are.
        let body_octets = &copy[header_end + 4..];
        prop_assert!(crate::message::dkim::is_relaxed(body_octets));
    }

    #[test]
    fn html_keeps_its_text_and_the_values_are_escaped(body in "(<p>|</p>|<b>|é|&amp;|[a-z ]{1,90}|\n){0,30}", token in "[a-z2-7]{1,700}") {
        let fields = "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        let message = mail(fields, &STANDARD.encode(&body));
        let url = format!("https://party.example/u/{token}?a=1&b=2");
        let values = SlotValues { unsubscribe_url: &url, ..values() };
        let copy = copy(&prepared(&message), &values);
        well_formed(&copy);
        let html = texts(&copy, "text/html").remove(0);
        prop_assert!(html.starts_with(body.as_str()), "{}", html);
        let link = format!("<a href=\"{}\" style", url.replace('&', "&amp;"));
        prop_assert!(html.contains(&link), "{}", html);
        prop_assert!(texts(&copy, "text/plain").remove(0).contains(&url));
    }

    #[test]
    fn a_prepared_mailing_survives_its_bytes_and_binds_all_of_them(body in arb_text(), flip in any::<prop::sample::Index>()) {
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        let message = mail(fields, &STANDARD.encode(&body));
        let mailing = prepared(&message);
        prop_assert_eq!(prepared(&message).digest(), mailing.digest(), "the same mail is prepared alike");
        let bytes = mailing.to_bytes();
        let again = Prepared::from_bytes(bytes.clone().into()).unwrap();
        prop_assert_eq!(&again, &mailing);
        prop_assert_eq!(again.digest(), mailing.digest());
        let mut bad = bytes.clone();
        let at = flip.index(bad.len());
        bad[at] ^= 1;
        if let Ok(other) = Prepared::from_bytes(bad.into()) {
            prop_assert_ne!(other.digest(), mailing.digest());
        }
        prop_assert!(Prepared::from_bytes(bytes[..at].to_vec().into()).is_err());
    }

    #[test]
    fn garbage_is_no_prepared_mailing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Prepared::from_bytes(bytes.into());
    }
}
