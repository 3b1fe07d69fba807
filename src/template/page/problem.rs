//! What was wrong with a posted form, and which field it is about.

use serde::Serialize;

/// What was wrong with a posted form. Each leads to the field that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No e-mail address.
    EmailMissing,
    /// Not an e-mail address.
    EmailInvalid,
    /// No list was ticked.
    ListsMissing,
    /// A list was ticked where nobody can sign up.
    ListsUnknown,
    /// The statement of age was not ticked.
    AgeMissing,
    /// A constituency that isn't in the list.
    ConstituencyUnknown,
    /// The form came back sooner than a person can fill it in.
    FormSoon,
    /// The form's time stamp is missing, forged, too old, or of before a restart.
    FormStale,
    /// The form was sent and taken before.
    FormSent,
    /// The wording changed between showing and posting.
    WordingChanged,
    /// No code of the second factor.
    CodeMissing,
    /// Neither six digits nor a recovery code.
    CodeInvalid,
    /// A wrong one.
    CodeWrong,
    /// One that was used before.
    CodeUsed,
    /// One was used while the server's clock was ahead.
    CodeAhead,
    /// Too many wrong ones came.
    CodeHeldUp,
}

impl Problem {
    /// Those of an approval, for tests and rehearsals.
    pub const OF_CODES: [Self; 6] = [
        Self::CodeMissing,
        Self::CodeInvalid,
        Self::CodeWrong,
        Self::CodeUsed,
        Self::CodeAhead,
        Self::CodeHeldUp,
    ];

    /// Those of the sign-up forms, for tests and rehearsals.
    pub const ALL: [Self; 10] = [
        Self::EmailMissing,
        Self::EmailInvalid,
        Self::ListsMissing,
        Self::ListsUnknown,
        Self::AgeMissing,
        Self::ConstituencyUnknown,
        Self::FormSoon,
        Self::FormStale,
        Self::FormSent,
        Self::WordingChanged,
    ];

    /// The key of its text, below `problem.`.
    pub fn key(self) -> &'static str {
        match self {
            Self::EmailMissing => "email_missing",
            Self::EmailInvalid => "email_invalid",
            Self::ListsMissing => "lists_missing",
            Self::ListsUnknown => "lists_unknown",
            Self::AgeMissing => "age_missing",
            Self::ConstituencyUnknown => "constituency_unknown",
            Self::FormSoon => "form_soon",
            Self::FormStale => "form_stale",
            Self::FormSent => "form_sent",
            Self::WordingChanged => "wording_changed",
            Self::CodeMissing => "code_missing",
            Self::CodeInvalid => "code_invalid",
            Self::CodeWrong => "code_wrong",
            Self::CodeUsed => "code_used",
            Self::CodeAhead => "code_ahead",
            Self::CodeHeldUp => "code_held_up",
        }
    }

    /// The id of the field that it is about.
    pub fn field(self) -> &'static str {
        match self {
            Self::EmailMissing | Self::EmailInvalid => "email",
            Self::ListsMissing
            | Self::ListsUnknown
            | Self::WordingChanged
            | Self::FormSoon
            | Self::FormStale
            | Self::FormSent => "list-1",
            Self::AgeMissing => "age",
            Self::ConstituencyUnknown => "constituency",
            Self::CodeMissing
            | Self::CodeInvalid
            | Self::CodeWrong
            | Self::CodeUsed
            | Self::CodeAhead
            | Self::CodeHeldUp => "code",
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Problem", 2)?;
        fields.serialize_field("key", self.key())?;
        fields.serialize_field("field", self.field())?;
        fields.end()
    }
}
