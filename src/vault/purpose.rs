//! What keys are for. Each variant has a key of its own, so that a value of one kind is noise to all others.
//!
//! The codes and names here are written into wrapped rings, sealed values and recovery sheets: a code is never
//! reused and never changed.

/// Declares an enum whose variants have a stable code (written to the disk) and a stable name (printed).
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $code,)* }

        impl $name {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, as printed on recovery sheets.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(super) const fn code(self) -> u8 {
                self as u8
            }

            pub(super) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Where this one stands in `ALL`: codes count up from 1 without a gap (a test keeps it so).
            pub(super) const fn position(self) -> usize {
                self as usize - 1
            }
        }
    };
}

coded! {
    /// What a sealed value is, and so which key seals it.
    Purpose {
        /// A subscriber: address, constituency, subscriptions.
        Subscriber = 1, "subscriber";
        /// A suppression entry's details.
        Suppression = 2, "suppression";
        /// A sign-up that waits for its confirmation.
        Request = 3, "request";
        /// Work that a public page or mail left for a worker.
        Intake = 4, "intake";
        /// A challenge that was sent.
        Challenge = 5, "challenge";
        /// A consent event and its salt.
        Evidence = 6, "evidence";
        /// An audit event and its salt.
        Audit = 7, "audit";
        /// A wording that somebody was shown.
        Wording = 8, "wording";
        /// What is known of a message apart from its body.
        Message = 9, "message";
        /// A chunk of a message body.
        Body = 10, "body";
        /// A folder or an entry of a staff mailbox.
        Mailbox = 11, "mailbox";
        /// A staff account, with its password verifier.
        Staff = 12, "staff";
        /// A mailing.
        Mailing = 13, "mailing";
        /// One row of a mailing's ledger.
        Ledger = 14, "ledger";
        /// A queued mail.
        Queue = 15, "queue";
        /// An entry of the journal.
        Journal = 16, "journal";
        /// A setting or secret of the service itself.
        Setting = 17, "setting";
    }
}

coded! {
    /// A column that holds keyed hashes, and so which key makes them.
    IndexColumn {
        /// The address of a subscriber.
        SubscriberAddress = 1, "subscriber-address";
        /// An address that must not be written to.
        Suppression = 2, "suppression";
        /// The address of a sign-up that waits.
        RequestAddress = 3, "request-address";
        /// The address that a challenge went to.
        ChallengeAddress = 4, "challenge-address";
        /// The person whom a consent event is about.
        EvidenceSubject = 5, "evidence-subject";
        /// The log-in name of a staff account.
        StaffName = 6, "staff-name";
        /// The address of a staff mailbox.
        StaffAddress = 7, "staff-address";
        /// A destination domain.
        DomainName = 8, "domain-name";
        /// What stands in the log in place of an address.
        LogName = 9, "log-name";
        /// The key of a list in the configuration.
        ListTag = 10, "list-tag";
        /// The address of a contact.
        ContactAddress = 11, "contact-address";
        /// The name of a role's mailbox.
        MailboxName = 12, "mailbox-name";
        /// A mailing and a subscriber: the id of that copy.
        Copy = 13, "copy";
        /// The name of a folder, in its mailbox.
        FolderName = 14, "folder-name";
    }
}

coded! {
    /// What a deterministic token is for, and so which key makes it.
    TokenKind {
        /// Leaving a list.
        Withdrawal = 1, "withdrawal";
        /// A copy's return path.
        ReturnPath = 2, "return-path";
        /// A copy's Message-ID.
        MessageId = 3, "message-id";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_up_without_a_gap_and_survive_a_round_trip() {
        for (at, &one) in Purpose::ALL.iter().enumerate() {
            assert_eq!(one.position(), at);
            assert_eq!(Purpose::from_code(one.code()), Some(one));
        }
        for (at, &one) in IndexColumn::ALL.iter().enumerate() {
            assert_eq!(one.position(), at);
            assert_eq!(IndexColumn::from_code(one.code()), Some(one));
        }
        for (at, &one) in TokenKind::ALL.iter().enumerate() {
            assert_eq!(one.position(), at);
            assert_eq!(TokenKind::from_code(one.code()), Some(one));
        }
        assert_eq!(Purpose::from_code(0), None);
        assert_eq!(Purpose::from_code(18), None);
    }

    /// The codes are on people's disks: changing one here must break a test.
    #[test]
    fn the_codes_are_frozen() {
        assert_eq!(Purpose::Subscriber.code(), 1);
        assert_eq!(Purpose::Body.code(), 10);
        assert_eq!(Purpose::Setting.code(), 17);
        assert_eq!(IndexColumn::Suppression.code(), 2);
        assert_eq!(IndexColumn::ContactAddress.code(), 11);
        assert_eq!(IndexColumn::Copy.code(), 13);
        assert_eq!(IndexColumn::FolderName.code(), 14);
        assert_eq!(TokenKind::MessageId.code(), 3);
    }
}
