//! Words by which the electoral register gives itself away, or data that was bought: neither is a consent (law rows A1
//! and G7). Generous on purpose: a pile of cards can be named in other words, and a register that was taken for a
//! consent can't be made good again.

/// Anywhere in a text, whatever stands between its letters.
const PARTS: &[&str] = &[
    "elector",
    "voter",
    "electroll",
    "electreg",
    "eroll",
    "pollingdistrict",
    "pollingstation",
    "pollnumber",
    "pollno",
    "rollnumber",
    "rollno",
    "absentvot",
    "postalvot",
    "proxyvot",
    "markedup",
    "canvass",
    "attainer",
    "dateofattainment",
    // In Welsh.
    "etholiadol",
    "etholwr",
    "etholwyr",
    "etholfraint",
    "pleidleisiwr",
    "pleidleiswyr",
    "pleidleisiopost",
    "canfas",
];
/// As words of their own: what they begin is often something else.
const WORDS: &[&str] = &[
    "er",
    "ero",
    "roe",
    "rov",
    "register",
    "registers",
    "roll",
    "rolls",
    "cofrestr",
    "cofrestrau",
    "gofrestr",
];
/// Data that somebody sold.
const BOUGHT: &[&str] = &[
    "bought",
    "purchas",
    "databroker",
    "listbroker",
    "datasupplier",
    "datavendor",
    "dataprovider",
    "marketinglist",
    "rentedlist",
    "hiredlist",
    "experian",
    "equifax",
    "acxiom",
    "transunion",
    "prynwyd",
    "brynwyd",
    "wediprynu",
    "wediuprynu",
    "wedieuprynu",
];

/// Whether a column's name, a source or a batch tells of the electoral register.
pub(in crate::consent) fn tells_of_register(text: &str) -> bool {
    let (words, packed) = plain(text);
    // `E.R.` is two words of one letter.
    let letters = words
        .windows(2)
        .any(|pair| pair[0] == "e" && pair[1] == "r");
    letters
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || PARTS.iter().any(|part| packed.contains(part))
}

/// Whether it tells of data that was bought.
pub(in crate::consent) fn tells_of_purchase(text: &str) -> bool {
    let (_, packed) = plain(text);
    BOUGHT.iter().any(|part| packed.contains(part))
}

/// The words in lower case, and their letters alone.
fn plain(text: &str) -> (Vec<String>, String) {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let packed = words.concat();
    (words, packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_gives_itself_away() {
        for text in [
            "ER",
            "E.R. 2025",
            "e-roll",
            "voters' roll",
            "ELECTORALREGISTER",
            "electoral-register",
            "polling station register",
            "Absent voters list",
            "council register",
            "cofrestr etholiadol",
            "y gofrestr lawn",
            "rhestr etholwyr",
            "canvass data",
            "Full register extract",
            "open register",
            "register of electors",
            "voter file",
            "Poll Number",
            "elector_number",
            "date of attainment",
            "ERO extract",
            "electors list",
        ] {
            assert!(tells_of_register(text), "{text}");
        }
        for text in [
            "bought from DataCo",
            "Purchased list",
            "data broker",
            "Experian",
            "data wedi'u prynu",
        ] {
            assert!(tells_of_purchase(text), "{text}");
        }
    }

    #[test]
    fn a_stall_is_no_register() {
        for text in [
            "stall 7",
            "election stall May 2024",
            "Cardiff, stondin etholiad",
            "etholaeth Caerdydd",
            "website form",
            "sign-up cards 2025",
            "Mailchimp export",
            "registered supporters",
            "doorstep cards",
            "constituency dinner",
            "",
        ] {
            assert!(
                !tells_of_register(text) && !tells_of_purchase(text),
                "{text}"
            );
        }
    }
}
