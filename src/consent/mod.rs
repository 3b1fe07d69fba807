//! Consent: asking, confirming, withdrawing, and the evidence of each.

pub mod constituency;
pub mod csv;
