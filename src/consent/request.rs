//! A request that waits: what the page behind a challenge's link shows. Nothing here changes anything.

use jiff::Timestamp;

use super::constituency::Code;
use super::person::{Person, Suppressions};
use super::{Consent, ConsentError, Heard, Lang, Text, WordingDigest};
use crate::store::{AskedFor, AskedList, Request, RequestRecord};
use crate::vault::{ConfirmToken, TokenHash};

/// What the page behind a challenge's link shows. It doesn't name the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// What was asked for.
    pub lists: Vec<RequestedList>,
    /// The constituency that was chosen, to be mended if it's wrong.
    pub constituency: Option<Code>,
    /// The language of the form.
    pub language: Lang,
    /// Whether the full form is to be shown, and by what we heard of its reader: its post is the consent.
    pub full_form: Option<Heard>,
    /// When the request is erased.
    pub expires_at: Timestamp,
}

/// One list of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedList {
    /// Its key.
    pub key: String,
    /// Its title.
    pub title: Text,
    /// The statement as it was shown when the box was ticked; none where the full form is to be shown.
    pub statement: Option<String>,
    /// The language that it's written in: English, where the Welsh form has no Welsh for it.
    pub statement_lang: Lang,
}

impl Consent {
    /// What the page behind a challenge's link shows; none for a link that is unknown, used or expired. Changes nothing.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn open_request(&self, token: &str) -> Result<Option<RequestView>, ConsentError> {
        let Some(hash) = ConfirmToken::parse(token).map(|token| token.hash()) else {
            return Ok(None);
        };
        let Some((request, _)) = self.live_request(&hash).await? else {
            return Ok(None);
        };
        let asked = &request.record.asked;
        let code = asked.constituency.as_deref();
        Ok(Some(RequestView {
            lists: self.requested(&asked.lists).await?,
            constituency: code.and_then(|code| Code::parse(code).ok()),
            language: Lang::from_tag(&asked.language),
            full_form: wants_full_form(&request.record),
            expires_at: request.expires_at,
        }))
    }

    async fn requested(&self, asked: &[AskedList]) -> Result<Vec<RequestedList>, ConsentError> {
        let mut lists = Vec::with_capacity(asked.len());
        for one in asked {
            let Some(list) = self.live().settings.list(&one.list).cloned() else {
                continue;
            };
            let digest = one.wording.as_deref().and_then(WordingDigest::parse);
            let wording = match digest {
                None => None,
                Some(digest) => self.store().wording(&digest.0).await?,
            };
            let written = wording
                .as_ref()
                .map(|wording| match wording.text == list.statement.en {
                    true => Lang::En,
                    false => Lang::from_tag(&wording.language),
                });
            lists.push(RequestedList {
                key: one.list.clone(),
                title: list.title,
                statement: wording.map(|wording| wording.text),
                statement_lang: written.unwrap_or_default(),
            });
        }
        Ok(lists)
    }

    /// The request of this token, with what forbids writing to its person. "Never again" makes it void; one
    /// of after the rest is good.
    pub(super) async fn live_request(
        &self,
        hash: &TokenHash,
    ) -> Result<Option<(Request, Suppressions)>, ConsentError> {
        let now = self.clock().now();
        let Some(request) = self.store().request_by_token(hash, now).await? else {
            return Ok(None);
        };
        let person = Person::of(self.vault(), &request.record.asked.address);
        let suppressions = Suppressions::read(self.store(), &person.indexes).await?;
        Ok((!suppressions.at_rest(now)).then_some((request, suppressions)))
    }
}

/// Whether no words of ours were shown yet, or no age was stated; and by what we heard of the person. What an import says
/// was shown elsewhere: the person is shown what stands here now.
pub(super) fn wants_full_form(record: &RequestRecord) -> Option<Heard> {
    let asked = &record.asked;
    if record.imported {
        return Some(Heard::Import);
    }
    let lacks = asked.stated_age.is_none() || asked.lists.iter().any(|one| one.wording.is_none());
    let heard = if asked.entered_by.is_some() {
        Heard::Card
    } else if record.again {
        Heard::Again
    } else {
        Heard::Mail
    };
    (lacks || record.again).then_some(heard)
}

/// The request as it is once something else was asked for at the same address before anybody confirmed: its page is the
/// full form, so that nothing is consented to but what its reader saw and ticked, whoever asked. None if nothing else is
/// asked for.
pub(super) fn widened(waiting: &RequestRecord, asked: &AskedFor) -> Option<RequestRecord> {
    let mut wide = waiting.clone();
    let known = |one: &AskedList| waiting.asked.lists.iter().any(|old| old.list == one.list);
    // What a card or an import asked for stands in the evidence as its own.
    if waiting.asked.entered_by.is_none() {
        let more = asked.lists.iter().filter(|one| !known(one));
        wide.asked.lists.extend(more.cloned());
    }
    if asked.constituency.is_some() {
        wide.asked.constituency.clone_from(&asked.constituency);
    }
    wide.asked.language.clone_from(&asked.language);
    wide.again = true;
    let same = asked.lists.iter().all(known)
        && wide.asked.constituency == waiting.asked.constituency
        && wide.asked.language == waiting.asked.language;
    (!same).then_some(wide)
}
