//! Tests of the verifiers, by the example of RFC 7677.

use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "pencil";

fn verifier() -> Verifier {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
    let salt = salt.try_into().expect("16 bytes");
    Verifier::salted(salt, ITERATIONS.get())
        .with(PasswordId::from_bytes([1; 16]), PASSWORD)
        .expect("a printable password")
}

fn first(message: &str, binding: Binding<'_>) -> Result<ClientFirst, ScramError> {
    ClientFirst::parse(message.as_bytes(), binding)
}

/// What a client that knows the password answers to a challenge.
fn client_final(bare: &str, challenge: &Challenge, channel: &[u8], password: &str) -> String {
    client::answer(bare, challenge.message(), channel, password)
}

/// The example of RFC 7677 §3.
#[test]
fn the_exchange_of_rfc_7677() {
    let first =
        first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", Binding::NotOffered).expect("well formed");
    assert_eq!(first.user(), "user");
    let challenge = first.challenge_with(verifier(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    assert_eq!(
        challenge.message(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(
        challenge.verify(last).map(|(said, _)| said).as_deref(),
        Ok("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    );
}

#[test]
fn a_password_is_checked_against_the_same_verifier() {
    let verifier = Verifier::new("correct horse").expect("printable");
    assert!(verifier.check_password("correct horse"));
    for wrong in [
        "",
        "correct horsE",
        "correct horse ",
        "correct horse\0",
        "é",
    ] {
        assert!(!verifier.check_password(wrong), "{wrong:?}");
    }
}

#[test]
fn a_password_outside_printable_ascii_is_not_taken() {
    for bad in ["", "a\tb", "a\0", "a\n", "pässword", "\u{7f}"] {
        assert_eq!(Verifier::new(bad).map(|_| ()), Err(BadPassword), "{bad:?}");
    }
}

#[test]
fn a_verifier_survives_its_bytes_and_nothing_else_is_one() {
    let bytes = verifier().to_bytes();
    let again = Verifier::from_bytes(&bytes).expect("our own bytes");
    assert!(again.check_password(PASSWORD));
    assert_eq!(again.to_bytes(), bytes);
    assert!(Verifier::from_bytes(&[]).is_err());
    assert!(Verifier::from_bytes(&bytes[1..]).is_err());
    assert!(Verifier::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Verifier::from_bytes(&longer).is_err());
    for (index, value) in [(0, 3), (1, 0xff)] {
        let mut damaged = bytes.to_vec();
        damaged[index] = value;
        assert!(Verifier::from_bytes(&damaged).is_err());
    }
    let mut never = bytes.to_vec();
    never[1..5].fill(0);
    assert!(Verifier::from_bytes(&never).is_err());
}

/// Each of them opens, by its own name, with its own server's signature; what is taken away doesn't.
#[test]
fn several_passwords_share_a_salt_and_each_is_known() {
    let ids: Vec<PasswordId> = (0..MOST_PASSWORDS).map(|_| PasswordId::random()).collect();
    let word = |n: usize| format!("word-{n}");
    let full = ids
        .iter()
        .enumerate()
        .fold(Verifier::empty(), |all, (n, id)| {
            all.with(*id, &word(n)).expect("there is room")
        });
    assert!(full.clone().with(PasswordId::random(), "one more").is_err());
    let by_scram = |verifier: &Verifier, password: &str| {
        let parsed = first("n,,n=user,r=abc", Binding::NotOffered).expect("well formed");
        let challenge = parsed.challenge(verifier.clone());
        let answer = client_final("n=user,r=abc", &challenge, b"n,,", password);
        challenge.verify(answer.as_bytes())
    };
    let again = Verifier::from_bytes(&full.to_bytes()).expect("our own bytes");
    let mut signatures = std::collections::HashSet::new();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(again.which_password(&word(n)), Some(*id));
        let (signature, by) = by_scram(&again, &word(n)).expect("it is one of them");
        assert_eq!(by, *id);
        assert!(signatures.insert(signature));
    }
    assert_eq!(by_scram(&again, "word").map(|_| ()), Err(ScramError::Proof));
    let fewer = again.without(ids[3]);
    assert_eq!(fewer.which_password(&word(3)), None);
    assert_eq!(fewer.which_password(&word(4)), Some(ids[4]));
    assert!(by_scram(&fewer, &word(3)).is_err() && by_scram(&fewer, &word(9)).is_ok());
    assert_eq!(fewer.salt_bytes(), full.salt_bytes());
    let none = ids.iter().fold(fewer, |all, id| all.without(*id));
    assert!(none.is_empty() && !none.check_password(&word(0)));
}

/// What was written before there could be several.
#[test]
fn the_one_password_of_old_still_opens() {
    let new = verifier().to_bytes();
    let (head, keys) = new.split_at(1 + 4 + SALT_LEN);
    let old = [&[1], &head[1..], &keys[16..]].concat();
    let read = Verifier::from_bytes(&old).expect("our own bytes of old");
    assert_eq!(read.which_password(PASSWORD), Some(verifier::FIRST));
    assert!(Verifier::from_bytes(&old[..old.len() - 1]).is_err());
    assert!(Verifier::from_bytes(&[&old[..], &[0]].concat()).is_err());
}

#[test]
fn a_dummy_is_stable_per_name_and_secret_and_fits_nothing() {
    let dummy = Verifier::dummy(&[1; 32], "nobody");
    assert_eq!(
        dummy.to_bytes(),
        Verifier::dummy(&[1; 32], "nobody").to_bytes()
    );
    let salt = |secret, name| *Verifier::dummy(&[secret; 32], name).salt_bytes();
    assert_ne!(salt(1, "nobody"), salt(1, "nobodies"));
    assert_ne!(salt(1, "nobody"), salt(2, "nobody"));
    assert_eq!(dummy.iterations(), verifier().iterations());
    assert!(!dummy.check_password(PASSWORD));
    let parsed = first("n,,n=nobody,r=abc", Binding::NotOffered).expect("well formed");
    let challenge = parsed.challenge(dummy);
    let answer = client_final("n=nobody,r=abc", &challenge, b"n,,", PASSWORD);
    assert_eq!(challenge.verify(answer.as_bytes()), Err(ScramError::Proof));
}

#[test]
fn a_log_in_bound_to_its_channel_holds_on_that_channel_alone() {
    let ours = [7; 32];
    for (theirs, outcome) in [([7; 32], true), ([8; 32], false)] {
        let header = "p=tls-exporter,,";
        let bare = "n=user,r=abc";
        let parsed =
            first(&format!("{header}{bare}"), Binding::Required(&ours)).expect("well formed");
        let challenge = parsed.challenge(verifier());
        let channel = [header.as_bytes(), &theirs].concat();
        let answer = client_final(bare, &challenge, &channel, PASSWORD);
        assert_eq!(challenge.verify(answer.as_bytes()).is_ok(), outcome);
    }
}

#[test]
fn a_cut_out_offer_is_noticed() {
    let message = "y,,n=user,r=abc";
    assert!(first(message, Binding::NotOffered).is_ok());
    assert_eq!(
        first(message, Binding::Declined).map(|_| ()),
        Err(ScramError::ChannelBinding)
    );
    assert!(first("n,,n=user,r=abc", Binding::Declined).is_ok());
    assert!(first("n,,n=user,r=abc", Binding::Required(&[0; 32])).is_err());
    assert!(first("y,,n=user,r=abc", Binding::Required(&[0; 32])).is_err());
    assert!(first("p=tls-exporter,,n=user,r=abc", Binding::Declined).is_err());
    assert!(first("p=tls-unique,,n=user,r=abc", Binding::Required(&[0; 32])).is_err());
}

#[test]
fn malformed_first_messages_are_refused() {
    for bad in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=,r=abc",
        "n,,r=abc,n=user",
        "n,,n=user,r=",
        "n,,n=user,r=a b",
        "n,,n=us=er,r=abc",
        "n,,n=user=2c,r=abc",
        "n,,m=x,n=user,r=abc",
        "x,,n=user,r=abc",
        "n,a=other,n=user,r=abc",
        "n,user,n=user,r=abc",
        "n,,n=user\0,r=abc",
    ] {
        assert!(first(bad, Binding::NotOffered).is_err(), "{bad:?}");
    }
    assert!(
        first(
            &format!("n,,n={},r=a", "u".repeat(3000)),
            Binding::NotOffered
        )
        .is_err()
    );
    assert!(ClientFirst::parse(b"n,,n=\xff,r=abc", Binding::NotOffered).is_err());
}

#[test]
fn names_are_unescaped_and_an_own_identity_is_taken() {
    let parsed = first("n,a=a=2Cb=3D,n=a=2Cb=3D,r=abc", Binding::NotOffered).expect("well formed");
    assert_eq!(parsed.user(), "a,b=");
    let challenge = parsed.challenge(verifier());
    let answer = client_final("n=a=2Cb=3D,r=abc", &challenge, b"n,a=a=2Cb=3D,", PASSWORD);
    assert!(challenge.verify(answer.as_bytes()).is_ok());
}

#[test]
fn another_nonce_header_or_proof_is_refused() {
    let challenge = || {
        first("n,,n=user,r=abc", Binding::NotOffered)
            .expect("well formed")
            .challenge_with(verifier(), "def")
    };
    let right = client_final("n=user,r=abc", &challenge(), b"n,,", PASSWORD);
    assert!(challenge().verify(right.as_bytes()).is_ok());
    let wrong = client_final("n=user,r=abc", &challenge(), b"n,,", "Pencil");
    for bad in [
        wrong,
        right.replace("abcdef", "abcdeg"),
        right.replace("abcdef", "abc"),
        right.replace("c=biws", "c=eSws"),
        right.replace(",p=", ",x=y,p="),
        right.replace(",p=", ",p=AAAA"),
        String::new(),
        ",p=".to_owned(),
    ] {
        assert!(challenge().verify(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Not even by who knows the password: an answer is to one challenge.
#[test]
fn an_answer_signed_with_another_nonce_is_refused() {
    let challenge = first("n,,n=user,r=abc", Binding::NotOffered);
    let challenge = challenge.expect("well formed");
    let mut challenge = challenge.challenge_with(verifier(), "def");
    let answer = client_final("n=user,r=abc", &challenge, b"n,,", PASSWORD);
    challenge.nonce = "abcdeg".into();
    assert!(challenge.verify(answer.as_bytes()).is_err());
}

#[test]
fn two_challenges_have_two_nonces() {
    let one = first("n,,n=user,r=abc", Binding::NotOffered).expect("well formed");
    let two = first("n,,n=user,r=abc", Binding::NotOffered).expect("well formed");
    assert_ne!(
        one.challenge(verifier()).message(),
        two.challenge(verifier()).message()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ClientFirst::parse(&bytes, Binding::NotOffered);
        let _ = Verifier::from_bytes(&bytes);
        let challenge = first("n,,n=user,r=abc", Binding::NotOffered)
            .expect("well formed")
            .challenge(Verifier::dummy(&[0; 32], "user"));
        prop_assert!(challenge.verify(&bytes).is_err());
    }
}

/// However many passwords somebody has, and if there is nobody: the same work.
#[test]
fn as_many_keys_are_tried_for_everybody() {
    let tries = |verifier: &Verifier| {
        let mut tried = 0;
        let found = verifier.find(|_| {
            tried += 1;
            [1; HASH_LEN]
        });
        assert!(found.is_none());
        tried
    };
    let one = verifier();
    let two = one.clone().with(PasswordId::from_bytes([2; 16]), "other");
    assert_eq!(tries(&Verifier::dummy(&[0; 32], "nobody")), MOST_PASSWORDS);
    assert_eq!(tries(&one), MOST_PASSWORDS);
    assert_eq!(tries(&two.expect("printable")), MOST_PASSWORDS);
}
