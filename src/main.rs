//! Hustings.
fn main() {}
