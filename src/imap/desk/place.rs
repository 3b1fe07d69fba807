//! Where a name points: into one's own mailbox, or below `Shared/` into a role's. A role's mailbox comes here by a look at the
//! roll alone, which is made for each name; one into which somebody isn't let is answered as a name that is nobody's.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Desk, No};
use crate::id::{FolderId, MailboxId};
use crate::imap::codec::names;
use crate::imap::command::RawName;
use crate::imap::host::Account;
use crate::mailbox::{Halfway, MailboxError, Mailboxes};
use crate::staff::{LetIn, RoleMailbox};
use crate::store::{ActDone, Folder, FolderName, SpecialUse, Uid};

/// In this the roles' mailboxes stand (RFC 2342).
pub(super) const SHARED: &str = "Shared";

/// Whose a mailbox is.
#[derive(Clone)]
pub(super) enum Whose {
    /// One's own.
    Own,
    /// A role's: of all who are let into it.
    Role(RoleMailbox),
}

/// A name in a mailbox.
pub(super) struct Place {
    pub(super) whose: Whose,
    /// As the mailbox calls it.
    pub(super) name: FolderName,
}

/// A folder that is there.
pub(super) struct Found {
    pub(super) whose: Whose,
    pub(super) folder: Folder,
}

/// A folder as it is shown.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) whose: Whose,
    pub(super) folder: Folder,
}

impl Whose {
    pub(super) fn mailbox(&self, account: &Account) -> MailboxId {
        match self {
            Self::Own => account.mailbox,
            Self::Role(role) => role.id(),
        }
    }

    pub(super) fn is_role(&self) -> bool {
        matches!(self, Self::Role(_))
    }

    /// The same, if it may still be used.
    pub(super) fn again(&self, let_in: &LetIn) -> Option<Self> {
        match self {
            Self::Own => Some(Self::Own),
            Self::Role(role) => let_in.again(role).map(Self::Role),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own, Self::Own) => true,
            (Self::Role(one), Self::Role(other)) => one == other,
            _ => false,
        }
    }

    /// How a folder of it is shown: a role's INBOX has the role's name.
    pub(super) fn shown<'n>(&self, name: &'n FolderName) -> Cow<'n, str> {
        match self {
            Self::Own => name.as_str().into(),
            Self::Role(role) if name.special_use() == Some(SpecialUse::Inbox) => {
                format!("{SHARED}/{}", role.name()).into()
            }
            Self::Role(role) => format!("{SHARED}/{}/{}", role.name(), name.as_str()).into(),
        }
    }

    /// The use for which a mail program takes a folder. A role's Sent is not where a person's programs put what they send.
    pub(super) fn special_use(&self, name: &FolderName) -> Option<SpecialUse> {
        match self {
            Self::Own => name.special_use(),
            Self::Role(_) => None,
        }
    }

    /// Takes messages out of a folder of it.
    pub(super) async fn expunge(
        &self,
        boxes: &Mailboxes,
        folder: FolderId,
        uids: &[Uid],
        only_deleted: bool,
    ) -> Result<ActDone, MailboxError> {
        match self {
            Self::Own => boxes.expunge(folder, uids, only_deleted).await,
            Self::Role(_) => boxes.discard(folder, uids, only_deleted).await,
        }
    }

    /// Puts messages of a folder of it into another folder instead.
    pub(super) async fn move_to(
        &self,
        boxes: &Mailboxes,
        (from, uids): (FolderId, &[Uid]),
        to: FolderId,
        room: Option<u64>,
    ) -> Result<ActDone, Halfway> {
        match self {
            Self::Own => boxes.move_to(from, uids, to, room).await,
            Self::Role(_) => boxes.take_away(from, uids, to, room).await,
        }
    }

    /// Removes a folder of it.
    pub(super) async fn delete(
        &self,
        boxes: &Mailboxes,
        folder: FolderId,
    ) -> Result<(), MailboxError> {
        match self {
            Self::Own => boxes.delete(folder).await,
            Self::Role(_) => boxes.delete_empty(folder).await,
        }
    }
}

impl Place {
    /// Whether another is in the same mailbox.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.whose.is(&other.whose)
    }

    /// Whether nothing can be made here: it's where the roles' mailboxes stand, and in none of these.
    pub(super) fn is_reserved(&self) -> bool {
        let top = self.name.as_str().split('/').next();
        matches!(self.whose, Whose::Own) && top == Some(SHARED)
    }
}

impl Desk {
    /// Where a name points.
    pub(super) fn place(&self, raw: &RawName) -> Result<Place, No> {
        let text = names::decode(&raw.0, self.enabled.rev2);
        let text = text.ok_or_else(|| No::new("CANNOT", "The name is neither UTF-8 nor UTF-7"))?;
        let name =
            FolderName::parse(&text).map_err(|error| No::new("CANNOT", error.to_string()))?;
        Ok(self.shared(&name).unwrap_or_else(|| own(name)))
    }

    /// Where a name points, to make a folder there.
    pub(super) fn makeable(&self, raw: &RawName) -> Result<Place, No> {
        let place = self.place(raw)?;
        if place.name.has_misleading_level() {
            let text = "A folder's name has no level . or .., and none with a space at an end: choose another";
            return Err(No::new("CANNOT", text));
        }
        if !place.is_reserved() {
            return Ok(place);
        }
        let text = match self.role_in(&place.name) {
            Some((role, _)) => {
                let name = role.name();
                Cow::Owned(format!(
                    "This role's INBOX is called {SHARED}/{name}; nothing stands in it"
                ))
            }
            None => Cow::Borrowed(
                "In Shared stand the mailboxes of roles alone, and roles are made in the configuration",
            ),
        };
        Err(No::new("CANNOT", text))
    }

    /// The role whose mailbox a name is in, and the name there; none for its INBOX.
    fn role_in<'n>(&self, name: &'n FolderName) -> Option<(RoleMailbox, Option<&'n str>)> {
        let below = name.as_str().strip_prefix(SHARED)?.strip_prefix('/')?;
        let (role, rest) = match below.split_once('/') {
            Some((role, rest)) => (role, Some(rest)),
            None => (below, None),
        };
        Some((self.account.let_in.role(role)?, rest))
    }

    /// The place in a role's mailbox that a name means, if it means one.
    fn shared(&self, name: &FolderName) -> Option<Place> {
        let (role, rest) = self.role_in(name)?;
        let whose = Whose::Role(role);
        let name = match rest {
            None => SpecialUse::Inbox.into(),
            // The INBOX has one name, and nothing stands in it.
            Some(rest) => {
                let name = FolderName::parse(rest).ok()?;
                Some(name).filter(|name| name.realm() != Some(SpecialUse::Inbox))?
            }
        };
        Some(Place { whose, name })
    }

    /// The folder in a place, if there is one.
    pub(super) async fn folder_at(&self, place: &Place) -> Result<Option<Folder>, No> {
        let mailbox = place.whose.mailbox(&self.account);
        Ok(self.account.mailboxes.named(mailbox, &place.name).await?)
    }

    /// Where a name points, and the folder there, if there is one. Where the role has none of this name, one's own is meant
    /// that was called so before the role's mailbox stood here: LIST shows it, and it can be given another name.
    pub(super) async fn find(&self, raw: &RawName) -> Result<(Place, Option<Folder>), No> {
        let place = self.place(raw)?;
        let folder = self.folder_at(&place).await?;
        if folder.is_none() && place.whose.is_role() {
            let shown = FolderName::parse(&place.whose.shown(&place.name));
            let before = own(shown.map_err(|_| No::no_folder())?);
            if let Some(folder) = self.folder_at(&before).await? {
                return Ok((before, Some(folder)));
            }
        }
        Ok((place, folder))
    }

    /// The folder of this name.
    pub(super) async fn folder(&self, raw: &RawName) -> Result<Found, No> {
        let (place, folder) = self.find(raw).await?;
        let folder = folder.ok_or_else(No::no_folder)?;
        Ok(Found {
            whose: place.whose,
            folder,
        })
    }

    /// The folder of this name, to put something into it: one that isn't there may be made.
    pub(super) async fn folder_to_fill(&self, raw: &RawName) -> Result<Found, No> {
        let (place, folder) = self.find(raw).await?;
        match folder {
            Some(folder) => Ok(Found {
                whose: place.whose,
                folder,
            }),
            None if place.is_reserved() => Err(No::no_folder()),
            None => Err(No::no_folder().try_create()),
        }
    }

    /// All folders that there are for them: their own, and those of the roles into which they are let.
    pub(super) async fn all_folders(&self) -> Result<Vec<Shown>, No> {
        let account = &self.account;
        let roles = account.let_in.roles().into_iter().map(Whose::Role);
        let mut all = Vec::new();
        for whose in [Whose::Own].into_iter().chain(roles) {
            let folders = account.mailboxes.folders(whose.mailbox(account)).await?;
            all.extend(folders.into_iter().map(|folder| Shown {
                name: whose.shown(&folder.record.name).into_owned(),
                whose: whose.clone(),
                folder,
            }));
        }
        // A folder of one's own that was called so before can't be reached while the role has one of this name.
        let of_roles = all.iter().filter(|shown| shown.whose.is_role());
        let of_roles: BTreeSet<String> = of_roles.map(|shown| shown.name.clone()).collect();
        all.retain(|shown| shown.whose.is_role() || !of_roles.contains(&shown.name));
        Ok(all)
    }
}

fn own(name: FolderName) -> Place {
    let whose = Whose::Own;
    Place { whose, name }
}
