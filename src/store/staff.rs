//! Staff accounts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::Row;
use zeroize::Zeroizing;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::address::EmailAddress;
use crate::id::{PasswordId, StaffId};
use crate::vault::{Clear, Index, IndexColumn, Purpose, Vault};

/// What a staff member may do (design §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads and sends mail of their own.
    Reader,
    /// Writes to lists.
    Sender,
    /// Approves what others write to lists.
    Approver,
    /// Runs the server and may see addresses.
    Admin,
}

/// What an account holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffRecord {
    /// The name by which the account logs in and stands in the audit log.
    pub name: String,
    /// The addresses whose mail it gets and that it may send from; the first is the main one.
    pub addresses: Vec<EmailAddress>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The role mailboxes that it was let into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<String>,
    /// The SCRAM-SHA-256 verifier of its passwords, as the staff room writes it.
    pub verifier: Option<String>,
    /// What its passwords are called. Where there is a verifier and nothing here, it is of one password from before they had
    /// names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<PasswordRecord>,
    /// The Unix user by which the command line knows this person.
    pub uid: Option<u32>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Until when its data protection training counts.
    pub trained_until: Option<Timestamp>,
    /// Roles that it has for a time. Those that are over go with the next change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantRecord>,
    /// Its second factor. Nothing here is an account without one, as all were once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<FactorRecord>,
}

/// A role for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// The role.
    pub role: Role,
    /// When it ends.
    pub until: Timestamp,
    /// Of a sender: the only list that they may write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// Of a sender: the codes of the only constituencies that they may write to; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constituencies: Vec<String>,
    /// When it was given.
    pub given_at: Timestamp,
}

/// A second factor: what an authenticator app shares with us.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorRecord {
    /// What codes are made from.
    pub secret: FactorSecret,
    /// Since when it is in force.
    pub since: Timestamp,
    /// The newest thirty seconds whose code was used: no code up to it is taken again, whatever the clock says.
    pub last_step: u64,
    /// Hashes of the recovery codes that are left, in base 64.
    pub recovery: Vec<String>,
    /// When wrong codes came of late, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<Timestamp>,
}

/// The bytes that codes are made from. They are wiped when they go, and have no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct FactorSecret(Zeroizing<Vec<u8>>);

impl FactorSecret {
    /// A secret of these bytes.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In base 64.
impl Serialize for FactorSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(&*self.0));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for FactorSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // serde's errors quote what they read: this one says nothing.
        let bytes = STANDARD.decode(&*text);
        let bytes = bytes.map_err(|_| serde::de::Error::custom("no secret"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

/// A password, by its name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRecord {
    /// Which of those in the verifier.
    pub id: PasswordId,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub made_at: Timestamp,
}

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordRecord({})", self.id)
    }
}

impl std::fmt::Debug for StaffRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StaffRecord({:?})", self.roles)
    }
}

impl Record for StaffRecord {
    const TABLE: &'static str = "staff";
    const PURPOSE: Purpose = Purpose::Staff;
}

/// A staff account's row.
#[derive(Debug, Clone)]
pub struct Staff {
    /// The row.
    pub id: StaffId,
    /// The keyed hash of the name.
    pub name_index: Index,
    /// Counts the changes of this row; 0 for a row that is not yet stored.
    pub version: i64,
    /// What the row holds.
    pub record: StaffRecord,
}

impl Staff {
    /// An account that is not yet stored. Names differ in more than case.
    pub fn new(vault: &Vault, record: StaffRecord) -> Self {
        let name = record.name.to_lowercase();
        let name_index = vault.index(IndexColumn::StaffName, name.as_bytes());
        Self {
            id: StaffId::random(),
            name_index,
            version: 0,
            record,
        }
    }

    /// Writes the row as its next version.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let version = self.version + 1;
        let clear = [
            Clear::Bytes(self.name_index.as_bytes()),
            Clear::Int(version),
        ];
        let sealed = record::seal(tx.vault, self.id.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO staff (id, name_index, version, sealed) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed",
        )
        .bind(self.id.as_bytes().as_slice())
        .bind(self.name_index.as_bytes().as_slice())
        .bind(version)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// All staff accounts, revoked ones too. A row that does not open is left out and counted.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn staff(&self) -> Result<Page<Staff, StaffId>, StoreError> {
        let rows = sqlx::query("SELECT id, name_index, version, sealed FROM staff")
            .fetch_all(&self.readers)
            .await?;
        Page::of(&rows, u32::MAX, "staff", StaffId::from_slice, |row| {
            let id = super::id_of(row.try_get(0)?, StaffId::from_slice, "staff")?;
            let name_index = super::index_of(row.try_get(1)?, "staff")?;
            let version: i64 = row.try_get(2)?;
            let clear = [Clear::Bytes(name_index.as_bytes()), Clear::Int(version)];
            let record = record::open(&self.vault, id.as_bytes(), &clear, row.try_get(3)?)?;
            Ok(Staff {
                id,
                name_index,
                version,
                record,
            })
        })
    }
}
