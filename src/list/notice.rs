//! What staff are told of a held mailing: the sender gets a preview, the other approvers a link each.

use bytes::Bytes;
use jiff::SignedDuration;

use super::accept::{audience_for, hex};
use super::approve::bound;
use super::settings::{MailingList, Terms};
use super::{ListError, Mailings, sample};
use crate::id::MessageId;
use crate::message::compose::{Automatic, SystemMail, compose};
use crate::message::outline::outline;
use crate::message::segment::Prepared;
use crate::staff::{Actor, Member};
use crate::store::{
    ApprovalLink, Delivery, Mailing, MailingRecord, MessageRecord, OutlineRow, OwnMessage, Role,
    SpecialUse, Step,
};
use crate::template::{Approval, Mail, NotApproved, Preview, TemplateError, Text, Tongues};
use crate::vault::ConfirmToken;

/// How long a link works.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(24 * 7);
/// How many digits of its number a mailing is called by.
pub(super) const SHORT: usize = 8;

/// The steps that put the notices into their mailboxes. The links that are made stand in the mailing's record.
pub(super) fn write(
    room: &Mailings,
    terms: &Terms,
    sender: &Actor,
    prepared: &Prepared,
    mailing: &mut Mailing,
) -> Result<Vec<Step>, ListError> {
    let (list, _) = terms.list(&mailing.record.list).ok_or(ListError::Unknown)?;
    let mut steps = preview(room, terms, list, sender, prepared, mailing)?;
    if mailing.record.second_person {
        let roll = room.staff().roll();
        let others = roll.with_role(Role::Approver);
        for approver in others.filter(|one| one.id != sender.id()) {
            steps.extend(ask(room, terms, list, sender, approver, mailing)?);
        }
    }
    Ok(steps)
}

/// The steps that tell the sender of a mailing that nobody approved in time; none if that account is closed.
pub(super) fn not_approved(
    room: &Mailings,
    terms: &Terms,
    mailing: &Mailing,
    now: jiff::Timestamp,
) -> Result<Vec<Step>, ListError> {
    let record = &mailing.record;
    let Some(sender) = room.staff().actor(record.sender) else {
        return Ok(Vec::new());
    };
    let list = terms.settings.list(&record.list);
    let title = list.map_or_else(
        || Text::english(record.list.clone()),
        |list| list.title.clone(),
    );
    let names = part_of(terms, record);
    let view = NotApproved {
        subject: &record.subject,
        list: &title,
        audience: names.as_deref(),
    };
    let mail = terms.settings.templates.mail(Tongues::English, &view);
    let mail = mail.map_err(template)?;
    let bytes = compose_for(terms, sender.member(), &mail, now)?;
    keep(room, sender.member(), now, &bytes)
}

fn preview(
    room: &Mailings,
    terms: &Terms,
    list: &MailingList,
    sender: &Actor,
    prepared: &Prepared,
    mailing: &Mailing,
) -> Result<Vec<Step>, ListError> {
    let record = &mailing.record;
    let copy = sample::copy(terms, prepared, record.created_at)?;
    let id = mailing.id.to_string();
    let names = part_of(terms, record);
    let view = Preview {
        id: id.get(..SHORT).unwrap_or(&id),
        subject: &record.subject,
        list: &list.title,
        audience: names.as_deref(),
        count: &audience_for(record, sender.has(Role::Admin)).to_string(),
        size: &size(copy.len()),
        second_person: record.second_person,
    };
    let mail = terms.settings.templates.mail(Tongues::English, &view);
    let mail = mail.map_err(template)?;
    let bytes = compose_for(terms, sender.member(), &mail, record.created_at)?;
    keep(
        room,
        sender.member(),
        record.created_at,
        &attach(&bytes, &copy),
    )
}

fn ask(
    room: &Mailings,
    terms: &Terms,
    list: &MailingList,
    sender: &Actor,
    approver: &Member,
    mailing: &mut Mailing,
) -> Result<Vec<Step>, ListError> {
    let record = &mut mailing.record;
    let token = ConfirmToken::generate();
    let expires_at = record
        .created_at
        .saturating_add(LINK_LIFE)
        .unwrap_or(record.created_at);
    record.links.push(ApprovalLink {
        staff: approver.id,
        bound: bound(&token, &record.digest),
        expires_at,
    });
    let names = part_of(terms, record);
    let link = format!("{}/a/{}", terms.settings.base_url, token.to_text().as_str());
    let view = Approval {
        subject: &record.subject,
        list: &list.title,
        audience: names.as_deref(),
        sender: sender.name(),
        count: &audience_for(record, approver.has(Role::Admin)).to_string(),
        link: &link,
        until: &expires_at.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    };
    let mail = terms.settings.templates.mail(Tongues::English, &view);
    let mail = mail.map_err(template)?;
    let at = record.created_at;
    let bytes = compose_for(terms, approver, &mail, at)?;
    keep(room, approver, at, &bytes)
}

fn compose_for(
    terms: &Terms,
    to: &Member,
    mail: &Mail,
    date: jiff::Timestamp,
) -> Result<Vec<u8>, ListError> {
    let settings = &terms.settings;
    let address = to.addresses.first().unwrap_or(&settings.notices_from);
    let party = settings.templates.party();
    let message_id = format!("{}@{}", MessageId::random(), settings.mail_domain);
    let mail = SystemMail {
        from_name: &party.name,
        from: settings.notices_from.as_str(),
        to: address.as_str(),
        reply_to: None,
        subject: &mail.subject,
        date,
        message_id: &message_id,
        in_reply_to: None,
        automatic: Automatic::Generated,
        way_out: None,
        text: &mail.text,
        html: mail.html.as_deref(),
    };
    compose(&mail).map_err(|error| ListError::Notice(error.to_string()))
}

/// The steps that put a notice into a staff member's own mailbox: it never leaves the server.
fn keep(
    room: &Mailings,
    to: &Member,
    at: jiff::Timestamp,
    bytes: &[u8],
) -> Result<Vec<Step>, ListError> {
    let record = MessageRecord {
        received_at: at,
        size: 0,
        reverse_path: None,
        recipients: to
            .addresses
            .first()
            .map(ToString::to_string)
            .into_iter()
            .collect(),
        submitted_by: None,
    };
    let message = OwnMessage::new(room.vault(), record, bytes);
    let outline = OutlineRow::new(room.vault(), message.id(), &outline(bytes).to_bytes());
    let delivery = Delivery::new(to.id.into(), SpecialUse::Inbox, message.id(), at);
    Ok(vec![
        Step::PutMessage(message),
        Step::PutOutline(outline),
        Step::Deliver(delivery),
    ])
}

/// A composed mail with the sample behind it as a message of its own (RFC 2046 §5.2.1), which mail programs show in line.
fn attach(notice: &[u8], sample: &[u8]) -> Bytes {
    let mut random = [0; 16];
    // Without randomness the process can't run at all; a fixed boundary would still be safe here, as it's ours.
    let _ = getrandom::fill(&mut random);
    let boundary = format!("hustings_{}", hex(&random));
    let mark = b"MIME-Version: 1.0\r\n";
    let at = notice
        .windows(mark.len())
        .position(|window| window == mark)
        .map_or(0, |at| at + mark.len());
    let (header, part) = notice.split_at(at);
    let pieces: [&[u8]; 7] = [
        header,
        b"Content-Type: multipart/mixed;\r\n boundary=\"",
        boundary.as_bytes(),
        b"\"\r\n\r\n--",
        boundary.as_bytes(),
        b"\r\n",
        part,
    ];
    let mut out = pieces.concat();
    let lead = format!(
        "\r\n--{boundary}\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n"
    );
    out.extend_from_slice(lead.as_bytes());
    out.extend_from_slice(sample);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out.into()
}

/// The names of the constituencies that a mailing is narrowed to; none is the whole list.
pub(super) fn part_of(terms: &Terms, record: &MailingRecord) -> Option<String> {
    let codes = record.constituencies.as_deref();
    codes.map(|codes| names_of(terms, codes))
}

fn names_of(terms: &Terms, codes: &[String]) -> String {
    let name = |text: &String| {
        let code = crate::consent::constituency::Code::parse(text).ok();
        let known = code.and_then(|code| terms.settings.constituencies.get(code));
        known.map_or_else(|| text.clone(), |one| one.name().to_owned())
    };
    codes.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn size(octets: usize) -> String {
    match octets.div_ceil(1024) {
        kib if kib < 1024 => format!("{kib} KB"),
        kib => format!("{}.{} MB", kib / 1024, kib % 1024 * 10 / 1024),
    }
}

fn template(error: TemplateError) -> ListError {
    ListError::Notice(error.to_string())
}
