//! From Ada's mail program to the copies outside.

use std::collections::BTreeSet;

use super::super::peer::{Dialogue, Post};
use super::super::signature::Verifier;
use super::super::stage::{DOMAIN, HOST, OFFICE};
use super::{ELEN, LEAFLET, SECOND, SENTENCE, SUBJECT, Step, Story, TOM, ensure};
use crate::control::api::mailing::{Approve, List, MailingReport, Preview};
use crate::store::MailingState;

impl Story {
    pub(super) async fn refused_in_the_clear(&mut self) -> Step {
        for door in ["smtp", "submission"] {
            let to = self.world.door(door)?;
            let (mut dialogue, _) = Dialogue::connect(to).await?;
            let hello = dialogue.command("EHLO client.example").await?;
            ensure(hello.offers("STARTTLS") && !hello.offers("AUTH"), || {
                format!("{door} offers {:?} before TLS", hello.lines)
            })?;
            let answer = dialogue
                .command(&format!("MAIL FROM:<{}>", self.world.sender.address))
                .await?;
            self.heard(&dialogue);
            ensure(answer.code == 530, || {
                format!("{door} answered {answer} to mail in the clear")
            })?;
            dialogue.quit().await;
        }
        Ok(())
    }

    pub(super) async fn send(&mut self) -> Step {
        self.submit(SUBJECT).await
    }

    /// Ada's mail program at work.
    async fn submit(&mut self, subject: &str) -> Step {
        let (to, trust) = (
            self.world.door("submissions")?,
            self.world.stage.trust().clone(),
        );
        let (mut dialogue, _) = Dialogue::connect_secured(to, &trust, HOST).await?;
        dialogue.command("EHLO client.example").await?;
        let ada = self.world.sender.clone();
        let answer = dialogue.log_in(ada.name, &ada.password).await?;
        ensure(answer.code == 235, || {
            format!("her password was answered {answer}")
        })?;
        let list = format!("news@{DOMAIN}");
        let answer = dialogue
            .post(Post {
                // As mail programs do: what stands in From stands in the envelope.
                from: OFFICE,
                to: &[&list],
                message: written(subject, &list).as_bytes(),
            })
            .await?;
        self.heard(&dialogue);
        dialogue.quit().await;
        ensure(answer.code == 250, || {
            format!("the mail was answered {answer}")
        })
    }

    pub(super) async fn approve(&mut self) -> Step {
        let held = self.current().await?;
        self.teller.saw(format!(
            "hustings mailing list: {} {:?}, to {}",
            held.list, held.state, held.counts.audience
        ));
        ensure(held.state == MailingState::Held, || {
            format!("the mailing is {:?}", held.state)
        })?;
        ensure(!self.came(ELEN, SUBJECT), || {
            "a copy left before the approval".to_owned()
        })?;
        self.let_go(held).await
    }

    /// The mailing that isn't over.
    async fn current(&self) -> Result<MailingReport, super::Amiss> {
        let mailings = self.world.socket().ask(List { current: true }).await?;
        let mut rows = mailings
            .rows
            .into_iter()
            .filter(|row| row.state == MailingState::Held);
        rows.next().ok_or_else(|| "no mailing is held".into())
    }

    /// Ben looks at what he approves, and approves that and nothing else.
    async fn let_go(&mut self, held: MailingReport) -> Step {
        let mailing = held.id.to_string();
        let preview = Preview {
            mailing: mailing.clone(),
        };
        let preview = self.world.socket().ask(preview).await?;
        let digest = preview.answer.digest;
        self.teller.saw(format!(
            "Ben: hustings mailing preview: {} bytes, digest {digest}",
            preview.body.len()
        ));
        let approve = Approve {
            mailing,
            digest: Some(digest),
            anyway: false,
        };
        let approved = self.world.socket().ask(approve).await?.answer;
        self.teller.saw(format!(
            "Ben: hustings mailing approve: {:?}, by {}",
            approved.state,
            approved.approved_by.join(" and ")
        ));
        ensure(approved.state != MailingState::Held, || {
            "it needs another approval".to_owned()
        })
    }

    fn came(&self, to: &str, subject: &str) -> bool {
        let mails = self.inbox().to(to);
        mails
            .iter()
            .any(|mail| mail.header("Subject").as_deref() == Some(subject))
    }

    pub(super) async fn copies(&mut self) -> Step {
        let verifier = self.verifier().await?;
        let mut paths = BTreeSet::new();
        for address in [ELEN, TOM] {
            let copy = self
                .arrives(address, |mail| {
                    mail.header("Subject").as_deref() == Some(SUBJECT)
                })
                .await?;
            let fields = [
                "From",
                "To",
                "Subject",
                "List-Id",
                "List-Unsubscribe",
                "List-Unsubscribe-Post",
            ];
            self.saw_mail(&copy, &fields);
            let to = copy.header("To").unwrap_or_default();
            ensure(
                copy.recipients == [address] && to.contains(address) && !to.contains(','),
                || {
                    format!(
                        "the copy is to {to}, in the envelope to {}",
                        copy.recipients.join(" and ")
                    )
                },
            )?;
            ensure(
                copy.header("From")
                    .is_some_and(|from| from.contains(OFFICE)),
                || "From isn't the list's identity".to_owned(),
            )?;
            ensure(copy.contains(SENTENCE), || {
                "the text isn't in the copy".to_owned()
            })?;
            let other = if address == ELEN { TOM } else { ELEN };
            ensure(!copy.contains(other), || {
                "another subscriber's address is in it".to_owned()
            })?;
            paths.insert(copy.reverse_path.clone());
            let checked = verifier
                .check(&copy.message())
                .await
                .map_err(|error| error.to_string())?;
            for (algorithm, passes) in &checked {
                self.teller.saw(format!(
                    "DKIM {algorithm}: {}",
                    if *passes { "pass" } else { "fail" }
                ));
            }
            ensure(
                checked.len() == 2 && checked.iter().all(|(_, passes)| *passes),
                || "a signature doesn't pass".to_owned(),
            )?;
            if address == ELEN {
                let way_out = copy.header("List-Unsubscribe").unwrap_or_default();
                let link = way_out
                    .split(['<', '>'])
                    .find(|part| part.starts_with("https://"));
                link.ok_or("List-Unsubscribe has no https address")?
                    .clone_into(&mut self.way_out);
            }
        }
        ensure(paths.len() == 2 && !paths.contains(""), || {
            "copies share a return path".to_owned()
        })
    }

    async fn verifier(&self) -> Result<Verifier, super::Amiss> {
        let rooms = self.world.rooms().ok_or("the vault is locked")?;
        let records = rooms.signing.records(rooms.clock.now());
        Verifier::new(DOMAIN, &records).map_err(|error| error.to_string().into())
    }

    pub(super) async fn second_mailing(&mut self) -> Step {
        self.checkpoints().await?;
        self.submit(SECOND).await?;
        let held = self.current().await?;
        let id = held.id;
        self.let_go(held).await?;
        let copy = self
            .arrives(TOM, |mail| {
                mail.header("Subject").as_deref() == Some(SECOND)
            })
            .await?;
        self.saw_mail(&copy, &["To", "Subject"]);
        // It is over: whatever was to be sent was.
        loop {
            let all = self.world.socket().ask(List { current: false }).await?.rows;
            let state = all.iter().find(|row| row.id == id).map(|row| row.state);
            if state == Some(MailingState::Done) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        self.teller.saw("hustings mailing list: it is done");
        ensure(!self.came(ELEN, SECOND), || {
            "Elen got a copy after she had withdrawn".to_owned()
        })?;
        self.teller.saw("nothing came to Elen");
        Ok(())
    }
}

/// What Ada's mail program writes.
fn written(subject: &str, to: &str) -> String {
    use base64::Engine as _;
    let leaflet = base64::engine::general_purpose::STANDARD.encode(LEAFLET);
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    [
        &format!("From: Example Party News <{OFFICE}>"),
        &format!("To: {to}"),
        &format!("Subject: {subject}"),
        &format!("Date: {date}"),
        "Message-ID: <1.walkthrough@client.example>",
        "User-Agent: A mail program",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=\"outer\"",
        "",
        "--outer",
        "Content-Type: multipart/alternative; boundary=\"inner\"",
        "",
        "--inner",
        "Content-Type: text/plain; charset=utf-8",
        "",
        &format!("{SENTENCE}."),
        "",
        "--inner",
        "Content-Type: text/html; charset=utf-8",
        "",
        &format!("<p><b>{SENTENCE}.</b></p>"),
        "--inner--",
        "--outer",
        "Content-Type: text/plain; name=\"leaflet.txt\"",
        "Content-Disposition: attachment; filename=\"leaflet.txt\"",
        "Content-Transfer-Encoding: base64",
        "",
        &leaflet,
        "--outer--",
        "",
    ]
    .join("\r\n")
}
