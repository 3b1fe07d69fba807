-- Outside addresses whose owners answered "was it you?", or whom staff know: keyed hashes. When, is inside the seal.
CREATE TABLE contact (
    address_index BLOB NOT NULL PRIMARY KEY,
    sealed        BLOB NOT NULL
) WITHOUT ROWID;

-- Whose the mail is that waits in a folder Unconfirmed. Whether it proves its author itself is inside the seal.
CREATE TABLE waiting (
    message_id    BLOB NOT NULL PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
    address_index BLOB NOT NULL,
    sealed        BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX waiting_address ON waiting (address_index);

-- Strangers who were asked, each with the hash of their link. The second index is that of the address without its tag, by
-- which it is counted how often somebody is asked.
CREATE TABLE question (
    token_hash    BLOB    NOT NULL PRIMARY KEY,
    address_index BLOB    NOT NULL,
    pace_index    BLOB    NOT NULL,
    asked_at      INTEGER NOT NULL,
    sealed        BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX question_address ON question (address_index);
CREATE INDEX question_pace ON question (pace_index);
CREATE INDEX question_asked ON question (asked_at);
