//! Boxes that a style sheet makes before, after or out of a part of any element. An element's own style has no say over
//! them, so that a rule could lay one over it, or make its first letter or line vanish.

/// Pseudo-elements that draw nothing.
const NOTHING: [&str; 6] = [
    "selection",
    "-moz-selection",
    "placeholder",
    "-webkit-input-placeholder",
    "-moz-placeholder",
    "-ms-input-placeholder",
];
/// The old spelling, with one colon.
const OLD: [&str; 4] = [":before", ":after", ":first-line", ":first-letter"];

/// What a rule's selector makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Makes {
    Nothing,
    /// A box before or after, in which nothing but the end of floats is harmless.
    Box,
    Other,
}

/// Whether a sheet makes a box that shows anything, or can't be read well enough to tell.
pub fn draws(sheet: &str) -> bool {
    let (flat, mut odd) = flatten(sheet);
    let mut rules: Vec<Makes> = Vec::new();
    let mut current = String::new();
    let mut brackets = 0_usize;
    let mut draws = false;
    for c in flat.chars() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => {
                odd |= brackets == 0;
                brackets = brackets.saturating_sub(1);
            }
            '{' | '}' | ';' if brackets > 0 => odd = true,
            _ => {}
        }
        match c {
            '{' => {
                let outer = rules.last().copied().unwrap_or(Makes::Nothing);
                rules.push(outer.max(makes(&current)));
            }
            '}' | ';' => draws |= shows(rules.last(), &current),
            _ => current.push(c),
        }
        match c {
            '}' => odd |= rules.pop().is_none(),
            '{' | ';' => {}
            _ => continue,
        }
        current.clear();
    }
    draws |= shows(rules.last(), &current);
    draws || ((odd || brackets > 0) && makes(&flat) != Makes::Nothing)
}

fn makes(selector: &str) -> Makes {
    let modern = selector.split("::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_')));
        match &rest[..end.unwrap_or(rest.len())] {
            "before" | "after" => Makes::Box,
            name if NOTHING.contains(&name) => Makes::Nothing,
            _ => Makes::Other,
        }
    });
    let old = OLD.iter().filter(|old| selector.contains(**old));
    let old = old.map(|old| match *old {
        ":before" | ":after" => Makes::Box,
        // `::first-line` is found above.
        _ => Makes::Other,
    });
    modern.chain(old).max().unwrap_or(Makes::Nothing)
}

/// Whether a declaration in such a rule shows anything.
fn shows(rule: Option<&Makes>, declaration: &str) -> bool {
    let declaration = declaration.trim();
    match rule {
        None | Some(Makes::Nothing) => false,
        Some(_) if declaration.is_empty() => false,
        Some(Makes::Other) => true,
        Some(Makes::Box) => {
            let (property, value) = declaration.split_once(':').unwrap_or_default();
            let value = value.trim().trim_end_matches("!important").trim();
            !match property.trim() {
                "content" => matches!(value, "\"\"" | "none" | "normal"),
                "display" | "clear" | "visibility" => true,
                "height" | "font-size" | "line-height" => value.starts_with('0'),
                _ => false,
            }
        }
    }
}

/// A sheet in lower case without comments and escapes; a string is empty, or `"x"` if it says anything. With it, whether
/// a string was left open, or stands in an unquoted `url()`.
fn flatten(sheet: &str) -> (String, bool) {
    let mut out = String::with_capacity(sheet.len());
    let mut odd = false;
    let mut rest = sheet.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                let mut last = ' ';
                for c in rest.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '"' | '\'' => {
                let mut said = false;
                let mut closed = false;
                while let Some(inner) = rest.next() {
                    match inner {
                        '\\' => {
                            rest.next();
                            said = true;
                        }
                        '\n' => break,
                        inner if inner == c => {
                            closed = true;
                            break;
                        }
                        inner => said |= !inner.is_whitespace() && inner != '.',
                    }
                }
                odd |= !closed;
                out.push_str(if said { "\"x\"" } else { "\"\"" });
            }
            '\\' => out.push(escaped(&mut rest)),
            c => out.extend(c.to_lowercase()),
        }
    }
    (out, odd)
}

/// The character that an escape stands for, if it's one of a name; a name's any character else.
fn escaped(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> char {
    let mut code = 0_u32;
    let mut digits = 0;
    while let Some(digit) = rest
        .peek()
        .and_then(|c| c.to_digit(16))
        .filter(|_| digits < 6)
    {
        code = code * 16 + digit;
        digits += 1;
        rest.next();
    }
    let c = if digits > 0 {
        rest.next_if(|c| c.is_ascii_whitespace());
        char::from_u32(code)
    } else {
        rest.next()
    };
    c.map(|c| c.to_ascii_lowercase())
        .filter(|c| c.is_alphanumeric() || *c == '-')
        .unwrap_or('_')
}

#[cfg(test)]
mod tests {
    use super::draws;

    #[test]
    fn boxes_that_show_something_are_found() {
        for sheet in [
            "body::after{content:'';position:fixed;inset:0;background:#fff}",
            "DIV:Before { content: \"No\" }",
            "p::first-line{font-size:0}",
            "p:first-letter{color:#fff}",
            "p{&::after{content:'';outline:9999px solid #fff}}",
            "@media all{ p::\\62 efore{position:fixed} }",
            "p::be/**/fore, p::after{position:fixed",
            "html::scroll-button(down){content:'';position:fixed}",
            "a::after{x:(} b{position:fixed} )",
            "a::after{x:'\n} b{position:fixed}'}",
        ] {
            assert!(draws(sheet), "{sheet}");
        }
    }

    #[test]
    fn what_design_tools_write_is_not() {
        for sheet in [
            ".clearfix:after{content:\".\";display:block;height:0;clear:both;visibility:hidden}",
            ".row::before,.row::after{content:' ';display:table !important;}",
            "::-moz-selection{color:#fff} a:hover{position:relative}",
            "@media (max-width:600px){.x{width:100%!important}} @font-face{font-family:'a::after'}",
            "<!-- a:link{color:red} -->",
            "a{b:(} c{d",
        ] {
            assert!(!draws(sheet), "{sheet}");
        }
    }
}
