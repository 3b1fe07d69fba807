//! Consent: asking, confirming, withdrawing, and the evidence of each.
