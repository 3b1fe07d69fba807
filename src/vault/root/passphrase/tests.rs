//! Passphrases, good and bad, and settings out of reason.

use super::*;
use proptest::prelude::*;

/// Settings that a test can afford.
fn cheap() -> PassphraseParams {
    PassphraseParams {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
        salt: [1; 16],
    }
}

fn derive_bytes(passphrase: &str, params: &PassphraseParams) -> [u8; 32] {
    *RootKey::from_passphrase(passphrase, params)
        .expect("derived")
        .bytes()
}

#[test]
fn a_passphrase_gives_one_key_per_salt_and_settings() {
    let key = derive_bytes("five random words", &cheap());
    assert_eq!(key, derive_bytes("five random words", &cheap()));
    assert_ne!(key, derive_bytes("five random word", &cheap()));
    let salted = PassphraseParams {
        salt: [2; 16],
        ..cheap()
    };
    assert_ne!(key, derive_bytes("five random words", &salted));
    let dearer = PassphraseParams {
        passes: 2,
        ..cheap()
    };
    assert_ne!(key, derive_bytes("five random words", &dearer));
}

#[test]
fn the_usual_settings_are_those_of_the_design() {
    let params = PassphraseParams::generate();
    assert_eq!(
        (params.memory_kib, params.passes, params.lanes),
        (65_536, 3, 1)
    );
    assert_ne!(params.salt, PassphraseParams::generate().salt);
    let stored = PassphraseParams::from_bytes(&params.to_bytes()).expect("ours");
    assert_eq!(stored, params);
    let key = derive_bytes("five random words", &params);
    assert_eq!(key, derive_bytes("five random words", &stored));
}

#[test]
fn stored_settings_out_of_reason_are_refused() {
    let table = [
        ("memory", 2 * 1024 * 1024, 3, 1),
        ("no memory", 0, 3, 1),
        ("too little for the lanes", 16, 3, 4),
        ("passes", 65_536, 65, 1),
        ("no passes", 65_536, 0, 1),
        ("lanes", 65_536, 3, 17),
        ("no lanes", 65_536, 3, 0),
        ("everything", u32::MAX, u32::MAX, u32::MAX),
    ];
    for (what, memory_kib, passes, lanes) in table {
        let bytes = PassphraseParams {
            memory_kib,
            passes,
            lanes,
            salt: [0; 16],
        }
        .to_bytes();
        assert!(PassphraseParams::from_bytes(&bytes).is_err(), "{what}");
    }
    let good = cheap().to_bytes();
    assert!(PassphraseParams::from_bytes(&good[1..]).is_err());
    assert!(PassphraseParams::from_bytes(&[good.as_slice(), &[0]].concat()).is_err());
    let mut newer = good;
    newer[0] = 2;
    assert!(PassphraseParams::from_bytes(&newer).is_err());
}

#[test]
fn weak_passphrases_are_refused_with_the_reason() {
    let table = [
        ("", "16 characters"),
        ("short but varied", ""),
        ("short butvaried", "16 characters"),
        ("aaaaaaaaaaaaaaaaaaaa", "8 different"),
        ("abcabcabdabcabcabd", "8 different"),
        ("password1password1", "repeats"),
        ("12345678901234567890", "repeats"),
        ("abcdefghijklmnopqrst", "run"),
        ("zyxwvutsrqponmlkjihg", "run"),
        ("ŵyau a geiriau Cymraeg", "accents"),
        ("tab\tin the middle of it", "accents"),
        ("otter lamp quarry wind sixty", ""),
        ("kx7Q-92mz-Pp4d-vv0a", ""),
    ];
    for (passphrase, reason) in table {
        match check_passphrase(passphrase) {
            Ok(()) => assert_eq!(reason, "", "{passphrase:?}"),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    !reason.is_empty() && text.contains(reason),
                    "{passphrase:?}: {text}"
                );
                assert!(passphrase.is_empty() || !text.contains(passphrase));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, text: String) {
        let _ = PassphraseParams::from_bytes(&bytes);
        let _ = check_passphrase(&text);
    }

    #[test]
    fn sound_settings_survive_storing(memory_kib in 1024_u32..1_048_576, passes in 1_u32..=64, lanes in 1_u32..=16, salt: [u8; 16]) {
        let params = PassphraseParams { memory_kib, passes, lanes, salt };
        prop_assert_eq!(PassphraseParams::from_bytes(&params.to_bytes()).expect("sound"), params);
    }
}
