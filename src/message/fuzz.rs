//! What a stranger's mail may look like: see [`crate::fuzz`].

use super::inspect::inspect;
use super::mime::Limits;
use super::mime::tree::Part;
use super::outline::{Node, Outline, Scanner, outline};
use super::reading::Reading;
use super::verdict::author::author;
use super::{dsn, named, trace};

/// Reads a message in every way that a stranger's is read.
pub(crate) fn message(data: &[u8]) {
    let Some((size, message)) = data.split_first() else {
        return;
    };
    let whole = outline(message);
    for size in [1, usize::from(*size).max(2)] {
        let mut scanner = Scanner::default();
        message.chunks(size).for_each(|piece| scanner.take(piece));
        assert_eq!(scanner.finish(), whole, "the pieces make a difference");
    }
    assert_within(&whole.root, 0, message.len() as u64);
    let bytes = whole.to_bytes();
    assert_eq!(Outline::from_bytes(&bytes).as_ref(), Some(&whole));

    if let Ok(mail) = inspect(message, &Limits::STRANGERS) {
        let _ = (mail.shape(), dsn::may_answer("a@elsewhere.example", &mail));
        mail.root.walk(&mut |part: &Part<'_>| {
            let _ = super::mime::text::decode_leniently(part);
        });
    }
    let _ = Reading::of(message);
    let _ = dsn::parse(message, &Limits::STRANGERS);
    let _ = (author(message), named::readers(message));
    let _ = (trace::count_received(message), trace::relaxes_tls(message));
}

/// A part stands within the one that holds it; but the line's end behind its last field may be the boundary's.
fn assert_within(node: &Node, from: u64, to: u64) {
    let end = node.body_at + node.size;
    assert!(from <= node.header_at && node.header_at <= node.body_at);
    assert!(end <= to || (node.size == 0 && end <= to + 2));
    for part in &node.parts {
        assert_within(part, node.body_at, end);
    }
}
