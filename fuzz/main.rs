//! libFuzzer around the conversations of [`hustings::fuzz`]; `fuzz/run` builds it and says which one is meant.
//!
//! The harness is in the library, where the sessions are; this crate is here because libFuzzer's entry is unsafe code, and the
//! library has none.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod entry {
    use std::sync::LazyLock;

    static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
        let name = std::env::var("HUSTINGS_FUZZ").unwrap_or_default();
        let named = hustings::fuzz::TARGETS
            .iter()
            .find(|(known, _)| *known == name);
        named
            .unwrap_or_else(|| panic!("HUSTINGS_FUZZ names no target: {name:?}"))
            .1
    });

    libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
}

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("This was built without instruments: fuzz/run builds it with them.");
    std::process::exit(2);
}
