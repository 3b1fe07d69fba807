//! DATA (RFC 5321 §4.1.1.4).

use super::super::codec::command::no_arguments;
use super::super::session::{Begin, Session, Step};
use super::out_of_turn;
use crate::smtp::reply::Reply;

impl Session {
    pub(in crate::smtp::server) fn data(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        no_arguments(arguments)?;
        let Some(transaction) = &self.transaction else {
            return Err(out_of_turn("MAIL first"));
        };
        if transaction.intake.is_some() {
            return Err(out_of_turn("BDAT has begun, so BDAT goes on"));
        }
        if transaction.envelope().recipients.is_empty() {
            return Err(Reply::new(554, (5, 5, 1), "No valid recipients"));
        }
        Ok(Step::Begin(Begin(None)))
    }
}
