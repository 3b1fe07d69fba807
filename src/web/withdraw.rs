//! The ways out: the page behind the link in every mail, the one-click POST of mail programs (RFC 8058), and "never write
//! to me again". The link alone is enough: nothing else that is posted is needed, and nothing can spoil it.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::answer::{Asked, not_stopped, notice, page, way_out_unknown};
use super::form::{Fields, Scope};
use super::locked::{self, LockedWithdrawal};
use super::{LATER, Open, Peer, Web};
use crate::consent::{Extent, WithdrawalChannel, WithdrawalView};
use crate::template::{Lang, Never, NoticeKind, Unsubscribe, Unsubscribed, Visit};

/// `GET /u/TOKEN`. While the vault is locked it names no list, for no token can be read.
pub(super) async fn form(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    asked: Asked,
) -> Response {
    let (site, title) = match web.opened() {
        Some(open) => {
            let view = open.consent().withdrawal_page(&token);
            let title = view.map(|view| title(&open, view));
            (open.site, title)
        }
        None => {
            let site = web.site();
            let title = locked::may_be_token(&token).then(|| Some(site.templates().unnamed_list()));
            (site, title)
        }
    };
    let Some(title) = title else {
        return way_out_unknown(&site, asked.lang);
    };
    let action = &format!("/u/{token}");
    let visit = Visit {
        lang: asked.lang,
        path: Some(action),
    };
    let list = title.as_ref();
    page(&site, StatusCode::OK, visit, &Unsubscribe { list, action })
}

/// `POST /u/TOKEN`: the page's buttons, and the one-click POST.
pub(super) async fn post(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let posted = Posted::read(&headers, body.unwrap_or_default()).await;
    let withdrawal = LockedWithdrawal {
        extent: match posted.scope {
            Scope::List => Extent::AsToken,
            Scope::All => Extent::AllLists,
        },
        channel: posted.channel,
        at: Some(web.clock.now()),
        token,
    };
    let open = match locked::open_or_keep(&web, peer, posted.lang, &withdrawal).await {
        ControlFlow::Continue(open) => open,
        ControlFlow::Break(answer) => return answer,
    };
    let consent = open.consent().clone();
    let done = web
        .whole(async move { withdrawal.apply(&consent).await })
        .await;
    match done {
        Ok(Ok(Some(view))) => {
            let title = title(&open, view);
            let view = Unsubscribed {
                list: title.as_ref(),
            };
            page(
                &open.site,
                StatusCode::OK,
                Visit::answer(posted.lang),
                &view,
            )
        }
        Ok(Ok(None)) => way_out_unknown(&open.site, posted.lang),
        Ok(Err(error)) => not_stopped(&open.site, posted.lang, LATER, &error),
        Err(error) => not_stopped(&open.site, posted.lang, LATER, &error),
    }
}

/// `GET /n/TOKEN`.
pub(super) async fn never_form(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    asked: Asked,
) -> Response {
    let (site, known) = match web.opened() {
        Some(open) => {
            let known = open.consent().withdrawal_page(&token).is_some();
            (open.site, known)
        }
        None => (web.site(), locked::may_be_token(&token)),
    };
    if !known {
        return way_out_unknown(&site, asked.lang);
    }
    let action = &format!("/n/{token}");
    let visit = Visit {
        lang: asked.lang,
        path: Some(action),
    };
    page(&site, StatusCode::OK, visit, &Never { action })
}

/// `POST /n/TOKEN`.
pub(super) async fn never_post(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let lang = Posted::read(&headers, body.unwrap_or_default()).await.lang;
    let withdrawal = LockedWithdrawal {
        extent: Extent::NeverAgain,
        channel: WithdrawalChannel::Page,
        at: Some(web.clock.now()),
        token,
    };
    let open = match locked::open_or_keep(&web, peer, lang, &withdrawal).await {
        ControlFlow::Continue(open) => open,
        ControlFlow::Break(answer) => return answer,
    };
    let consent = open.consent().clone();
    let done = web
        .whole(async move { withdrawal.apply(&consent).await })
        .await;
    match done {
        Ok(Ok(Some(_))) => notice(&open.site, StatusCode::OK, lang, NoticeKind::NeverDone),
        Ok(Ok(None)) => way_out_unknown(&open.site, lang),
        Ok(Err(error)) => not_stopped(&open.site, lang, LATER, &error),
        Err(error) => not_stopped(&open.site, lang, LATER, &error),
    }
}

/// The title of the list that a withdrawal is about; none for all of them.
fn title(open: &Open, view: WithdrawalView) -> Option<crate::template::Text> {
    match view {
        WithdrawalView::All => None,
        WithdrawalView::List(title) => {
            Some(title.unwrap_or_else(|| open.site.templates().unnamed_list()))
        }
    }
}

/// What a POST says beside its link.
struct Posted {
    scope: Scope,
    channel: WithdrawalChannel,
    lang: Lang,
}

impl Posted {
    /// Reads it as far as it can be read. RFC 8058 section 3.1: a one-click POST is `application/x-www-form-urlencoded`
    /// or `multipart/form-data`; no page of ours posts the latter.
    async fn read(headers: &HeaderMap, body: Bytes) -> Self {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let fields = Fields::of(body).await;
        let one_click = is_multipart(kind) || fields.all("List-Unsubscribe").next().is_some();
        Self {
            scope: Scope::read(&fields),
            channel: match one_click {
                true => WithdrawalChannel::OneClick,
                false => WithdrawalChannel::Page,
            },
            lang: fields.lang(),
        }
    }
}

fn is_multipart(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("multipart/form-data")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &'static str, body: &str) -> Posted {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
        Posted::read(&headers, Bytes::copy_from_slice(body.as_bytes())).await
    }

    const FORM: &str = "application/x-www-form-urlencoded";
    const PARTS: &str = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";

    #[tokio::test]
    async fn tells_a_mail_programs_button_from_the_pages() {
        for (kind, body, channel) in [
            (
                FORM,
                "List-Unsubscribe=One-Click",
                WithdrawalChannel::OneClick,
            ),
            (
                "multipart/form-data; boundary=x",
                PARTS,
                WithdrawalChannel::OneClick,
            ),
            ("Multipart/Form-Data", "", WithdrawalChannel::OneClick),
            (FORM, "lang=en&scope=list", WithdrawalChannel::Page),
            ("text/plain", "", WithdrawalChannel::Page),
        ] {
            let posted = read(kind, body).await;
            assert_eq!(posted.channel, channel, "{kind} {body}");
            assert_eq!(posted.scope, Scope::List, "{kind} {body}");
        }
    }

    #[tokio::test]
    async fn broken_forms_still_name_their_link() {
        for body in ["scope=%ff", "=&=&&&", "scope=al%", &"a=b&".repeat(80)] {
            assert_eq!(read(FORM, body).await.scope, Scope::List);
        }
        assert_eq!(read(FORM, "lang=cy&scope=all").await.scope, Scope::All);
        assert_eq!(read(FORM, "lang=cy&scope=all").await.lang, Lang::Cy);
    }
}
