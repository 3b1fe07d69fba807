//! The strict codec: octets in, commands and message text out. It knows no session and no socket.
//!
//! A line ends with CRLF and with nothing else. A CR or LF by itself is never passed on and never ends anything:
//! servers that disagree about it let one message become two (SMTP smuggling).

pub(super) mod chunk;
pub(super) mod command;
pub(super) mod data;
pub(super) mod line;

/// Octets that no text may hold by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// A CR without LF behind it, or an LF without CR before it.
    BareLineEnd,
    /// A NUL (RFC 5321 §4.5.2).
    Nul,
}

/// How many octets at the start of `input` are neither CR, LF nor NUL.
fn plain_run(input: &[u8]) -> usize {
    memchr::memchr3(b'\r', b'\n', 0, input).unwrap_or(input.len())
}

#[cfg(test)]
mod tests {
    use super::plain_run;

    #[test]
    fn a_plain_run_ends_at_the_first_special_octet() {
        for length in 0..100 {
            let plain = vec![b'x'; length];
            assert_eq!(plain_run(&plain), length);
            for special in [b'\r', b'\n', 0] {
                let text = [&plain[..], &[special], b"tail\n"].concat();
                assert_eq!(plain_run(&text), length);
            }
        }
    }
}
