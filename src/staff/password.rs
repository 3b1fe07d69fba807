//! Passwords, made by us: nobody chooses a weak one, nobody brings one from elsewhere, and what leaks is worth nothing
//! anywhere else.

use zeroize::Zeroizing;

/// Letters and digits that can be told apart when read aloud or from paper: no `l`, `o`, `0` or `1`. 32 of them, so that
/// a byte's lower five bits choose one evenly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 6;
const GROUP: usize = 4;

/// A new password: six groups of four characters, 120 random bits. It is shown once and never kept.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Makes one.
    ///
    /// # Panics
    /// If the operating system has no random source; nothing here can run safely without one.
    pub fn generate() -> Self {
        Self(random_groups::<{ GROUPS * GROUP }>())
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &Zeroizing<String> {
        &self.0
    }
}

/// So many random characters, in groups of four.
///
/// # Panics
/// If the operating system has no random source.
pub(super) fn random_groups<const LENGTH: usize>() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    getrandom::fill(&mut *bytes).expect("the operating system gives random bytes");
    let mut text = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    text
}

/// The characters of a text that was typed from one of ours: groups, case and spaces are the typist's. None if it has
/// others, or not so many.
pub(super) fn typed_groups<const LENGTH: usize>(typed: &str) -> Option<Zeroizing<[u8; LENGTH]>> {
    let mut plain = Zeroizing::new([0; LENGTH]);
    let mut filled = 0;
    for byte in typed.bytes().filter(|byte| !b"- ".contains(byte)) {
        let byte = byte.to_ascii_lowercase();
        if !ALPHABET.contains(&byte) {
            return None;
        }
        *plain.get_mut(filled)? = byte;
        filled += 1;
    }
    (filled == LENGTH).then_some(plain)
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::scram::Verifier;
    use super::*;

    #[test]
    fn a_password_has_a_hundred_bits_and_groups() {
        let different: HashSet<u8> = ALPHABET.iter().copied().collect();
        assert_eq!(different.len(), 32, "five bits a character");
        let characters = Password::generate().reveal().replace('-', "").len();
        assert!(characters * 5 >= 100);
        let password = Password::generate();
        let groups: Vec<&str> = password.reveal().split('-').collect();
        assert_eq!(groups.len(), GROUPS);
        assert!(groups.iter().all(|group| group.len() == GROUP));
        assert!(groups.concat().bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_ne!(**password.reveal(), **Password::generate().reveal());
    }

    #[test]
    fn its_verifier_knows_it_and_nothing_else() {
        let password = Password::generate();
        let verifier = Verifier::new(password.reveal()).expect("printable");
        assert!(verifier.check_password(password.reveal()));
        assert!(!verifier.check_password(&password.reveal().replace('-', "")));
    }
}
