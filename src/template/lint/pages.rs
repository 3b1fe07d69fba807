//! The rules for pages and for the wording. Each says what is missing in words that somebody who edits a template
//! understands.

use std::collections::BTreeSet;

use super::html::{Html, Tag};
use crate::template::{Lang, Party, Templates, sample};

pub(super) type Verdict = Result<(), String>;

/// Elements that run code, load from elsewhere or frame something.
pub(super) const FORBIDDEN: &[&str] = &[
    "script", "iframe", "frame", "object", "embed", "applet", "base", "style", "audio", "video",
    "source", "track", "picture", "portal",
];
/// Where a page may lead outside: the regulator, the constituency finder, the licence.
const OUTSIDE: &[&str] = &[
    "https://ico.org.uk/",
    "https://members.parliament.uk/",
    "https://www.nationalarchives.gov.uk/",
];

pub(super) fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// No page runs code, loads a foreign byte, ticks a box by itself or posts elsewhere.
pub(super) fn safe(html: &Html, style_path: &str) -> Verdict {
    html.tags
        .iter()
        .try_for_each(|tag| safe_tag(tag, style_path))
}

fn safe_tag(tag: &Tag, style_path: &str) -> Verdict {
    let name = tag.name.as_str();
    must(
        !FORBIDDEN.contains(&name),
        &format!("pages hold no <{name}>"),
    )?;
    for (key, value) in &tag.attributes {
        let handler = key.starts_with("on") && key.len() > 2;
        must(!handler, &format!("pages run no script, so no {key}="))?;
        must(
            key != "style",
            "pages have no style=: put it into pages/style.css",
        )?;
        must(
            key != "checked",
            "a box is never ticked beforehand (law B1)",
        )?;
        must(
            key != "http-equiv" && key != "ping",
            &format!("pages have no {key}="),
        )?;
        let loads = matches!(
            key.as_str(),
            "src" | "srcset" | "background" | "poster" | "data"
        );
        must(
            !loads || own_path(value),
            "pages load nothing from elsewhere (law G10)",
        )?;
    }
    if matches!(name, "form" | "button" | "input") {
        let targets = [tag.get("action"), tag.get("formaction")];
        let own = targets.into_iter().flatten().all(own_path);
        must(own, "a form posts to these pages alone")?;
    }
    if name == "form" {
        let posts = tag
            .get("method")
            .is_some_and(|method| method.eq_ignore_ascii_case("post"));
        must(
            posts,
            "a form needs method=\"post\": a link changes nothing (invariant 5)",
        )?;
    }
    if name == "link" {
        must(
            tag.get("href") == Some(style_path),
            "the only <link> is the stylesheet's",
        )?;
    }
    let outside = tag
        .get("href")
        .filter(|href| name == "a" && !own_path(href));
    match outside {
        Some(href) => safe_outside(tag, href),
        None => Ok(()),
    }
}

fn safe_outside(tag: &Tag, href: &str) -> Verdict {
    let anchor = href.starts_with('#') || href.starts_with("mailto:");
    let known = OUTSIDE.iter().any(|origin| href.starts_with(origin));
    must(anchor || known, &format!("a page can't lead to {href}"))?;
    let quiet = tag.get("rel").is_some_and(|rel| rel.contains("noreferrer"));
    must(
        anchor || quiet,
        "a link to elsewhere needs rel=\"noreferrer noopener\"",
    )
}

fn own_path(target: &str) -> bool {
    target.starts_with('/') && !target.starts_with("//") && !target.starts_with("/\\")
}

/// What every page must hold beside being safe.
fn every_page(templates: &Templates, lang: Lang, raw: &str, html: &Html) -> Verdict {
    let party = templates.party();
    let tagged = html
        .all("html")
        .any(|tag| tag.get("lang") == Some(lang.tag()));
    must(
        tagged,
        "the page must name its language: <html lang=\"{{ lang }}\">",
    )?;
    must(
        html.words.contains(&party.name),
        "the page must name the party",
    )?;
    let privacy = html.links().any(|href| href.starts_with("/privacy"));
    must(privacy, "the page must link to /privacy (law A12)")?;
    must(
        html.words.contains(&party.address),
        "the page must hold the imprint (law G1)",
    )?;
    let company = party.company.as_ref();
    must(
        company.is_none_or(|company| html.words.contains(&company.number)),
        "the page must hold the company's particulars: {{ t(\"site.company\", …) }} (law G6)",
    )?;
    must(html.all("h1").count() == 1, "a page has one <h1>")?;
    let mut ids = BTreeSet::new();
    let own = |tag: &Tag| tag.get("id").is_none_or(|id| ids.insert(id.to_owned()));
    must(html.tags.iter().all(own), "no two elements may share an id")?;
    must(
        !raw.contains("<b>typed</b>"),
        "a typed value was not escaped: take |safe away",
    )
}

/// What each page must hold beside being safe.
pub(super) fn page(
    name: &str,
    templates: &Templates,
    lang: Lang,
    raw: &str,
    html: &Html,
) -> Verdict {
    every_page(templates, lang, raw, html)?;
    match name {
        "signup" => {
            fields(
                html,
                &[
                    "email",
                    "constituency",
                    "list",
                    "age",
                    "stamp",
                    "lang",
                    "nectar",
                ],
            )?;
            consent(templates, lang, html)?;
            buttons(html, 1)
        }
        "full_form" => {
            fields(html, &["constituency", "list", "age", "stamp", "lang"])?;
            consent(templates, lang, html)?;
            buttons(html, 1)
        }
        "confirm" => {
            fields(html, &["constituency", "lang"])?;
            let choices = sample::choices(templates);
            let all = choices
                .iter()
                .all(|choice| html.words.contains(&choice.statement.en));
            must(
                all,
                "the page must show the words that were agreed to, unchanged",
            )?;
            buttons(html, 1)
        }
        "unsubscribe" => {
            let boxes = html
                .all("input")
                .filter(|tag| tag.get("type") != Some("hidden"));
            must(
                boxes.count() == 0,
                "the way out is one button: no field to fill (law B9)",
            )?;
            let values: Vec<_> = html.all("button").map(|tag| tag.get("value")).collect();
            must(
                values == [Some("list"), Some("all")] || values == [Some("all")],
                "the page needs the buttons name=\"scope\" with value=\"list\" (for a list) and value=\"all\"",
            )
        }
        "never" | "met" => buttons(html, 1),
        "approve" => {
            let digest = html.words.contains(sample::DIGEST);
            must(
                digest,
                "the page must show the digest that the approval is bound to",
            )?;
            fields(html, &["code", "lang"])?;
            buttons(html, 2)
        }
        "subscribed" => {
            let out = html.links().any(|href| href.starts_with("/u/"));
            must(out, "the page must show the way out (law B9)")
        }
        "privacy" => privacy_items(templates.party(), lang, html),
        _ => Ok(()),
    }
}

fn fields(html: &Html, names: &[&str]) -> Verdict {
    let held: BTreeSet<_> = html.tags.iter().filter_map(|tag| tag.get("name")).collect();
    let missing = names.iter().find(|name| !held.contains(*name));
    missing.map_or(Ok(()), |name| {
        Err(format!("the form needs the field name=\"{name}\""))
    })
}

fn buttons(html: &Html, wanted: usize) -> Verdict {
    let count = html.all("button").count();
    must(
        count == wanted,
        &format!("the page has {wanted} button, not {count}"),
    )
}

/// Law A1, B3: a box for each list and none for several, with the statement beside it, unchanged.
fn consent(templates: &Templates, lang: Lang, html: &Html) -> Verdict {
    for choice in sample::choices(templates) {
        let is_box = |tag: &&Tag| tag.get("type") == Some("checkbox");
        let own = html
            .all("input")
            .filter(is_box)
            .filter(|tag| tag.get("value") == Some(&choice.key));
        must(
            own.count() == 1,
            "each list needs one box of its own (law B3)",
        )?;
        let shown = html.words.contains(choice.statement.get(lang));
        must(
            shown,
            "the consent statement must stand beside its box, unchanged (law A1)",
        )?;
    }
    let age = templates.age_statement(16);
    must(
        html.words.contains(age.get(lang)),
        "the statement of age must stand beside its box (law B12)",
    )
}

/// Law A12: the twelve items of a privacy notice, and no article that has been repealed.
fn privacy_items(party: &Party, lang: Lang, html: &Html) -> Verdict {
    let notice = sample::privacy();
    let words = html.words.as_str();
    let has = |needles: &[&str]| needles.iter().all(|needle| words.contains(needle));
    let say = |en, cy| if lang == Lang::En { en } else { cy };
    let purposes: Vec<_> = sample::purposes()
        .iter()
        .map(|p| p.get(lang).to_owned())
        .collect();
    let items = [
        (
            "the controller and its contact",
            has(&[&party.name, &party.address, &party.email]),
        ),
        (
            "the data protection officer",
            has(&[notice.dpo.as_deref().unwrap_or_default()]),
        ),
        (
            "the purposes and the legal basis",
            purposes.iter().all(|p| words.contains(p)) && has(&["9(2)(a)", "6(1)(a)"]),
        ),
        ("the recipients", has(&[notice.recipients[0].get(lang)])),
        (
            "transfers",
            notice
                .location
                .as_ref()
                .is_some_and(|text| has(&[text.get(lang)])),
        ),
        ("how long data is kept", has(&["24", "35", "30"])),
        ("the rights", has(&[say("right to see", "hawl i weld")])),
        (
            "withdrawing consent",
            has(&[say("withdraw your consent", "dynnu eich cydsyniad yn ôl")]),
        ),
        ("complaining to the party", has(&["164A"])),
        ("complaining to the Commission", has(&["ico.org.uk", "165"])),
        (
            "that nothing obliges anybody",
            has(&[say(
                "No law or contract obliges",
                "Nid oes cyfraith na chontract",
            )]),
        ),
        (
            "automated decisions",
            has(&[say("no automated decisions", "penderfyniadau awtomataidd")]),
        ),
    ];
    for (item, held) in items {
        must(
            held,
            &format!("the privacy notice must say: {item} (law A12)"),
        )?;
    }
    let repealed = has(&["Article 77"]) || has(&["article 77"]) || has(&["erthygl 77"]);
    must(
        !repealed,
        "article 77 is repealed: cite section 164A and section 165 of the 2018 Act",
    )
}

/// The longest consent statement that is still read, in characters.
const LONGEST_STATEMENT: usize = 700;

/// Law B2 and B5: who, why, what is done, and that it can be withdrawn, in a text that can be read.
pub(super) fn wording(party: &Party, lang: Lang, statement: &str, purpose: &str) -> Verdict {
    let lower = statement.to_lowercase();
    let (reveals, withdraw) = match lang {
        Lang::En => ("political opinion", "withdraw"),
        Lang::Cy => ("arn wleidyddol", "dynnu fy nghydsyniad yn ôl"),
    };
    must(
        statement.contains(&party.name),
        "the consent statement must name the party (law B5)",
    )?;
    must(
        statement.contains(purpose),
        "the consent statement must say what it is for, with {purpose} (law B5)",
    )?;
    let what = lower.contains("e-mail") || lower.contains("email") || lower.contains("e-bost");
    must(
        what,
        "the consent statement must say what will be done: e-mail is sent (law B5)",
    )?;
    let explicit = lower.contains(reveals);
    must(
        explicit,
        "the consent statement must say that it tells of political opinions (law A1)",
    )?;
    let out = lower.contains(withdraw);
    must(
        out,
        "the consent statement must say that it can be withdrawn (law B5)",
    )?;
    let short = statement.chars().count() <= LONGEST_STATEMENT;
    must(
        short,
        "the consent statement is too long to be read (law B2)",
    )
}

/// The stylesheet loads nothing.
pub(super) fn style(style: &str) -> Verdict {
    must(!style.is_empty(), "the stylesheet is empty")?;
    let loads = style.contains("url(") || style.contains("@import") || style.contains("image-set(");
    must(
        !loads,
        "the stylesheet loads nothing: no url(), no @import (law G10)",
    )
}
