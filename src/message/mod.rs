//! Messages: parse, compose, footer and DKIM.
