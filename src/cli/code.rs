//! The code of a second factor: where it comes from, and which commands take one.

use clap::Args;

use super::context::Context;
use super::prompt;
use crate::control::Failure;

// Taken by each command that reaches far. (As a doc comment this would become the help of each of them.)
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct CodeArg {
    /// Read the code of your second factor from a line of standard input; in a terminal it is asked for where one is needed
    #[arg(long = "code", value_name = "-", value_parser = dash)]
    given: Option<Given>,
}

#[derive(Debug, Clone, Copy)]
struct Given;

/// Nothing but `-`: what is typed as an argument can be seen by other users of the machine.
fn dash(text: &str) -> Result<Given, String> {
    match text {
        "-" => Ok(Given),
        _ => Err(
            "write `-` and give the code on standard input: arguments can be seen by others (ps)"
                .to_owned(),
        ),
    }
}

impl CodeArg {
    /// Whether it is to be read.
    pub(super) fn is_given(self) -> bool {
        self.given.is_some()
    }

    /// Reads it, if it is there to be read, and gives it along with what is asked from now on.
    pub(super) fn read(self, context: &Context) -> Result<(), Failure> {
        if self.given.is_some() {
            context.prove_with(prompt::line_of_code()?);
        }
        Ok(())
    }
}
