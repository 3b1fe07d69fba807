//! The configuration file: what can be set, its documentation and its errors.
