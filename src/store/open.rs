//! Opening the store's file: the lock, the pragmas, the migrations, and what the file is when it isn't ours.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqlSafeStr};

use super::StoreError;

/// The mode of files in the data directory: their owner's alone. SQLite gives its own files the database's.
pub(super) const OWN: u32 = 0o600;
/// A link that stands in a file's place is not followed: root, too, opens what lies in the service's own directory.
pub(super) const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
/// How many readers may look things up at the same time.
const READERS: u32 = 4;
/// How many KiB of pages each connection may keep in memory.
const CACHE_KIB: u32 = 2048;

/// The size of a page in bytes.
const PAGE: u32 = 8192;

/// How long a statement waits for a lock of SQLite's.
const BUSY: Duration = Duration::from_secs(10);

/// How often a held lock is tried again, and after how long.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(25);

/// The migrations in order. One that was released is never edited: a change is a new number.
fn migrations() -> Vec<Migration> {
    let one = |version, name: &'static str, sql: &'static str| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    vec![
        one(1, "first", include_str!("../../migrations/0001_first.sql")),
        one(
            2,
            "sts policy",
            include_str!("../../migrations/0002_sts_policy.sql"),
        ),
        one(
            3,
            "reports",
            include_str!("../../migrations/0003_reports.sql"),
        ),
        one(
            4,
            "folders",
            include_str!("../../migrations/0004_folders.sql"),
        ),
        one(
            6,
            "first_contact",
            include_str!("../../migrations/0006_first_contact.sql"),
        ),
    ]
}

/// The files of a store: the database and what lies beside it in the data directory.
#[derive(Debug, Clone)]
pub struct Files {
    pub(super) directory: PathBuf,
}

impl Files {
    /// The store of this data directory.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.directory.join("hustings.db")
    }

    /// The append-only journal of suppressions and erasures.
    pub fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }

    /// Whether nobody has the store open just now; nothing is made or changed by the look.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or why it can't be told.
    pub async fn refuse_in_use(&self) -> Result<(), StoreError> {
        if !self.lock().exists() {
            return Ok(());
        }
        DirectoryLock::take(self).await.map(drop)
    }

    /// The lock that keeps a second daemon out.
    fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }
}

/// The lock on a data directory, held until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock; waits a moment if it is held, since whoever held it may be ending just now, and a child that is
    /// being started holds a copy of every open file until it has become another program.
    pub(super) async fn take(files: &Files) -> Result<Self, StoreError> {
        for _ in 0..TRIES {
            match Self::try_take(files) {
                Err(StoreError::InUse(_)) => tokio::time::sleep(BETWEEN_TRIES).await,
                taken => return taken,
            }
        }
        Self::try_take(files)
    }

    fn try_take(files: &Files) -> Result<Self, StoreError> {
        let path = files.lock();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(OWN)
            .custom_flags(NOFOLLOW)
            .open(&path)
            .map_err(|cause| StoreError::file(&path, &cause))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse(files.directory.clone())),
            Err(errno) => Err(StoreError::file(&path, &errno.into())),
        }
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(PAGE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

/// Opens the one connection that writes.
pub(super) async fn open_writer(files: &Files) -> Result<SqliteConnection, StoreError> {
    let path = files.database();
    // SQLite would say "unable to open database file" for all of these; the operating system says why.
    File::options()
        .create(true)
        .append(true)
        .mode(OWN)
        .custom_flags(NOFOLLOW)
        .open(&path)
        .map_err(|cause| StoreError::file(&path, &cause))?;
    Ok(SqliteConnection::connect_with(&options(&path)).await?)
}

/// Refuses a database of another program before anything in it is touched.
pub(super) async fn refuse_foreign(files: &Files) -> Result<(), StoreError> {
    let path = files.database();
    if std::fs::metadata(&path).map_or(true, |about| about.len() == 0) {
        return Ok(());
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .read_only(true)
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let row = sqlx::query(
        "SELECT COUNT(*), COALESCE(SUM(name = '_sqlx_migrations'), 0) FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    )
    .fetch_one(&mut connection)
    .await?;
    let (tables, ours): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    connection.close().await?;
    if tables > 0 && ours == 0 {
        return Err(StoreError::Foreign(path));
    }
    Ok(())
}

/// Opens the connections that read. `reads` counts how often one is taken: once for each look-up.
pub(super) fn open_readers(files: &Files, reads: &Arc<AtomicU64>) -> SqlitePool {
    let (fresh, again) = (reads.clone(), reads.clone());
    PoolOptions::new()
        .max_connections(READERS)
        .after_connect(move |_, _| {
            fresh.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        })
        .before_acquire(move |_, _| {
            again.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(true) })
        })
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(
            options(&files.database())
                .create_if_missing(false)
                .read_only(true),
        )
}

/// Brings the schema up to date.
///
/// # Errors
/// [`StoreError::Newer`] if the file has a migration that this program doesn't know.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let migrations = migrations();
    let known = migrations
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0);
    connection
        .ensure_migrations_table("_sqlx_migrations")
        .await
        .map_err(|error| migration_error(&error))?;
    let found: i64 = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await?
        .get(0);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Migrator::with_migrations(migrations)
        .run(connection)
        .await
        .map_err(|error| migration_error(&error))
}

fn migration_error(error: &sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMismatch(version) => StoreError::Damaged(format!(
            "migration {version} was applied with another text than this program has"
        )),
        MigrateError::Dirty(version) => {
            StoreError::Damaged(format!("migration {version} was begun and not finished"))
        }
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => {
            StoreError::Sql(inner.to_string())
        }
        other => StoreError::Sql(other.to_string()),
    }
}

/// Brings the write-ahead log into the database and cuts it to nothing, unless somebody reads from it just now.
///
/// # Errors
/// A [`StoreError`] if that failed.
pub(super) async fn scrub(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    // It would wait for readers as long as for a lock, and everybody's writes with it.
    sqlx::query("PRAGMA busy_timeout = 0")
        .execute(&mut *connection)
        .await?;
    let busy = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *connection)
        .await;
    let wait = format!("PRAGMA busy_timeout = {}", BUSY.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(wait))
        .execute(&mut *connection)
        .await?;
    Ok(busy?.try_get::<i64, _>(0)? == 0)
}

/// The bytes of the pages in the database that nothing stands on: they are used before the file grows.
///
/// # Errors
/// A [`StoreError`] if they can't be counted.
pub(super) async fn free_pages(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("PRAGMA freelist_count")
        .fetch_one(connection)
        .await?;
    let pages = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
    Ok(pages.saturating_mul(PAGE.into()))
}

/// How long the write-ahead log is.
pub(super) fn log_length(files: &Files) -> u64 {
    let mut path = files.database().into_os_string();
    path.push("-wal");
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// Asks SQLite whether the file is whole. Takes time in proportion to its size; run after a failed write.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let verdict: String = sqlx::query("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged(verdict))
    }
}
