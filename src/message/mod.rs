//! Messages: parse, compose, footer and DKIM. Pure: bytes in, bytes out, and times as arguments; no store, no
//! socket, no clock.
//!
//! A mail that staff send to a list goes this way: [`inspect`](inspect::inspect) reads it within limits,
//! [`rules`] says why it may not go out, [`prepare`](prepare::prepare) rebuilds it into segments with slots
//! ([`segment::Prepared`]), which are held and approved, and [`copy::CopyPlan`] makes each subscriber's signed copy.

pub mod compose;
pub mod copy;
pub mod dkim;
pub mod dsn;
pub mod footer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod html;
pub mod inspect;
pub mod mime;
pub mod named;
pub mod outline;
pub mod prepare;
pub mod reading;
pub mod rules;
pub mod segment;
pub mod trace;
pub mod verdict;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing;
