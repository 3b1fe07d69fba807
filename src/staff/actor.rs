//! Who acts, and the proof that they may.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::RoleName;
use super::roll::Member;
use crate::id::StaffId;
use crate::store::Role;

/// Whoever is at the other end of the control socket.
#[derive(Clone)]
pub enum Caller {
    /// Root, or a Unix user whom no account names: nobody in particular.
    Nobody {
        /// Which Unix user.
        uid: u32,
    },
    /// A staff member.
    Member(Actor),
}

/// A staff member who acts. There is one only for a live account.
#[derive(Clone)]
pub struct Actor(Arc<Member>);

/// Proof that an actor is an admin.
#[derive(Clone, Copy)]
pub struct Admin<'a>(&'a Actor);

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// It needs a person.
    #[error(
        "it needs a person, and Unix user {uid} is nobody here (root never is); log in as the Unix user whom your account names, see: hustings staff list"
    )]
    Nobody {
        /// Which Unix user.
        uid: u32,
    },
    /// It needs a role.
    #[error("it needs the role {needed}, which {name} does not have; ask an admin")]
    Role {
        /// The account.
        name: String,
        /// The role.
        needed: RoleName,
    },
    /// It would outlast what they are themselves.
    #[error(
        "{name} is an admin for a time, and this would outlast it; ask one who is an admin for good, see: hustings staff list"
    )]
    Outlasts {
        /// The account.
        name: String,
    },
    /// Their training is over.
    #[error(
        "your data protection training is no longer current: renew it before you write to a list"
    )]
    Training,
    /// It's beyond what was granted.
    #[error(
        "{name} may not write there: the grant is for another list, or for some constituencies alone; see: hustings staff grants"
    )]
    BeyondGrant {
        /// The account.
        name: String,
    },
}

impl Caller {
    /// The staff member.
    ///
    /// # Errors
    /// [`NotAllowed::Nobody`].
    pub fn actor(&self) -> Result<&Actor, NotAllowed> {
        match self {
            Self::Member(actor) => Ok(actor),
            Self::Nobody { uid } => Err(NotAllowed::Nobody { uid: *uid }),
        }
    }

    /// The staff member, if they have this role.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn require(&self, role: Role) -> Result<&Actor, NotAllowed> {
        self.actor()?.require(role)
    }

    /// How the audit log names them: by the account's id, which outlives its name.
    pub fn audit_name(&self) -> String {
        match self {
            Self::Nobody { uid } => format!("nobody (uid {uid})"),
            Self::Member(actor) => actor.id().to_string(),
        }
    }

    /// How the service's log names them: no name, a keyed hash.
    pub fn for_log(&self) -> String {
        match self {
            Self::Nobody { .. } => "nobody".to_owned(),
            Self::Member(actor) => actor.0.log_name.to_string(),
        }
    }
}

impl Actor {
    pub(super) fn new(member: Arc<Member>) -> Self {
        Self(member)
    }

    /// Whose account.
    pub fn id(&self) -> StaffId {
        self.0.id
    }

    /// The login name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The account.
    pub fn member(&self) -> &Member {
        &self.0
    }

    /// Whether they have a role. A role includes no other: an admin who sends is also a sender.
    pub fn has(&self, role: Role) -> bool {
        self.0.has(role)
    }

    /// The actor again, if they have this role.
    ///
    /// # Errors
    /// [`NotAllowed::Role`].
    pub fn require(&self, role: Role) -> Result<&Self, NotAllowed> {
        if self.has(role) {
            return Ok(self);
        }
        Err(NotAllowed::Role {
            name: self.name().to_owned(),
            needed: RoleName(role),
        })
    }

    /// Whether they may write to a list now: to all of it, or to each of these constituencies of it, by their codes. It takes
    /// a training that isn't over (law E4).
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn may_mail(
        &self,
        list: &str,
        constituencies: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(), NotAllowed> {
        self.require(Role::Sender)?;
        let may = match constituencies {
            None => self.0.may_write_to(list, None),
            Some(codes) => codes
                .iter()
                .all(|code| self.0.may_write_to(list, Some(code))),
        };
        if !may {
            return Err(NotAllowed::BeyondGrant {
                name: self.name().to_owned(),
            });
        }
        match self.0.trained_until.is_some_and(|until| until < now) {
            true => Err(NotAllowed::Training),
            false => Ok(()),
        }
    }

    /// Proof that they are an admin.
    ///
    /// # Errors
    /// [`NotAllowed::Role`].
    pub fn admin(&self) -> Result<Admin<'_>, NotAllowed> {
        self.require(Role::Admin).map(Admin)
    }
}

impl Admin<'_> {
    /// Proof that what they give may last until then; for good, if there is no end: who is an admin for a time gives
    /// nothing that outlasts it.
    ///
    /// # Errors
    /// [`NotAllowed::Outlasts`].
    pub(super) fn may_give(&self, until: Option<Timestamp>) -> Result<(), NotAllowed> {
        let member = self.0.member();
        let own = member.grants.iter().filter(|own| own.role == Role::Admin);
        let lasts = own.map(|own| own.until).max();
        let within = until
            .zip(lasts)
            .is_some_and(|(until, lasts)| until <= lasts);
        if within || member.roles.contains(&Role::Admin) {
            return Ok(());
        }
        Err(NotAllowed::Outlasts {
            name: self.0.name().to_owned(),
        })
    }

    /// The actor.
    pub fn actor(&self) -> &Actor {
        self.0
    }
}
