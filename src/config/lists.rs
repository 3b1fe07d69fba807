//! Lists and role mailboxes.

use super::choices::Approval;
use super::declare::{Check, section};
use super::problem::Place;
use super::values::{ByteSize, Name, Period};
use crate::address::EmailAddress;

section! {
    /// A list: one purpose for which consent is asked, with its own box on the sign-up page. The name in brackets is its
    /// key for ever: consents refer to it, so don't rename it. Staff write to KEY@ your first domain.
    pub struct List {
        /// What people see it called.
        title: String = required("News"),
        /// What is sent, as it stands in the consent after "to send me": say what and how often. A change asks for a new
        /// wording, not for a new consent, as long as the purpose stays.
        purpose: String = required("news about our campaigns, about twice a month"),
        /// The same in Welsh, for people in Welsh constituencies. If not set, the whole consent is in English.
        purpose_cy: Option<String> = optional("newyddion am ein hymgyrchoedd, tua dwywaith y mis"),
        /// A sentence that is added to the consent, if there's something more to say.
        consent_extra: Option<String> = optional("Some of these mails ask for donations."),
        /// The same in Welsh. If not set, the whole consent is in English.
        consent_extra_cy: Option<String> = optional("Mae rhai o'r negeseuon hyn yn gofyn am roddion."),
        /// Whether people can sign up. If false, the list has no box on the page and its subscribers stay.
        open: bool = default(true),
        /// Whom its mail is from: an address that takes answers. It must be one of a mailbox, or `replies_to` says
        /// which mailbox gets them. It can't be the list's own address, which takes mail from staff alone.
        from: EmailAddress = required("office@party.example"),
        /// The name beside that address. If not set, the party's short name.
        from_name: Option<String> = optional("Example Party News"),
        /// The mailbox that gets what people answer, if `from` is not an address of a mailbox.
        replies_to: Option<Name> = optional("office"),
        /// Who must approve a mailing: "self" (the sender, who has seen the preview) or "second-person" (somebody else,
        /// once two people have the role approver).
        approval: Approval = default(Approval::SecondPerson),
        /// Whether a mailing may go to one constituency, as in news+leeds-east@.
        by_constituency: bool = default(true),
        /// The largest mail that may be sent to it.
        max_size: ByteSize = default(ByteSize::mib(5)),
    }
}

impl Check for List {
    fn check(&self, at: &Place<'_>) {
        let sentence = |text: &str| text.ends_with(['.', '!', '?']);
        at.expect(
            !sentence(&self.purpose),
            "purpose",
            "`purpose` ends like a sentence: it stands inside one, after \"to send me\"",
            "remove the full stop, as in \"news about our campaigns, about twice a month\"",
        );
        if let Some(extra) = &self.consent_extra {
            at.expect(
                sentence(extra),
                "consent_extra",
                "`consent_extra` is no whole sentence: it's added behind the consent",
                "end it with a full stop",
            );
        }
        at.expect(
            self.consent_extra.is_some() || self.consent_extra_cy.is_none(),
            "consent_extra_cy",
            "`consent_extra_cy` is set and `consent_extra` is not: the consent would say more in one language",
            "write the sentence in English, too",
        );
        at.expect(
            self.max_size.bytes() >= 64 * 1024,
            "max_size",
            format!("`max_size` is {}: hardly a mail fits", self.max_size),
            "write at least \"64 KiB\"",
        );
    }
}

section! {
    /// A mailbox of a role, that staff are let into with `hustings staff`. (A staff member's own mailbox is made with
    /// `hustings staff add` and isn't listed here.) Don't rename it: what it holds would stay behind under the old name.
    pub struct Mailbox {
        /// What it's for, as staff see it.
        title: String = required("Office"),
        /// Its addresses. One that is a staff member's as well stays theirs alone.
        addresses: Vec<EmailAddress> = required(r#"["office@party.example", "privacy@party.example"]"#),
        /// How long its mail is kept, if not as long as `retention.mail` says. It says nothing of what those who were let
        /// into it have in their own mailboxes.
        keep: Option<Period> = optional("12 months"),
    }
}

impl Check for Mailbox {
    fn check(&self, at: &Place<'_>) {
        at.expect(
            !self.addresses.is_empty(),
            "addresses",
            "`addresses` is empty: a mailbox without an address gets no mail",
            "add an address, or remove the mailbox",
        );
        if let Some(keep) = self.keep {
            at.expect(
                keep.about_days() <= Period::years(10).about_days(),
                "keep",
                format!("`keep` is {keep}: at most 10 years can be justified"),
                "write \"10 years\" or less",
            );
        }
    }
}
