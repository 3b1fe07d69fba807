-- What came of the day's connections to one domain (RFC 8460), until its report was sent or given up. due_at is when the
-- report is to be sent, at a moment by chance after the day is over.
CREATE TABLE tls_day (
    id     BLOB    NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL,
    sealed BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX tls_day_due ON tls_day (due_at);

-- Reports of others about mail to us (TLS) and in our name (DMARC), by a keyed hash of who sent them and their id, so that
-- one that comes twice counts once.
CREATE TABLE report (
    report_index BLOB    NOT NULL PRIMARY KEY,
    kept_until   INTEGER NOT NULL,
    sealed       BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX report_kept_until ON report (kept_until);
