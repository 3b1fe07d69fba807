//! Why a command was not done, as the client is told it (RFC 9051 §7.1, RFC 5530).

use std::borrow::Cow;

use crate::imap::command::Tag;
use crate::mailbox::MailboxError;
use crate::store::{ActRefusal, StoreError};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::imap) struct No {
    status: &'static str,
    code: Cow<'static, str>,
    text: Cow<'static, str>,
}

impl No {
    /// `NO [CODE] text`; an empty code is none.
    pub(in crate::imap) fn new(
        code: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status: "NO",
            code: code.into(),
            text: text.into(),
        }
    }

    /// `BAD text`: the client made a mistake.
    pub(in crate::imap) fn bad(text: &'static str) -> Self {
        Self {
            status: "BAD",
            code: "".into(),
            text: text.into(),
        }
    }

    /// Whether it's the client's mistake.
    pub(in crate::imap) fn is_mistake(&self) -> bool {
        self.status == "BAD"
    }

    /// There is no such folder; the command would work if it were made.
    pub(in crate::imap) fn try_create(self) -> Self {
        let code = match self.code.as_ref() {
            "NONEXISTENT" => "TRYCREATE".into(),
            _ => self.code,
        };
        Self { code, ..self }
    }

    /// As it is sent.
    pub(in crate::imap) fn tagged(&self, tag: &Tag) -> Vec<u8> {
        let code = match self.code.as_ref() {
            "" => String::new(),
            code => format!("[{code}] "),
        };
        format!("{} {} {code}{}\r\n", tag.0, self.status, self.text).into_bytes()
    }

    /// No folder is open.
    pub(super) fn not_selected() -> Self {
        Self::bad("No folder is selected")
    }

    /// It was opened to be read.
    pub(super) fn read_only() -> Self {
        Self::new("READ-ONLY", "The folder was opened to be read alone")
    }

    /// There is no such folder.
    pub(super) fn no_folder() -> Self {
        Self::new("NONEXISTENT", "There is no such folder")
    }
}

impl From<MailboxError> for No {
    fn from(error: MailboxError) -> Self {
        let code = match &error {
            MailboxError::Refused(refusal) => match refusal {
                ActRefusal::NoFolder => "NONEXISTENT",
                ActRefusal::TooManyMessages => "LIMIT",
                ActRefusal::NameTaken => "ALREADYEXISTS",
                ActRefusal::Special
                | ActRefusal::NotEmpty
                | ActRefusal::IntoItself
                | ActRefusal::NameTooLong
                | ActRefusal::Held => "CANNOT",
                ActRefusal::HasChildren => "HASCHILDREN",
                ActRefusal::TooManyKeywords => "LIMIT",
                ActRefusal::Full => "OVERQUOTA",
            },
            MailboxError::TooManyFolders => "LIMIT",
            MailboxError::Store(error) => return error.clone().into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<StoreError> for No {
    /// What went wrong inside is in the log, and not the client's to know.
    fn from(error: StoreError) -> Self {
        match error {
            // No quota of theirs is in the way (RFC 5530 §3).
            StoreError::Full | StoreError::Reserved { .. } => Self::new(
                "UNAVAILABLE",
                "There is too little room on the disk at present",
            ),
            StoreError::NoFolder => Self::no_folder(),
            StoreError::Seal(_) | StoreError::Cut { .. } | StoreError::Record { .. } => {
                tracing::error!(%error, "a folder or message is damaged");
                Self::new("CORRUPTION", "What is kept of it is damaged; tell an admin")
            }
            error => {
                tracing::error!(%error, "a command failed");
                Self::new("UNAVAILABLE", "Local trouble, please try again later")
            }
        }
    }
}
