//! The sandbox: the real daemon on loopback, and a world outside of it to write to.

pub mod inbox;
pub mod leak;
pub mod outside;
