//! Staff accounts, roles and passwords.
