//! Builds the parts from the configuration, starts them and stops them.

pub mod mail_in;
pub mod rooms;
pub mod sandbox;
