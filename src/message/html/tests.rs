//! The tokenizer, entities, CSS and the text alternative.

use proptest::prelude::*;

use super::css::{self, Load};
use super::entity;
use super::plain::from_html;
use super::token::{Kind, Tokens};

fn kinds(html: &str) -> Vec<String> {
    Tokens::new(html)
        .map(|token| match token.kind {
            Kind::Text(text) => format!("T {text}"),
            Kind::Start { name, attributes } => {
                let list: Vec<String> = attributes
                    .iter()
                    .map(|a| format!(" {}={}", a.name, a.value))
                    .collect();
                format!("S {name}{}", list.concat())
            }
            Kind::End(name) => format!("E {name}"),
            Kind::Raw { element, text } => format!("R {element} {text}"),
            Kind::Comment(text) => format!("C {text}"),
            Kind::Unclosed => "U".to_owned(),
        })
        .collect()
}

#[test]
fn tags_are_read_as_browsers_do() {
    for (html, expected) in [
        ("a<b", &["T a", "U"][..]),
        (
            "a < b <3 <>",
            &["T a ", "T <", "T  b ", "T <", "T 3 ", "T <", "T >"],
        ),
        ("<IMG/SRC=x/y ALT='a>b'>", &["S img src=x/y alt=a>b"]),
        ("<img src = \"x\"\n alt>", &["S img src=x alt="]),
        ("<img src=x src=y>", &["S img src=x src=y"]),
        ("<img =a=b c>", &["S img =a=b c="]),
        (
            "<a href=&#106;ava&#x53;cript&colon;x>",
            &["S a href=javaScript:x"],
        ),
        (
            "<scr\0ipt>x</script>",
            &["S script", "R script x", "E script"],
        ),
        ("<p/></p >", &["S p", "E p"]),
        (
            "</ x><?php y?><!doctype html><![if !mso]>",
            &["C  x", "C php y?", "C doctype html", "C [if !mso]"],
        ),
        (
            "<!-->a<!--->b<!--c--!>d<!-- -- > -->",
            &["C ", "T a", "C ", "T b", "C c", "T d", "C  -- > "],
        ),
        (
            "<style>a<b>c</styl></STYLE >x",
            &["S style", "R style a<b>c</styl>", "E style", "T x"],
        ),
        ("<title></title>x", &["S title", "E title", "T x"]),
        ("<!-- x", &["U"]),
        ("<style>x", &["S style", "U"]),
        ("<a href='x", &["U"]),
        ("</", &["T </"]),
        ("</>x", &["C ", "T x"]),
        ("<", &["T <"]),
    ] {
        assert_eq!(kinds(html), expected, "{html:?}");
    }
}

#[test]
fn entities_are_read_generously() {
    for (text, expected) in [
        ("&amp;&lt;&gt;&quot;&nbsp;", "&<>\"\u{a0}"),
        ("&amp &ltx &#65 &#x41;&#X41", "& <x A AA"),
        ("&Tab;&NewLine;&colon;&eacute;", "\t\n:\u{e9}"),
        (
            "&#0;&#x110000;&#99999999999999999999;",
            "\u{fffd}\u{fffd}\u{fffd}",
        ),
        ("&nope; &; &# &#x; a&b", "&nope; &; &# &#x; a&b"),
    ] {
        assert_eq!(entity::decode(text), expected, "{text}");
    }
}

#[test]
fn styles_hide_no_load() {
    let url = |target: &str| vec![Load::Url(target.to_owned())];
    for (style, expected) in [
        ("color:red", vec![]),
        ("background:url(http://x/y)", url("http://x/y")),
        ("background:URL( 'http://x/y' )", url("http://x/y")),
        ("background:\\75\\72\\6c(http://x)", url("http://x")),
        ("background:u\\rl(http://x)", url("http://x")),
        ("background:\\000075rl(http://x)", url("http://x")),
        ("@\\69mport 'http://x'", vec![Load::Forbidden("@import")]),
        (
            "width:expression(alert(1))",
            vec![Load::Forbidden("expression(")],
        ),
        ("scroll-behavior: smooth", vec![]),
        (r"v\:* {behavior:url(#default#VML);}", vec![]),
        (
            "behavior:url(#default#VML),url(//x.example)",
            vec![Load::Url("//x.example".into())],
        ),
        (
            "behavior :url(#x)",
            vec![Load::Forbidden("behavior:"), Load::Url("#x".into())],
        ),
        (
            "background:-webkit-image-set('a' 1x)",
            vec![Load::Forbidden("image-set(")],
        ),
    ] {
        assert_eq!(css::loads(style), expected, "{style}");
    }
    // Comments hide nothing, whichever way a reader cuts them.
    for style in [
        "content:\"/*\"; background:url(http://x); /* \"*/",
        "u/**/rl(http://x)",
        "/* url(http://x) */",
    ] {
        assert!(
            css::loads(style).contains(&Load::Url("http://x".into())),
            "{style}"
        );
    }
}

#[test]
fn html_becomes_readable_text_with_every_link() {
    let html = "<html><head><title>T</title><style>p{}</style></head><body><h1>Big  news</h1><p>See\n<a href=\"https://a.example/?a=1&amp;b=2\">our \
        page</a>, <a href=https://b.example/>https://b.example/</a> or <a href=mailto:x@y.example>x@y.example</a>.</p>\
        <ul><li>One<li>Two</ul><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table><img alt='A rose' src=cid:x>\
        <pre>  kept\n  so</pre><!-- gone --><a href=#top>up</a><br>end<a href=https://c.example/><img src=cid:y></a></body></html>";
    assert_eq!(
        from_html(html),
        "Big news\n\nSee our page <https://a.example/?a=1&b=2>, https://b.example/ or x@y.example.\n\n* One\n* Two\n\n\
         a b\nc\n\n[A rose]\n\n  kept\n  so\n\nup\nend<https://c.example/>\n"
    );
    assert_eq!(from_html(""), "\n");
}

proptest! {
    #[test]
    fn tokens_cover_the_text_without_gaps(html in "(<|>|</|<!--|-->|--|!|\\?|&|#|;|\"|'|=|/|style|script|a| |\\PC){0,60}") {
        let mut at = 0;
        for token in Tokens::new(&html) {
            prop_assert_eq!(token.at.start, at);
            prop_assert!(token.at.end > at);
            at = token.at.end;
        }
        prop_assert_eq!(at, html.len());
        let _ = from_html(&html);
    }

    #[test]
    fn what_is_escaped_comes_back(text in "\\PC{0,60}") {
        prop_assert_eq!(entity::decode(&entity::escape(&text)), text.clone());
        let html = format!("<a title=\"{}\">", entity::escape(&text));
        prop_assert_eq!(kinds(&html), [format!("S a title={text}")]);
    }

    #[test]
    fn no_style_does_harm(style in "(\\\\|url\\(|/\\*|\\*/|\\)|'|[0-9a-f]|\\PC){0,40}") {
        let _ = css::loads(&style);
    }
}
