//! A whole command as a value. imap-codec has the grammar of most; what it lacks is read here and in the files beside this
//! one. Names and passwords never go through its types.

use std::borrow::Cow;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::command::{CommandBody, FetchModifier, SelectParameter, StoreModifier};
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::extensions::enable::CapabilityEnable;
use imap_codec::imap_types::fetch::{
    MacroOrMessageDataItemNames, MessageDataItemName as Item, Part, Section,
};
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use zeroize::Zeroizing;

use super::cursor::{Cursor, Read, Syntax};
use super::frame::is_tag;
use super::{list, quota, search};
use crate::imap::command::{
    BodyItem, Command, Extension, Fetch, FetchItem, List, NumberSet, Numbers, PartWhat, RawName,
    Resync, STAR, Select, StoreMarks, Tag, Transfer,
};
use crate::store::{MarkChange, ModSeq};

/// Items of one FETCH, fields of one section, and the like: more are nobody's.
const MOST: usize = 500;

const UNKNOWN: Syntax = Syntax("This command isn't known, or its arguments aren't");

/// Reads a command; the tag comes with a mistake too, unless that is the mistake.
pub(in crate::imap) fn read(whole: &[u8]) -> Result<(Tag, Command), (Option<Tag>, Syntax)> {
    let mut cursor = Cursor::new(whole);
    let tag = tag(&mut cursor).map_err(|syntax| (None, syntax))?;
    match command(cursor, whole) {
        Ok(command) => Ok((tag, command)),
        Err(syntax) => Err((Some(tag), syntax)),
    }
}

fn tag(cursor: &mut Cursor<'_>) -> Read<Tag> {
    const TAG: Syntax = Syntax("A tag was expected");
    let tag = cursor.astring().map_err(|_| TAG)?;
    let tag = std::str::from_utf8(&tag).map_err(|_| TAG)?;
    if !is_tag(tag) {
        return Err(TAG);
    }
    cursor.space()?;
    Ok(Tag(tag.to_owned()))
}

fn command(mut cursor: Cursor<'_>, whole: &[u8]) -> Read<Command> {
    let verb = cursor.word()?.to_ascii_uppercase();
    match verb.as_str() {
        "LIST" => list::list(&mut cursor),
        "CREATE" => list::create(&mut cursor),
        "STATUS" => list::status(&mut cursor),
        "GETQUOTA" => quota::quota(&mut cursor),
        "GETQUOTAROOT" => quota::quota_root(&mut cursor),
        "SEARCH" => search::search(&mut cursor, false),
        "LOGIN" => login(&mut cursor),
        "AUTHENTICATE" => authenticate(&mut cursor),
        "FETCH" | "STORE" | "COPY" | "MOVE" => by_codec(whole, cursor),
        "UID" => {
            cursor.space()?;
            match cursor.word()?.eq_ignore_ascii_case("SEARCH") {
                true => search::search(&mut cursor, true),
                false => by_codec(whole, cursor),
            }
        }
        _ => convert(decode(whole)?, false),
    }
}

/// `$` (RFC 5182) is unknown to imap-codec: it reads `1` in its place.
fn by_codec(whole: &[u8], mut behind: Cursor<'_>) -> Read<Command> {
    let at = whole.len() - behind.rest().len();
    let saved = behind.eat(b' ') && behind.eat(b'$') && matches!(behind.peek(), Some(b' ' | b'\r'));
    let mut text = Cow::Borrowed(whole);
    if saved {
        text.to_mut()[at + 1] = b'1';
    }
    let body = decode(&text)?;
    convert(body, saved)
}

fn decode(whole: &[u8]) -> Read<CommandBody<'_>> {
    match CommandCodec::default().decode(whole) {
        Ok((b"", command)) => Ok(command.body),
        _ => Err(UNKNOWN),
    }
}

fn login(cursor: &mut Cursor<'_>) -> Read<Command> {
    cursor.space()?;
    let user = cursor.astring()?.into_owned();
    cursor.space()?;
    let password = Zeroizing::new(cursor.astring()?.into_owned());
    cursor.end()?;
    Ok(Command::Login { user, password })
}

fn authenticate(cursor: &mut Cursor<'_>) -> Read<Command> {
    cursor.space()?;
    let mechanism = cursor.word()?.to_ascii_uppercase();
    let initial = if cursor.eat(b' ') {
        let text = cursor.rest().strip_suffix(b"\r\n").unwrap_or(cursor.rest());
        Some(Zeroizing::new(text.to_vec()))
    } else {
        cursor.end()?;
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

fn convert(body: CommandBody<'_>, saved: bool) -> Read<Command> {
    Ok(match body {
        CommandBody::Capability => Command::Capability,
        CommandBody::Noop | CommandBody::Check => Command::Noop,
        CommandBody::Logout => Command::Logout,
        CommandBody::Id { .. } => Command::Id,
        CommandBody::Enable { capabilities } => {
            Command::Enable(capabilities.as_ref().iter().filter_map(extension).collect())
        }
        CommandBody::Select {
            mailbox,
            parameters,
        } => select(&mailbox, &parameters, false)?,
        CommandBody::Examine {
            mailbox,
            parameters,
        } => select(&mailbox, &parameters, true)?,
        CommandBody::Unselect => Command::Unselect,
        CommandBody::Close => Command::Close,
        CommandBody::Expunge => Command::Expunge(None),
        CommandBody::ExpungeUid { sequence_set } => {
            Command::Expunge(Some(numbers(&sequence_set, saved)?))
        }
        CommandBody::Delete { mailbox } => Command::Delete(name(&mailbox)),
        CommandBody::Rename { from, to } => Command::Rename {
            from: name(&from),
            to: name(&to),
        },
        CommandBody::Subscribe { mailbox } => subscribe(&mailbox, true),
        CommandBody::Unsubscribe { mailbox } => subscribe(&mailbox, false),
        CommandBody::Lsub {
            reference,
            mailbox_wildcard,
        } => Command::List(lsub(&reference, &mailbox_wildcard)),
        CommandBody::Namespace => Command::Namespace,
        CommandBody::Idle => Command::Idle,
        CommandBody::Fetch {
            sequence_set,
            macro_or_item_names,
            uid,
            modifiers,
        } => {
            let numbers = numbers(&sequence_set, saved)?;
            Command::Fetch(fetch(numbers, &macro_or_item_names, uid, &modifiers)?)
        }
        CommandBody::Store {
            sequence_set,
            kind,
            response,
            flags,
            uid,
            modifiers,
        } => Command::Store(StoreMarks {
            numbers: numbers(&sequence_set, saved)?,
            uid,
            change: match kind {
                StoreType::Replace => MarkChange::Replace,
                StoreType::Add => MarkChange::Add,
                StoreType::Remove => MarkChange::Remove,
            },
            flags: flags.iter().take(MOST).map(Flag::to_string).collect(),
            silent: response == StoreResponse::Silent,
            unchanged_since: modifiers
                .last()
                .map(|StoreModifier::UnchangedSince(since)| ModSeq(*since)),
        }),
        CommandBody::Copy {
            sequence_set,
            mailbox,
            uid,
        } => transfer(&sequence_set, saved, &mailbox, (uid, false))?,
        CommandBody::Move {
            sequence_set,
            mailbox,
            uid,
        } => transfer(&sequence_set, saved, &mailbox, (uid, true))?,
        _ => return Err(UNKNOWN),
    })
}

fn extension(asked: &CapabilityEnable<'_>) -> Option<Extension> {
    match asked.to_string().to_ascii_uppercase().as_str() {
        "CONDSTORE" => Some(Extension::CondStore),
        "QRESYNC" => Some(Extension::QResync),
        "IMAP4REV2" => Some(Extension::Rev2),
        _ => None,
    }
}

fn name(mailbox: &Mailbox<'_>) -> RawName {
    RawName(match mailbox {
        Mailbox::Inbox => b"INBOX".to_vec(),
        Mailbox::Other(other) => other.as_ref().to_vec(),
    })
}

fn number_set(set: &SequenceSet) -> Read<NumberSet> {
    let number = |one: &SeqOrUid| match one {
        SeqOrUid::Value(number) => number.get(),
        SeqOrUid::Asterisk => STAR,
    };
    let range = |sequence: &Sequence| match sequence {
        Sequence::Single(one) => (number(one), number(one)),
        Sequence::Range(from, to) => (number(from), number(to)),
    };
    Ok(NumberSet(set.0.as_ref().iter().map(range).collect()))
}

fn numbers(set: &SequenceSet, saved: bool) -> Read<Numbers> {
    match saved {
        true => Ok(Numbers::Saved),
        false => number_set(set).map(Numbers::Set),
    }
}

fn select(mailbox: &Mailbox<'_>, parameters: &[SelectParameter], read_only: bool) -> Read<Command> {
    let mut select = Select {
        name: name(mailbox),
        read_only,
        condstore: !parameters.is_empty(),
        resync: None,
    };
    for parameter in parameters {
        if let SelectParameter::QResync {
            uid_validity,
            mod_sequence_value,
            known_uids,
            ..
        } = parameter
        {
            select.resync = Some(Resync {
                uid_validity: uid_validity.get(),
                since: ModSeq(mod_sequence_value.get()),
                known: known_uids.as_ref().map(number_set).transpose()?,
            });
        }
    }
    Ok(Command::Select(select))
}

fn subscribe(mailbox: &Mailbox<'_>, wanted: bool) -> Command {
    Command::Subscribe {
        name: name(mailbox),
        wanted,
    }
}

fn lsub(reference: &Mailbox<'_>, pattern: &ListMailbox<'_>) -> List {
    List {
        only_subscribed: true,
        lsub: true,
        reference: name(reference).0,
        patterns: vec![match pattern {
            ListMailbox::Token(token) => token.as_ref().to_vec(),
            ListMailbox::String(string) => string.as_ref().to_vec(),
        }],
        ..List::default()
    }
}

fn transfer(
    set: &SequenceSet,
    saved: bool,
    mailbox: &Mailbox<'_>,
    (uid, moves): (bool, bool),
) -> Read<Command> {
    Ok(Command::Transfer(Transfer {
        numbers: numbers(set, saved)?,
        uid,
        to: name(mailbox),
        moves,
    }))
}

fn fetch(
    numbers: Numbers,
    names: &MacroOrMessageDataItemNames<'_>,
    uid: bool,
    modifiers: &[FetchModifier],
) -> Read<Fetch> {
    let expanded;
    let names = match names {
        MacroOrMessageDataItemNames::Macro(name) => {
            expanded = name.expand();
            &expanded
        }
        MacroOrMessageDataItemNames::MessageDataItemNames(names) => names,
    };
    if names.is_empty() || names.len() > MOST {
        return Err(Syntax("FETCH is asked for something"));
    }
    let mut fetch = Fetch {
        numbers,
        uid,
        items: Vec::with_capacity(names.len() + 1),
        marks_seen: names.iter().any(marks_seen),
        changed_since: None,
        vanished: false,
    };
    for name in names {
        let item = item(name)?;
        if !fetch.items.contains(&item) {
            fetch.items.push(item);
        }
    }
    for modifier in modifiers {
        match modifier {
            FetchModifier::ChangedSince(since) => fetch.changed_since = Some(ModSeq(since.get())),
            FetchModifier::Vanished => fetch.vanished = true,
        }
    }
    if fetch.vanished && (!uid || fetch.changed_since.is_none()) {
        return Err(Syntax("VANISHED stands beside CHANGEDSINCE in a UID FETCH"));
    }
    Ok(fetch)
}

fn marks_seen(item: &Item<'_>) -> bool {
    match item {
        Item::BodyExt { peek, .. } | Item::Binary { peek, .. } => !peek,
        Item::Rfc822 | Item::Rfc822Text => true,
        _ => false,
    }
}

fn item(item: &Item<'_>) -> Read<FetchItem> {
    let plain = |label: &str, what| {
        Ok(FetchItem::Body(BodyItem {
            label: label.to_owned(),
            part: Vec::new(),
            what,
            partial: None,
        }))
    };
    match item {
        Item::Body => Ok(FetchItem::Structure { full: false }),
        Item::BodyStructure => Ok(FetchItem::Structure { full: true }),
        Item::Envelope => Ok(FetchItem::Envelope),
        Item::Flags => Ok(FetchItem::Flags),
        Item::InternalDate => Ok(FetchItem::InternalDate),
        Item::Rfc822Size => Ok(FetchItem::Size),
        Item::Uid => Ok(FetchItem::Uid),
        Item::ModSeq => Ok(FetchItem::ModSeq),
        Item::Rfc822 => plain("RFC822", PartWhat::Whole),
        Item::Rfc822Header => plain("RFC822.HEADER", PartWhat::Header),
        Item::Rfc822Text => plain("RFC822.TEXT", PartWhat::Text),
        Item::BodyExt {
            section, partial, ..
        } => {
            let (part, what) = section
                .as_ref()
                .map_or(Ok((Vec::new(), PartWhat::Whole)), part)?;
            Ok(body("BODY", part, what, *partial))
        }
        Item::Binary {
            section, partial, ..
        } => {
            let part = section.iter().map(|number| number.get()).collect();
            Ok(body("BINARY", part, PartWhat::Binary, *partial))
        }
        Item::BinarySize { section } => {
            let part = section.iter().map(|number| number.get()).collect();
            Ok(body("BINARY.SIZE", part, PartWhat::BinarySize, None))
        }
    }
}

fn part(section: &Section<'_>) -> Read<(Vec<u32>, PartWhat)> {
    let path = |part: &Part| part.0.as_ref().iter().map(|number| number.get()).collect();
    let within = |part: &Option<Part>| part.as_ref().map(path).unwrap_or_default();
    Ok(match section {
        Section::Part(part) => (path(part), PartWhat::Whole),
        Section::Mime(part) => (path(part), PartWhat::Mime),
        Section::Header(part) => (within(part), PartWhat::Header),
        Section::Text(part) => (within(part), PartWhat::Text),
        Section::HeaderFields(part, names) => {
            (within(part), PartWhat::Fields(field_names(names.as_ref())?))
        }
        Section::HeaderFieldsNot(part, names) => (
            within(part),
            PartWhat::FieldsNot(field_names(names.as_ref())?),
        ),
    })
}

fn field_names(names: &[AString<'_>]) -> Read<Vec<String>> {
    const NAME: Syntax = Syntax("A field's name was expected");
    let read = |name: &AString<'_>| {
        let name = std::str::from_utf8(name.as_ref()).ok();
        let fits = |name: &&str| {
            let plain = |octet: u8| octet.is_ascii_graphic() && octet != b':';
            !name.is_empty() && name.len() <= 100 && name.bytes().all(plain)
        };
        name.filter(fits).map(str::to_owned).ok_or(NAME)
    };
    if names.len() > MOST {
        return Err(Syntax("There are too many fields"));
    }
    names.iter().map(read).collect()
}

/// With its name as it stands in the answer.
fn body(
    name: &str,
    part: Vec<u32>,
    what: PartWhat,
    partial: Option<(u32, std::num::NonZeroU32)>,
) -> FetchItem {
    let numbers: Vec<String> = part.iter().map(u32::to_string).collect();
    let text = match &what {
        PartWhat::Whole | PartWhat::Binary | PartWhat::BinarySize => String::new(),
        PartWhat::Header => "HEADER".to_owned(),
        PartWhat::Fields(names) => format!("HEADER.FIELDS ({})", fields(names)),
        PartWhat::FieldsNot(names) => format!("HEADER.FIELDS.NOT ({})", fields(names)),
        PartWhat::Text => "TEXT".to_owned(),
        PartWhat::Mime => "MIME".to_owned(),
    };
    let dot = if part.is_empty() || text.is_empty() {
        ""
    } else {
        "."
    };
    let partial = partial.map(|(from, most)| (from, most.get()));
    let origin = partial
        .map(|(from, _)| format!("<{from}>"))
        .unwrap_or_default();
    let label = format!("{name}[{}{dot}{text}]{origin}", numbers.join("."));
    FetchItem::Body(BodyItem {
        label,
        part,
        what,
        partial,
    })
}

fn fields(names: &[String]) -> String {
    let shown = |name: &String| match name.bytes().all(super::cursor::is_atom_char) {
        true => name.clone(),
        false => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    names.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
