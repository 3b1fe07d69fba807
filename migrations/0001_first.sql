-- The first schema. A row is: an id, its keyed indexes, the few integers that SQL must order by, and one sealed
-- blob with all else. Every clear column below is on the allow-list of the schema test (src/store/schema.rs), with
-- the reason why it may be clear.

-- The data keys, wrapped by the root key.
CREATE TABLE keyring (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    wrapped BLOB    NOT NULL
);

-- Small values of the installation: server secrets, DKIM keys, retention marks.
CREATE TABLE setting (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Messages. A staged message is still being received: it is nobody's yet and is swept at start.
CREATE TABLE message (
    id     BLOB    NOT NULL PRIMARY KEY,
    staged INTEGER NOT NULL,
    sealed BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_staged ON message (id) WHERE staged = 1;

-- The body of a message in sealed chunks of 64 KiB.
CREATE TABLE chunk (
    message_id BLOB    NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    idx        INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    sealed     BLOB    NOT NULL,
    UNIQUE (message_id, idx)
);

-- Staff accounts.
CREATE TABLE staff (
    id         BLOB    NOT NULL PRIMARY KEY,
    name_index BLOB    NOT NULL UNIQUE,
    version    INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) WITHOUT ROWID;

-- A message's place in a mailbox, a staff member's or a role's.
CREATE TABLE entry (
    id         BLOB NOT NULL PRIMARY KEY,
    mailbox    BLOB NOT NULL,
    message_id BLOB NOT NULL REFERENCES message (id),
    sealed     BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX entry_mailbox ON entry (mailbox);
CREATE INDEX entry_message ON entry (message_id);

-- One address, its constituency and its subscriptions. The constituency and the lists are inside the seal: a column
-- or an index of either would let somebody who signed up before stealing the file pick out his neighbours.
CREATE TABLE subscriber (
    id                BLOB    NOT NULL PRIMARY KEY,
    address_index     BLOB    NOT NULL UNIQUE,
    suppression_index BLOB    NOT NULL UNIQUE,
    version           INTEGER NOT NULL,
    sealed            BLOB    NOT NULL
) WITHOUT ROWID;

-- Who must not be written to: keyed hashes of addresses, never the addresses.
CREATE TABLE suppression (
    suppression_index BLOB    NOT NULL PRIMARY KEY,
    version           INTEGER NOT NULL,
    sealed            BLOB    NOT NULL
) WITHOUT ROWID;

-- Sign-ups that wait for their confirmation; one live per address.
CREATE TABLE request (
    id            BLOB    NOT NULL PRIMARY KEY,
    address_index BLOB    NOT NULL UNIQUE,
    token_hash    BLOB    NOT NULL UNIQUE,
    expires_at    INTEGER NOT NULL,
    sealed        BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX request_expires ON request (expires_at);

-- How often an address was asked "was it you?", so that nobody is asked too often.
CREATE TABLE challenge (
    address_index BLOB    NOT NULL PRIMARY KEY,
    version       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    sealed        BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX challenge_expires ON challenge (expires_at);

-- What public pages and mails left for a worker to decide.
CREATE TABLE intake (
    id     BLOB    NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL,
    sealed BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX intake_due ON intake (due_at);

-- Exact texts that somebody was shown, by their SHA-256.
CREATE TABLE wording (
    digest BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- The Merkle logs: 1 is the audit log, 2 the consent log. An erased event has lost its sealed part, never its leaf.
CREATE TABLE log_leaf (
    log     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    leaf    BLOB    NOT NULL,
    subject BLOB,
    sealed  BLOB,
    PRIMARY KEY (log, seq)
) WITHOUT ROWID;
CREATE INDEX log_leaf_subject ON log_leaf (subject) WHERE subject IS NOT NULL;

CREATE TABLE log_head (
    log      INTEGER NOT NULL PRIMARY KEY,
    size     INTEGER NOT NULL,
    frontier BLOB    NOT NULL
);

-- Signed sizes and roots of the logs.
CREATE TABLE checkpoint (
    log    INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    sealed BLOB    NOT NULL,
    PRIMARY KEY (log, size)
) WITHOUT ROWID;

-- Mail to one outside recipient: staff mail and our own service mail.
CREATE TABLE queue (
    id         BLOB    NOT NULL PRIMARY KEY,
    message_id BLOB    NOT NULL REFERENCES message (id),
    due_at     INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX queue_due ON queue (due_at);
CREATE INDEX queue_message ON queue (message_id);

-- One message sent to a list. The prepared segments are the body of message_id.
CREATE TABLE mailing (
    id         BLOB    NOT NULL PRIMARY KEY,
    message_id BLOB    NOT NULL REFERENCES message (id),
    version    INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX mailing_message ON mailing (message_id);

-- What became of each copy. due_at is null once nothing more is to be done. The link to the person goes at withdrawal.
CREATE TABLE ledger (
    copy_id       BLOB NOT NULL PRIMARY KEY,
    mailing_id    BLOB NOT NULL REFERENCES mailing (id),
    subscriber_id BLOB,
    due_at        INTEGER,
    sealed        BLOB NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX ledger_person ON ledger (subscriber_id, mailing_id) WHERE subscriber_id IS NOT NULL;
CREATE INDEX ledger_due ON ledger (mailing_id, due_at) WHERE due_at IS NOT NULL;

-- Mail that came back to a signed return path.
CREATE TABLE bounce (
    id         BLOB NOT NULL PRIMARY KEY,
    copy_id    BLOB NOT NULL,
    message_id BLOB NOT NULL REFERENCES message (id),
    sealed     BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX bounce_copy ON bounce (copy_id);
CREATE INDEX bounce_message ON bounce (message_id);
