//! The post room: queue, schedule, routes and attempts.
//!
//! The parts here that decide something are pure: [`schedule`] says when to try again and when to give up,
//! [`classify`] what a reply means for the address, [`destination`] whose turn it is, [`pace`] how fast. [`route`] asks
//! DNS, [`policy`] says how a server must prove itself, [`sts`] knows what other domains ask for, and [`https`] asks one
//! server one thing.
//!
//! The [`engine`] does the work: it takes [`parcel`]s from the rooms that have mail to send, and brings them to their
//! destinations under the two-step rule. One such room is here: the [`queue`] of staff mail and service mail. [`signing`]
//! keeps the DKIM keys for all of them.

pub mod classify;
pub mod destination;
pub mod engine;
pub mod https;
pub mod pace;
pub mod parcel;
pub mod policy;
pub mod queue;
pub mod route;
pub mod schedule;
pub mod signing;
pub mod sts;
