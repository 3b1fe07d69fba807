//! Before TLS.

use super::world::{open, small};

#[test]
fn before_tls_there_is_starttls_and_nothing_else() {
    for (input, codes, tls) in [
        ("EHLO c\r\nSTARTTLS\r\n", &[250, 220][..], true),
        ("HELO c\r\nstarttls\r\n", &[250, 220], true),
        ("STARTTLS\r\n", &[503], false),
        ("EHLO c\r\nSTARTTLS foo\r\n", &[250, 501], false),
        ("EHLO c\r\nMAIL FROM:<a@b.example>\r\n", &[250, 530], false),
        ("RCPT TO:<a@b.example>\r\nDATA\r\n", &[530, 530], false),
        ("AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl\r\n", &[530], false),
        ("VRFY a\r\nEXPN a\r\nHELP\r\n", &[530, 530, 530], false),
        ("NOOP\r\nRSET\r\nQUIT\r\n", &[250, 250, 221], false),
        ("QUIT x\r\nQUIT\r\n", &[501, 221], false),
        ("BDAT 6\r\nNOOP\r\n", &[530], false),
        ("GET / HTTP/1.1\r\nNOOP\r\n", &[502], false),
        ("EHLO foo bar\r\n", &[250], false),
        ("EHLO\r\n", &[501], false),
        ("NOOP\nNOOP\r\n", &[500], false),
        (
            "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n",
            &[500, 500, 500, 500, 500, 421],
            false,
        ),
    ] {
        assert_eq!(
            open(input.as_bytes(), small()),
            (codes.to_vec(), tls),
            "{input:?}"
        );
    }
    let endless = "NOOP\r\n".repeat(60);
    assert_eq!(open(endless.as_bytes(), small()), (vec![421], false));
}

#[test]
fn nothing_that_waits_behind_starttls_is_run() {
    for behind in ["MAIL FROM:<>\r\n", "RSET\r\n", "\n", "\x16\x03\x01"] {
        let input = format!("EHLO c\r\nSTARTTLS\r\n{behind}");
        assert_eq!(
            open(input.as_bytes(), small()),
            (vec![250, 554], false),
            "{behind:?}"
        );
    }
}
