//! RSET (RFC 5321 §4.1.1.5).

use super::super::codec::command::no_arguments;
use super::super::session::{Session, Step};
use crate::smtp::reply::Reply;

impl Session {
    pub(in crate::smtp::server) fn rset(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        no_arguments(arguments)?;
        self.transaction = None;
        Ok(Step::Reply(Reply::new(250, (2, 0, 0), "Mail forgotten")))
    }
}
