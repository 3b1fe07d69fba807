//! Staff accounts, roles and passwords.

pub mod scram;
