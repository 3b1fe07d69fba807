//! The refusals: what is wrong and what to do, in words for the person who wrote the mail.

use crate::message::mime::MimeError;

/// A header field that holds recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// To.
    To,
    /// Cc.
    Cc,
    /// Bcc.
    Bcc,
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::To => "To",
            Self::Cc => "Cc",
            Self::Bcc => "Bcc",
        })
    }
}

/// Content that can't be vetted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Encrypted mail.
    Encrypted,
    /// An S/MIME signature with the text inside it.
    OpaqueSignature,
    /// An attached mail.
    AttachedMessage,
    /// HTML that runs by itself (`text/x-amp-html`).
    Amp,
}

impl std::fmt::Display for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Encrypted => "it is encrypted; send it without encryption",
            Self::OpaqueSignature => {
                "its text is inside an S/MIME signature; set the mail program to sign in clear text"
            }
            Self::AttachedMessage => {
                "a mail is attached, which may hold other people's addresses; paste its text instead"
            }
            Self::Amp => "it holds an AMP part; send text and HTML only",
        })
    }
}

/// Why a mail may not go to the list. `Display` says the reason and the next step; a part of the mail is named by
/// element or media type, never by its words or addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No From.
    #[error("the mail has no From: choose the list's identity as sender")]
    NoFrom,
    /// Another From than the list's identity (law row C3).
    #[error(
        "From isn't the list's identity: choose {identity} as sender in your mail program, and send it again"
    )]
    ForeignFrom {
        /// The list's identity.
        identity: String,
    },
    /// Several addresses in From.
    #[error("From holds {0} addresses: leave only the list's identity")]
    SeveralFrom(usize),
    /// Recipients beside the list (law row G13).
    #[error(
        "{header} holds {} beside the list: a list mail goes to the list alone; remove {}",
        if *.count == 1 { "1 address".to_owned() } else { format!("{count} addresses") },
        if *.count == 1 { "it" } else { "them" }
    )]
    OtherRecipients {
        /// Where they stand.
        header: Header,
        /// How many there are.
        count: usize,
    },
    /// A field that may occur once occurs twice.
    #[error("the field {0} occurs more than once: write the mail anew")]
    Repeated(&'static str),
    /// A header that is no UTF-8.
    #[error("a header field holds octets that aren't UTF-8: set the mail program to UTF-8")]
    BrokenHeader,
    /// The mail was sent by a program.
    #[error(
        "the mail was sent automatically (Auto-Submitted): a list takes mail that a person wrote"
    )]
    AutoSubmitted,
    /// No subject.
    #[error("the mail has no subject: write one")]
    NoSubject,
    /// A subject nobody could read.
    #[error("the subject is longer than {0} characters: shorten it")]
    LongSubject(usize),
    /// `Re:`, `Fwd:` and the like (law row C5).
    #[error(
        "the subject begins like an answer or a forwarded mail: subscribers never got the first one; take the prefix away"
    )]
    FakeReply,
    /// Too many octets.
    #[error(
        "the mail has {size} octets, the list takes {limit}: send a link instead of the largest attachment"
    )]
    TooLarge {
        /// The mail's size.
        size: usize,
        /// The list's limit.
        limit: usize,
    },
    /// No text at all.
    #[error("the mail has no text: write some; a mail of attachments alone goes to no list")]
    NoText,
    /// Something that can't be read.
    #[error(transparent)]
    Unreadable(#[from] MimeError),
    /// Content that can't be vetted.
    #[error("what would be sent can't be checked: {0}")]
    Hidden(Hidden),
    /// Something is loaded from elsewhere when the mail is opened (law row G10).
    #[error(
        "<{element}> loads something from elsewhere when the mail is opened: embed the picture, or leave it out"
    )]
    Remote {
        /// The element.
        element: String,
    },
    /// A picture of one pixel, as trackers use.
    #[error("there is a remote picture of one pixel, as used for tracking: take it out")]
    TrackingPixel,
    /// A picture that refers to a part that isn't there.
    #[error(
        "<{element}> shows an embedded picture that isn't in the mail: put the picture in again"
    )]
    MissingPart {
        /// The element.
        element: String,
    },
    /// A style that loads something.
    #[error("a style loads something from elsewhere ({0}): take it out of the design")]
    RemoteStyle(&'static str),
    /// A style sheet that draws beside elements, and so over the footer (law row G2).
    #[error(
        "a style draws before or after elements (::before, ::after, ::first-line and the like), which could hide the \
         imprint and the way out: take that rule out of the design"
    )]
    Beside,
    /// An element that no list mail may hold.
    #[error("<{0}> isn't allowed in a list mail: take it out")]
    Element(String),
    /// An event handler.
    #[error("<{element}> has the script attribute {attribute}: take it out")]
    Script {
        /// The element.
        element: String,
        /// The attribute.
        attribute: String,
    },
    /// A link that isn't one to a page, an address or a number.
    #[error("a link isn't a full https:, http:, mailto: or tel: address: write it in full")]
    Link,
    /// Markup that isn't ended, and would swallow the footer.
    #[error("the HTML isn't ended (a comment, tag or style is left open): write the mail anew")]
    Unclosed,
}
