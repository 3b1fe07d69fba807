//! What the party is: names, addresses, colours, and what the law wants printed.

use jiff::civil::Date;

use super::choices::Division;
use super::declare::{Check, section};
use super::problem::Place;
use super::values::{Colour, Period, WebAddress};
use crate::address::EmailAddress;

section! {
    /// The party. Pages, mail and the privacy notice are made from this.
    pub struct Party {
        /// The name as it's registered with the Electoral Commission. It stands in every consent, so a change means
        /// asking again.
        name: String = required("The Example Party"),
        /// A short name for page titles and for the sender of service mail. If not set, the name.
        short_name: Option<String> = optional("Example Party"),
        /// The postal address, with its postcode. It stands in every list mail (Elections Act 2022 s.41).
        postal_address: String = required("1 High Street, Leeds LS1 1AA"),
        /// The party's web site.
        website: Option<WebAddress> = optional("https://party.example"),
        /// Where people write about their data: printed in the privacy notice.
        privacy_contact: EmailAddress = required("privacy@party.example"),
        /// The registration number at the Information Commission, printed in the privacy notice (law: a fee is due).
        ico_registration: Option<String> = optional("ZA123456"),
        /// When that registration ends; `hustings status` reminds 30 and 7 days before.
        ico_expires: Option<Date> = optional("2027-11-21"),
        /// The data protection officer and how to reach them, if there is one.
        dpo: Option<String> = optional("A. Person, dpo@party.example"),
        /// If there is none: who decided so, when and why. `hustings status` asks for one of the two.
        dpo_decision: Option<String> = optional("Committee of 3 May 2026: under 5,000 subscribers, not large-scale"),
        /// Where the server stands and who runs the machine: printed in the privacy notice. Until it's set the notice says
        /// whom to ask, and `hustings status` asks for it.
        hosting: Option<String> = optional("United Kingdom (Example Hosting Ltd, London)"),
        /// Whether people's data leaves the United Kingdom: "none", or where it goes and by which safeguard (UK GDPR art
        /// 44-49), as the privacy notice is to say it. A machine elsewhere is a transfer. Until it's set the notice claims
        /// nothing, and `hustings status` asks for it.
        transfers: Option<String> = optional("none"),
        /// The bank holidays that legal deadlines go by: "england-and-wales", "scotland" or "northern-ireland".
        division: Division = default(Division::EnglandAndWales),
        /// The colours of the pages.
        colours: Colours = section(),
    }
}

impl Party {
    /// The short name, or else the name.
    pub fn short_name(&self) -> &str {
        self.short_name.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is stated that no data leaves the United Kingdom.
    pub fn states_no_transfers(&self) -> bool {
        let stated = self.transfers.as_deref().map(str::trim);
        stated.is_some_and(|text| text.eq_ignore_ascii_case("none"))
    }
}

impl Check for Party {
    fn check(&self, at: &Place<'_>) {
        check_postal_address(at, "postal_address", &self.postal_address);
        let hosting = self.hosting.as_deref();
        at.expect(
            !self.states_no_transfers() || hosting.is_some_and(names_united_kingdom),
            "transfers",
            match hosting {
                Some(_) => "`transfers` is \"none\", but `hosting` doesn't say that the machine stands in the United Kingdom",
                None => "`transfers` is \"none\", but `hosting` is not set",
            },
            "write into `hosting` that it stands in the United Kingdom, if it does; if it doesn't, write into `transfers` \
             where the data goes and by which safeguard",
        );
    }
}

/// Whether a text says "United Kingdom" or "UK", as words of their own.
fn names_united_kingdom(text: &str) -> bool {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.iter().any(|word| word == "uk")
        || words
            .windows(2)
            .any(|pair| pair[0] == "united" && pair[1] == "kingdom")
}

section! {
    /// The colours of the pages. Text must stand out from what's behind it by 4.5:1 (WCAG 2.2 AA).
    pub struct Colours {
        /// Headings, links and buttons.
        accent: Colour = default(Colour::rgb(0x5b, 0x2a, 0x86)),
        /// Text on the accent colour.
        on_accent: Colour = default(Colour::rgb(0xff, 0xff, 0xff)),
        /// Text.
        text: Colour = default(Colour::rgb(0x1d, 0x1d, 0x1f)),
        /// What is behind the text.
        background: Colour = default(Colour::rgb(0xff, 0xff, 0xff)),
    }
}

impl Check for Colours {
    fn check(&self, at: &Place<'_>) {
        let pairs = [
            ("on_accent", self.on_accent, "accent", self.accent),
            ("text", self.text, "background", self.background),
            ("accent", self.accent, "background", self.background),
        ];
        for (name, colour, behind_name, behind) in pairs {
            let contrast = colour.contrast(behind);
            at.expect(
                contrast >= 4.5,
                name,
                format!("`{name}` {colour} on `{behind_name}` {behind} has a contrast of {contrast:.1}:1: text needs 4.5:1"),
                "make one of the two darker or the other lighter, so that everybody can read it",
            );
        }
    }
}

section! {
    /// The imprint of list mail (Elections Act 2022 s.41): "Promoted by NAME of ADDRESS", or "Promoted by NAME of ADDRESS
    /// on behalf of NAME of ADDRESS". If nothing is set here, the party is its own promoter.
    pub struct Imprint {
        /// Who promotes, if not the party itself.
        promoter: Option<String> = optional("A. Agent"),
        /// The promoter's postal address, with its postcode.
        promoter_address: Option<String> = optional("2 Low Road, Leeds LS1 1AB"),
        /// On whose behalf. If a promoter is set and this is not, the party.
        on_behalf_of: Option<String> = optional("The Example Party"),
        /// The postal address of those, with its postcode.
        on_behalf_of_address: Option<String> = optional("1 High Street, Leeds LS1 1AA"),
    }
}

impl Check for Imprint {
    fn check(&self, at: &Place<'_>) {
        let pairs = [
            (
                "promoter",
                &self.promoter,
                "promoter_address",
                &self.promoter_address,
            ),
            (
                "on_behalf_of",
                &self.on_behalf_of,
                "on_behalf_of_address",
                &self.on_behalf_of_address,
            ),
        ];
        for (name_key, name, address_key, address) in pairs {
            if let Some(address) = address {
                check_postal_address(at, address_key, address);
            }
            at.expect(
                name.is_some() == address.is_some(),
                if name.is_some() { name_key } else { address_key },
                format!("`{name_key}` and `{address_key}` belong together: the imprint needs name and postal address"),
                "set both or neither",
            );
        }
    }
}

section! {
    /// Only if the party is a company: what SI 2015/17 wants on its mail and pages.
    pub struct Company {
        /// The registered name.
        name: String = required("Example Party Limited"),
        /// The registered number.
        number: String = required("01234567"),
        /// The part of the United Kingdom it's registered in.
        registered_in: String = required("England and Wales"),
        /// The registered office, with its postcode.
        registered_office: String = required("1 High Street, Leeds LS1 1AA"),
    }
}

impl Check for Company {
    fn check(&self, at: &Place<'_>) {
        check_postal_address(at, "registered_office", &self.registered_office);
    }
}

section! {
    /// How long things are kept. The privacy notice says the same. Not here, since they can't be changed: unconfirmed
    /// sign-ups go after 7 days, unconfirmed mail after 14, an address at once when its owner withdraws.
    pub struct Retention {
        /// Mail in mailboxes, from the last of its thread; a role may have another time (`keep` of its mailbox). What was
        /// moved or brought in by hand stays for 30 days at least.
        mail: Period = default(Period::months(24)),
        /// What is in the folder Junk, from when it was put there.
        junk: Period = default(Period::days(30)),
        /// What is in the folder Trash, from when it was put there.
        trash: Period = default(Period::days(30)),
        /// After how long a subscriber is asked whether they still want the mail.
        reconfirm: Period = default(Period::months(24)),
        /// What is left of a consent after withdrawal, as proof: no address, a keyed hash and times.
        evidence: Period = default(Period::years(6)),
        /// What was sent to lists, without who got it.
        archive: Period = default(Period::years(6)),
        /// Files of requests and complaints, once closed.
        requests: Period = default(Period::years(3)),
        /// Logs.
        logs: Period = default(Period::days(30)),
        /// Backups. What was erased is in them until then.
        backups: Period = default(Period::days(35)),
    }
}

impl Check for Retention {
    fn check(&self, at: &Place<'_>) {
        let at_most = [
            ("mail", self.mail, Period::years(10)),
            ("junk", self.junk, Period::years(2)),
            ("trash", self.trash, Period::years(2)),
            ("reconfirm", self.reconfirm, Period::months(24)),
            ("archive", self.archive, Period::years(10)),
            ("requests", self.requests, Period::years(6)),
            ("logs", self.logs, Period::days(90)),
            ("backups", self.backups, Period::days(35)),
        ];
        for (name, period, most) in at_most {
            at.expect(
                period.about_days() <= most.about_days(),
                name,
                format!("`{name}` is {period}: at most {most} can be justified"),
                format!("write \"{most}\" or less"),
            );
        }
        at.expect(
            self.evidence.about_days() >= Period::years(5).about_days(),
            "evidence",
            format!(
                "`evidence` is {}: claims can be made for 5 years (Scotland) or 6",
                self.evidence
            ),
            "write \"6 years\", or \"5 years\" in Scotland",
        );
    }
}

fn check_postal_address(at: &Place<'_>, key: &str, address: &str) {
    at.expect(
        has_postcode(address) && has_more_than_a_postcode(address),
        key,
        format!(
            "`{key}` has no {}: the law asks for a postal address where you can be reached",
            if has_postcode(address) {
                "street or town"
            } else {
                "postcode"
            }
        ),
        "write the whole address with its postcode, as in \"1 High Street, Leeds LS1 1AA\"",
    );
}

/// Whether a text that has a postcode says anything beside it.
pub(super) fn has_more_than_a_postcode(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] | [_] => false,
        [one, other] => {
            !has_postcode(&format!("{one} {other}")) || has_postcode(one) || has_postcode(other)
        }
        _ => true,
    }
}

/// Whether a text has what looks like a UK postcode (or a BFPO number): two words of letters and digits, or one.
pub(super) fn has_postcode(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let joined = |word: &&str| {
        word.len() >= 5 && is_outward(&word[..word.len() - 3]) && is_inward(&word[word.len() - 3..])
    };
    words.iter().any(joined)
        || words
            .windows(2)
            .any(|pair| is_outward(pair[0]) && is_inward(pair[1]))
        || words
            .windows(2)
            .any(|pair| pair[0] == "BFPO" && pair[1].parse::<u16>().is_ok())
}

/// `LS1`, `SW1A`, `M1`, `GIR`: one or two letters, a digit, perhaps one more letter or digit.
fn is_outward(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_uppercase).count();
    let rest = &word.as_bytes()[letters..];
    let more = matches!(rest, [first] | [first, _] if first.is_ascii_digit());
    word == "GIR" || ((1..=2).contains(&letters) && more)
}

/// `1AA`: a digit and two letters.
fn is_inward(word: &str) -> bool {
    matches!(word.as_bytes(), [digit, a, b]
        if digit.is_ascii_digit() && a.is_ascii_uppercase() && b.is_ascii_uppercase())
}
