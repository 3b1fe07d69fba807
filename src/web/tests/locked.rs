//! While the vault is locked.

use super::*;

#[tokio::test]
async fn while_locked_only_the_way_out_is_open() {
    let web = house::locked(site());
    let css = web.site().templates().style_path().to_owned();
    let token = "a".repeat(61);
    let way_out = format!("/u/{token}");
    for (request, status) in [
        (fetch("/"), 503),
        (fetch("/privacy"), 503),
        (fetch("/nowhere"), 503),
        (fetch(&way_out), 200),
        (fetch(&format!("/n/{token}")), 200),
        (fetch("/u/short"), 404),
        (post_form("/", "email=a%40b.example"), 503),
        (post_form(&format!("/c/{token}"), ""), 503),
        (post_form(&format!("/a/{token}"), "decision=approve"), 503),
        (fetch(&css), 200),
        (fetch("/robots.txt"), 200),
        (post_form("/u/short", ""), 404),
        // It was not kept, and the page says so.
        (post_form(&way_out, ""), 503),
    ] {
        let uri = request.uri().to_string();
        let (answer, _) = ask_of(pages(Arc::clone(&web)), request).await;
        assert_eq!(answer.status().as_u16(), status, "{uri}");
        let wait = text(&answer, "retry-after");
        assert_eq!(wait.is_empty(), status != 503, "{uri}");
    }
}

/// The page of one token with its place left out.
async fn way_out_without_token(web: &Arc<Web>, way: &str, token: &str, query: &str) -> String {
    let request = fetch(&format!("/{way}/{token}{query}"));
    let (answer, html) = ask_of(pages(Arc::clone(web)), request).await;
    assert_eq!(answer.status().as_u16(), 200, "{way} {token}");
    assert!(html.contains(token) && !html.contains("class=\"subject\">News"));
    html.replace(token, "TOKEN")
}

#[tokio::test]
async fn while_locked_the_way_out_shows_its_button_alike_for_any_token() {
    let web = house::locked(site());
    for (way, query, button) in [
        ("u", "", "Stop these emails</button>"),
        ("u", "?lang=cy", "value=\"list\">Stopio"),
        ("n", "", "Never write to me again</button>"),
        (
            "n",
            "?lang=cy",
            "Peidiwch byth ag ysgrifennu ataf eto</button>",
        ),
    ] {
        let first = way_out_without_token(&web, way, &"a".repeat(61), query).await;
        assert!(
            first.contains(button) && first.contains("method=\"post\""),
            "{first}"
        );
        for other in ["b7".repeat(30), "z".repeat(32), "Q9x".repeat(32)] {
            let other = way_out_without_token(&web, way, &other, query).await;
            assert_eq!(other, first, "{way}{query}");
        }
    }
}

#[tokio::test]
async fn a_withdrawal_that_could_not_be_kept_says_so() {
    let token = "a".repeat(61);
    let (en, cy) = ("Your request was NOT taken", "NI dderbyniwyd eich cais");
    let full = house::locked(site());
    for (path, body, said) in [
        (format!("/u/{token}"), "", en),
        (format!("/n/{token}"), "", en),
        (format!("/u/{token}"), "lang=cy", cy),
        (format!("/n/{token}"), "lang=cy", cy),
        (format!("/u/{token}"), "List-Unsubscribe=One-Click", en),
    ] {
        let (answer, html) = ask_of(pages(Arc::clone(&full)), post_form(&path, body)).await;
        assert_eq!(answer.status().as_u16(), 503, "{path} {body}");
        assert!(
            html.contains(said) && html.contains("privacy@party.example"),
            "{html}"
        );
        assert!(!text(&answer, "retry-after").is_empty());
    }
    // Nor does a house without a free slot soothe.
    let (web, _directory) = house::open(site()).await;
    let _all = web.slots.try_acquire_many(256).expect("every slot");
    let (answer, html) = ask_of(
        pages(Arc::clone(&web)),
        post_form(&format!("/u/{token}"), ""),
    )
    .await;
    assert_eq!(answer.status().as_u16(), 503);
    assert!(html.contains(en), "{html}");
}

#[tokio::test]
async fn one_network_may_press_for_many_until_the_box_is_half_full() {
    let press = |web: &Arc<Web>, n: u32| {
        let request = post_form(&format!("/u/{n:061}"), "List-Unsubscribe=One-Click");
        let web = Arc::clone(web);
        async move { ask_of(pages(web), request).await.0.status().as_u16() }
    };
    let most = LOCKED_AN_HOUR.get();
    let filling = house::locked_with(site(), true);
    for n in 0..most {
        assert_eq!(press(&filling, n).await, 200, "{n}");
    }
    // A place becomes free every few seconds.
    let mut answers = Vec::new();
    for n in most..most + 20 {
        answers.push(press(&filling, n).await);
    }
    assert!(answers.contains(&503), "{answers:?}");
    // As long as there's room, it's only the box that says no (this one is full).
    let roomy = house::locked(site());
    for n in 0..=most {
        let _ = press(&roomy, n).await;
    }
    assert!(roomy.locked_posts.ask(Ipv4Addr::UNSPECIFIED.into()).is_ok());
    for _ in 1..most {
        let asked = roomy.locked_posts.ask(Ipv4Addr::UNSPECIFIED.into());
        assert!(asked.is_ok(), "no press was counted");
    }
}
