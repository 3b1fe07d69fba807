//! Single commands, names and paths, without a conversation.

use crate::imap::codec::frame::Frame;
use crate::imap::codec::{grammar, names};
use crate::smtp::path::{ForwardPath, Mailbox, ReversePath};
use crate::staff::scram::{Binding, ClientFirst};

/// Reads the octets as everything that is read of a word.
pub(crate) fn words(data: &[u8]) {
    let Some((kind, octets)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => command(octets),
        1 => name(octets),
        2 => path(octets),
        _ => first(octets),
    }
}

/// A command comes whole from the frame, and only so.
fn command(octets: &[u8]) {
    let _ = Frame::default().take(octets, 4096, true);
    let read = grammar::read(octets);
    let whole = [b"a ".as_slice(), octets, b"\r\n"].concat();
    let again = grammar::read(&whole);
    for (tag, command) in [read, again].into_iter().flatten() {
        assert!(!tag.0.is_empty() && tag.0.is_ascii());
        let _ = format!("{command:?}");
    }
}

/// A name that can be read comes back when it's written.
fn name(octets: &[u8]) {
    for utf8 in [false, true] {
        if let Some(name) = names::decode(octets, utf8) {
            let wire = names::encode(&name, utf8);
            assert_eq!(names::decode(wire.as_bytes(), utf8), Some(name));
        }
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        let wire = names::encode(text, false);
        assert!(wire.is_ascii(), "{wire}");
        if let Some(name) = names::decode(wire.as_bytes(), false) {
            assert_eq!(name, text);
        }
    }
}

fn path(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    if let Ok(mailbox) = Mailbox::parse(text) {
        assert_eq!(Mailbox::parse(mailbox.as_str()), Ok(mailbox));
    }
    let mailboxes = [
        ReversePath::parse(text)
            .ok()
            .and_then(|path| path.mailbox().cloned()),
        ForwardPath::parse(text)
            .ok()
            .and_then(|path| path.mailbox().cloned()),
    ];
    for mailbox in mailboxes.into_iter().flatten() {
        assert!(!mailbox.as_str().contains(['\r', '\n', '\0']));
        let bracketed = format!("<{}>", mailbox.as_str());
        assert!(ForwardPath::parse(&bracketed).is_ok(), "{bracketed}");
    }
}

fn first(octets: &[u8]) {
    let exporter = [7; 32];
    for binding in [
        Binding::Required(&exporter),
        Binding::Declined,
        Binding::NotOffered,
    ] {
        if let Ok(first) = ClientFirst::parse(octets, binding) {
            assert!(!first.user().is_empty() && !first.user().contains('\0'));
        }
    }
}
