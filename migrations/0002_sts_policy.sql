-- MTA-STS policies of other domains (RFC 8461), by a keyed hash of the domain, for as long as they hold. due_at is when
-- a policy is fetched again, or forgotten.
CREATE TABLE sts_policy (
    domain_index BLOB    NOT NULL PRIMARY KEY,
    due_at       INTEGER NOT NULL,
    sealed       BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX sts_policy_due ON sts_policy (due_at);
