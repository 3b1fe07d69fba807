//! Builds the parts from the configuration, starts them and stops them.

pub mod sandbox;
