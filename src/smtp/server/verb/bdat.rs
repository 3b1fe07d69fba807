//! BDAT (RFC 3030). Its octets come whether we want them or not, so every refusal reads past them.

use super::super::codec::command::bad_chunk;
use super::super::session::{Session, Step};
use super::out_of_turn;
use crate::smtp::reply::Reply;

/// Reads `size [LAST]`.
fn parse(arguments: &str) -> Option<(u64, bool)> {
    let (size, last) = match arguments.split_once(' ') {
        Some((size, word)) if word.eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return None,
        None => (arguments, false),
    };
    let digits = (1..=20).contains(&size.len()) && size.bytes().all(|octet| octet.is_ascii_digit());
    let size = digits.then(|| size.parse().ok()).flatten()?;
    Some((size, last))
}

impl Session {
    pub(in crate::smtp::server) fn bdat(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        let Some((size, last)) = parse(arguments) else {
            // Nobody knows how many octets follow, so nothing that follows can be read.
            return Ok(Step::Close(bad_chunk()));
        };
        let refusal = match &self.transaction {
            None => out_of_turn("MAIL first"),
            Some(mail) if mail.envelope().recipients.is_empty() => {
                Reply::new(554, (5, 5, 1), "No valid recipients")
            }
            Some(_) => return Ok(self.begin_chunk(size, last)),
        };
        Ok(self.skip_chunk(size, refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn arguments_are_read_strictly() {
        assert_eq!(parse("0"), Some((0, false)));
        assert_eq!(parse("1000 last"), Some((1000, true)));
        for bad in [
            "",
            "LAST",
            "-1",
            "+1",
            "1  LAST",
            "1 LAST x",
            "1 FIRST",
            "0x10",
            "1.5",
            "99999999999999999999",
            "184467440737095516150",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
