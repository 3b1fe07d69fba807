//! Who acts, and the proof that they may.

use std::sync::Arc;

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

    /// The actor again, if they may write to a list, or to a constituency of it.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn may_write_to(&self, list: &str, constituency: Option<&str>) -> Result<(), NotAllowed> {
        self.require(Role::Sender)?;
        if self.0.may_write_to(list, constituency) {
            return Ok(());
        }
        Err(NotAllowed::BeyondGrant {
            name: self.name().to_owned(),
        })
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
    /// The actor.
    pub fn actor(&self) -> &Actor {
        self.0
    }
}
