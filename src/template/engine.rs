//! The template engine with our words in it: what a template can call, and how its output is escaped.
//!
//! Beside minijinja's own, a template has the functions `t(key, place=value…)` (a sentence of the string table in
//! the language of the page; `{party}` is always filled), `link(path)` (keeps the language), `nation(name)` and
//! `imprint()`, and the filters `tr` (a party text in the language of the page), `foreign` (a `lang` attribute
//! where `tr` had to fall back) and `seat` (a constituency's names).

use std::sync::Arc;

use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::party::Lang;
use super::strings::{Strings, fill};

/// How deep includes and blocks may go.
const RECURSION: usize = 16;

/// An engine without templates.
pub(super) fn new(strings: &Arc<Strings>) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_recursion_limit(RECURSION);
    env.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    env.set_formatter(format_value);
    let table = Arc::clone(strings);
    env.add_function("t", move |state: &State, key: &str, places: Kwargs| {
        let sentence = translate(&table, state, key, &places)?;
        places.assert_all_used().map(|()| sentence)
    });
    let table = Arc::clone(strings);
    env.add_function("nation", move |state: &State, name: &str| {
        let key = format!("nation.{}", name.replace(' ', "_"));
        table.get(lang(state), &key).unwrap_or(name).to_owned()
    });
    let table = Arc::clone(strings);
    env.add_function("imprint", move |state: &State| imprint(&table, state));
    env.add_function("link", |state: &State, path: &str| {
        with_lang(path, lang(state))
    });
    env.add_filter("tr", |state: &State, text: &Value| {
        in_lang(text, lang(state))
    });
    env.add_filter("foreign", foreign);
    env.add_filter("seat", seat);
    env
}

/// A path that keeps the language of the page.
pub(super) fn with_lang(path: &str, lang: Lang) -> String {
    match lang {
        Lang::En => path.to_owned(),
        Lang::Cy => format!("{path}?lang=cy"),
    }
}

fn lang(state: &State) -> Lang {
    let tag = state.lookup("lang");
    Lang::from_tag(tag.as_ref().and_then(Value::as_str).unwrap_or_default())
}

fn translate(
    strings: &Strings,
    state: &State,
    key: &str,
    places: &Kwargs,
) -> Result<String, Error> {
    let sentence = strings
        .get(lang(state), key)
        .ok_or_else(|| invalid(format!("there is no text with the key {key}")))?;
    // A sentence may leave out what it is given, so every given place counts as used.
    for name in places.args() {
        places.get::<Value>(name)?;
    }
    fill(sentence, |place| match places.peek::<Value>(place) {
        Ok(value) => Some(value.to_string()),
        Err(_) if place == "party" => party(state, "name"),
        Err(_) => None,
    })
    .map_err(|place| invalid(format!("the text {key} needs {place}=…")))
}

/// Law G1: who promotes the material, and on whose behalf. Each of them is the party where nobody else is named.
fn imprint(strings: &Strings, state: &State) -> Result<String, Error> {
    let other = |who: &str| {
        let named = state.lookup("party")?.get_attr(who).ok()?;
        (!named.is_none() && !named.is_undefined()).then_some(named)
    };
    let (promoter, behalf) = (other("promoter"), other("behalf"));
    let key = if promoter.is_some() || behalf.is_some() {
        "site.imprint_behalf"
    } else {
        "site.imprint"
    };
    let sentence = strings
        .get(lang(state), key)
        .ok_or_else(|| invalid(format!("{key} is missing")))?;
    let of = |who: &Option<Value>, field: &str| match who {
        Some(who) => who.get_attr(field).ok().map(|value| value.to_string()),
        None => party(state, field),
    };
    fill(sentence, |place| match place {
        "promoter" => of(&promoter, "name"),
        "address" => of(&promoter, "address"),
        "party" => of(&behalf, "name"),
        "party_address" => of(&behalf, "address"),
        _ => None,
    })
    .map_err(|place| invalid(format!("the text {key} can't be filled with {place}")))
}

fn party(state: &State, field: &str) -> Option<String> {
    let value = state.lookup("party")?.get_attr(field).ok()?;
    (!value.is_undefined()).then(|| value.to_string())
}

fn in_lang(text: &Value, lang: Lang) -> Result<Value, Error> {
    let welsh = text.get_attr("cy")?;
    match lang {
        Lang::Cy if !welsh.is_none() && !welsh.is_undefined() => Ok(welsh),
        _ => text.get_attr("en"),
    }
}

/// ` lang="en"` where a Welsh page shows an English text (WCAG 3.1.2).
fn foreign(state: &State, text: &Value) -> Result<Value, Error> {
    let falls_back = lang(state) == Lang::Cy && text.get_attr("cy")?.is_none();
    Ok(Value::from_safe_string(if falls_back {
        " lang=\"en\"".to_owned()
    } else {
        String::new()
    }))
}

/// "Clwyd East / Dwyrain Clwyd", the page's own language first.
fn seat(state: &State, seat: &Value) -> Result<String, Error> {
    let name = seat.get_attr("name")?.to_string();
    let welsh = seat.get_attr("cy")?;
    if welsh.is_none() || welsh.as_str() == Some(name.as_str()) {
        return Ok(name);
    }
    Ok(match lang(state) {
        Lang::En => format!("{name} / {welsh}"),
        Lang::Cy => format!("{welsh} / {name}"),
    })
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// Writes a value. In HTML the five characters that matter are escaped, the slash of an address isn't; in text a
/// value can't begin a new line, so that no subject and no other server's words pass for ours.
fn format_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        let hint = "the value is none: ask for it with {% if … %} first";
        return Err(invalid(hint.to_owned()));
    }
    let text = value.to_string();
    match state.auto_escape() {
        _ if value.is_safe() => out.write_str(&text),
        AutoEscape::Html => escape(out, &text),
        _ => out.write_str(&text.replace(char::is_control, " ")),
    }
    .map_err(Error::from)
}

fn escape(out: &mut impl std::fmt::Write, text: &str) -> std::fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, special) = rest.split_at(at);
        out.write_str(before)?;
        out.write_str(match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        })?;
        rest = special.get(1..).unwrap_or_default();
    }
    out.write_str(rest)
}
