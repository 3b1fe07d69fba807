//! The rules for mails and for the footer of list mails.

use super::html::Html;
use super::pages::{FORBIDDEN, Verdict, must};
use crate::template::{FooterParts, Mail, Party, Tongues, sample};

/// What mails must hold.
pub(super) fn mail(name: &str, party: &Party, mail: &Mail, tongues: Tongues) -> Verdict {
    let html = mail.html.as_deref().map(Html::read);
    must(!mail.subject.is_empty(), "a mail needs a subject")?;
    let to_stranger = !matches!(
        name,
        "preview" | "not_approved" | "approval" | "waiting" | "delayed" | "dsn" | "delivered"
    );
    if to_stranger {
        let post = flat(&mail.text).contains(&party.address);
        must(post, "the mail must hold the postal address (law C4)")?;
        let privacy = mail.text.contains(&format!("{}/privacy", party.url));
        must(
            privacy,
            "the mail must link to the privacy notice (law A12)",
        )?;
    }
    let links: &[&str] = match name {
        "challenge" | "challenge_open" | "first_contact" => &[sample::LINK, sample::NEVER],
        "welcome" | "already" => &[sample::WAY_OUT],
        "stop" | "approval" => &[sample::LINK],
        _ => &[],
    };
    for link in links {
        let times = mail
            .text
            .lines()
            .filter(|line| line.trim() == *link)
            .count();
        must(
            times >= tongues.langs().len(),
            "a link of the mail is missing in its text",
        )?;
    }
    if name == "welcome" {
        must(
            flat(&mail.text).contains(&party.email),
            "the first mail must say whom to write to (law C2)",
        )?;
        let own = object_stands_alone(mail, html.as_ref());
        must(
            own,
            "the right to object needs a heading and a paragraph of its own (law C2)",
        )?;
    }
    html.map_or(Ok(()), |html| same_links(party, &html, &mail.text, links))
}

/// Law C2: the heading is a line of its own in the text and an element of its own in the HTML.
fn object_stands_alone(mail: &Mail, html: Option<&Html>) -> bool {
    let heading = |line: &&str| line.contains("RIGHT TO STOP") || line.contains("HAWL I STOPIO");
    let in_html = html.is_some_and(|html| html.all("h2").count() > 0);
    // A party may write another heading; what counts is that one stands there, in capitals, between empty lines.
    let in_text = mail.text.split("\n\n").any(|block| {
        heading(&block)
            || (block.lines().count() == 1 && block.len() > 8 && block == block.to_uppercase())
    });
    in_text && in_html
}

/// Law G14, G10: the text part holds every link of the HTML part, and no mail loads or runs anything.
fn same_links(party: &Party, html: &Html, text: &str, links: &[&str]) -> Verdict {
    for tag in &html.tags {
        let quiet =
            !FORBIDDEN.contains(&tag.name.as_str()) && tag.name != "img" && tag.name != "form";
        must(quiet, &format!("mails hold no <{}> (law G10)", tag.name))?;
        let loads = tag.attributes.iter().any(|(key, value)| {
            key == "src" || key == "background" || key.starts_with("on") || value.contains("url(")
        });
        must(!loads, "mails load nothing and run nothing (law G10)")?;
    }
    for href in html.links() {
        let known = links.contains(&href) || href == format!("{}/privacy", party.url);
        must(
            known,
            "a mail leads to its own links and the privacy notice, nowhere else (law B7)",
        )?;
        must(
            text.contains(href),
            "the text part must hold every link of the HTML part (law G14)",
        )?;
    }
    for link in links {
        let held = html.links().any(|href| href == *link);
        must(held, "a link of the mail is missing in its HTML")?;
    }
    Ok(())
}

/// Law C2, C4, G1, G2: imprint above the way out, the right to object, the reason, in text and in HTML.
pub(super) fn footer(party: &Party, footer: &FooterParts) -> Verdict {
    let html = Html::read(&footer.html);
    let texts = [("text", flat(&footer.text)), ("HTML", html.words.clone())];
    for (part, words) in &texts {
        let missing = |what| format!("the {part} footer must hold {what}");
        let imprint = words.contains(&party.name) && words.contains(&party.address);
        must(imprint, &missing("the imprint (law G1)"))?;
        must(
            words.contains(&party.email),
            &missing("the address to write to (law C4)"),
        )?;
    }
    let title = sample::titles()[0].en.clone();
    must(
        texts.iter().all(|(_, words)| words.contains(&title)),
        "the footer must say which list it is",
    )?;
    must(
        footer.text.contains(sample::WAY_OUT),
        "the text footer must hold the way out",
    )?;
    same_links(party, &html, &footer.text, &[sample::WAY_OUT])?;
    for (part, whole) in [("text", &footer.text), ("HTML", &footer.html)] {
        let (imprint, out) = (whole.find("LS1 4AP"), whole.find(sample::WAY_OUT));
        let above = imprint.zip(out).is_some_and(|(imprint, out)| imprint < out);
        must(
            above,
            &format!("in the {part} footer the imprint stands above the way out (law G2)"),
        )?;
    }
    Ok(())
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
