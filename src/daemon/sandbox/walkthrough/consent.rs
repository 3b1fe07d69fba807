//! From the form to the welcome mail; and the one click that ends it.

use std::time::Duration;

use super::super::browser::Form;
use super::super::reading::{links, show};
use super::{CONSTITUENCY, ELEN, Step, Story, TOM, ensure, expect_page};
use crate::consent::constituency::Constituencies;
use crate::control::api::subscriber::Find;

/// A form that comes back sooner was not filled by a person; the door knows.
const FILLING: Duration = Duration::from_millis(1_700);

impl Story {
    pub(super) async fn sign_up(&mut self) -> Step {
        let browser = self.world.browser()?;
        let mut forms = Vec::new();
        for address in [ELEN, TOM] {
            let page = browser.get("/").await?;
            expect_page(&page, 200)?;
            forms.push((address, page.form().ok_or("the page has no form")?));
        }
        tokio::time::sleep(FILLING).await;
        for (address, form) in forms {
            let answer = browser.submit(&filled(&form, address)).await?;
            expect_page(&answer, 200)?;
            self.teller.saw_all(browser.take_transcript());
            self.teller
                .saw(format!("the page says: {}", answer.heading()));
        }
        Ok(())
    }

    pub(super) async fn challenged(&mut self) -> Step {
        for address in [ELEN, TOM] {
            let mail = self.arrives(address, |_| true).await?;
            self.saw_mail(&mail, &["From", "To", "Subject", "Auto-Submitted"]);
            let text = show(&mail.message()).text;
            let link = links(&text).into_iter().find(|link| link.contains("/c/"));
            let link = link.ok_or("the mail has no link to confirm")?.to_owned();
            ensure(mail.reverse_path.is_empty(), || {
                "its reverse-path isn't null".to_owned()
            })?;
            self.confirm.push(link);
        }
        ensure(self.inbox().to(ELEN).len() == 1, || {
            "more than one mail came".to_owned()
        })
    }

    pub(super) async fn look(&mut self) -> Step {
        let browser = self.world.browser()?;
        for link in &self.confirm {
            let page = browser.get(link).await?;
            expect_page(&page, 200)?;
            self.teller.saw_all(browser.take_transcript());
            self.teller
                .saw(format!("the page asks: {}", page.heading()));
        }
        let found = self.find(ELEN).await?;
        self.teller
            .saw(format!("hustings subscriber find: {found}"));
        ensure(found == "not subscribed, waits for confirmation", || {
            format!("after a look at the link Elen is {found}")
        })
    }

    pub(super) async fn confirm(&mut self) -> Step {
        let browser = self.world.browser()?;
        for (address, link) in [ELEN, TOM].into_iter().zip(self.confirm.clone()) {
            let page = browser.get(&link).await?;
            let form = page.form().ok_or("the confirm page has no form")?;
            browser.take_transcript();
            let answer = browser.submit(&form).await?;
            expect_page(&answer, 200)?;
            self.teller.saw_all(browser.take_transcript());
            self.teller
                .saw(format!("the page says: {}", answer.heading()));
            let welcome = self
                .arrives(address, |mail| show(&mail.message()).text.contains("/u/"))
                .await?;
            self.saw_mail(&welcome, &["Subject"]);
        }
        let found = self.find(ELEN).await?;
        self.teller
            .saw(format!("hustings subscriber find: {found}"));
        ensure(found == "subscribed to news", || format!("Elen is {found}"))
    }

    pub(super) async fn one_click(&mut self) -> Step {
        let browser = self.world.browser()?;
        let page = browser.get(&self.way_out).await?;
        expect_page(&page, 200)?;
        let found = self.find(ELEN).await?;
        ensure(found == "subscribed to news", || {
            format!("after a look at the way out Elen is {found}")
        })?;
        // RFC 8058 §3.1: this body, and nothing that says who sends it.
        let fields = [("List-Unsubscribe", "One-Click")];
        let answer = browser.post(&self.way_out, &fields).await?;
        self.teller.saw_all(browser.take_transcript());
        ensure(answer.status.is_success(), || {
            format!("it answered {}", answer.status)
        })?;
        let found = self.find(ELEN).await?;
        self.teller
            .saw(format!("hustings subscriber find: {found}"));
        ensure(found.starts_with("not subscribed, suppressed"), || {
            format!("Elen is still {found}")
        })
    }

    /// What Ben sees of an address.
    async fn find(&self, address: &str) -> Result<String, super::Amiss> {
        let find = Find {
            address: address.to_owned(),
            reason: Some("to see what is held".to_owned()),
        };
        let found = self.world.socket().ask(find).await?.answer;
        let mut words = match &found.subscriber {
            Some(subscriber) if !subscriber.subscriptions.is_empty() => {
                let lists: Vec<_> = subscriber
                    .subscriptions
                    .keys()
                    .map(String::as_str)
                    .collect();
                format!("subscribed to {}", lists.join(" and "))
            }
            _ => "not subscribed".to_owned(),
        };
        if found.pending_until.is_some() {
            words += ", waits for confirmation";
        }
        if !found.suppressed.is_empty() {
            words += &format!(", suppressed for {}", found.suppressed.join(" and "));
        }
        Ok(words)
    }
}

fn filled(form: &Form, address: &str) -> Form {
    let seats = Constituencies::builtin();
    let seat = seats
        .by_name(CONSTITUENCY)
        .map_or_else(String::new, |seat| seat.code().as_str().to_owned());
    form.clone()
        .fill("email", address)
        .fill("constituency", &seat)
        .tick("list", "news")
        .tick("age", "yes")
}
