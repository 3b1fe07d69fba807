//! `init`.

use super::Global;
use super::context::Context;
use crate::control::Failure;

/// Set up
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: &Args, _: &Global, _: &Context) -> Result<(), Failure> {
    Ok(())
}
