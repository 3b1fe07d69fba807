-- Folders. The places that messages had until now are moved into them once the keys are at hand, by the store itself,
-- which then drops entry_before.
DROP INDEX entry_mailbox;
DROP INDEX entry_message;
ALTER TABLE entry RENAME TO entry_before;

-- A folder of a mailbox. Its name, its counters and what it holds are inside the seal.
CREATE TABLE folder (
    id         BLOB NOT NULL PRIMARY KEY,
    mailbox    BLOB NOT NULL,
    name_index BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    UNIQUE (mailbox, name_index)
) WITHOUT ROWID;

-- A message's place in a folder. Flags, keywords, dates and size are inside the seal: nobody can tell who read what.
CREATE TABLE entry (
    folder_id  BLOB    NOT NULL REFERENCES folder (id),
    uid        INTEGER NOT NULL,
    modseq     INTEGER NOT NULL,
    message_id BLOB    NOT NULL REFERENCES message (id),
    sealed     BLOB    NOT NULL,
    PRIMARY KEY (folder_id, uid)
) WITHOUT ROWID;
CREATE INDEX entry_modseq ON entry (folder_id, modseq);
CREATE INDEX entry_message ON entry (message_id);

-- Which UIDs left a folder by one change (RFC 7162): their ranges are inside the seal.
CREATE TABLE expunged (
    folder_id BLOB    NOT NULL REFERENCES folder (id),
    modseq    INTEGER NOT NULL,
    sealed    BLOB    NOT NULL,
    PRIMARY KEY (folder_id, modseq)
) WITHOUT ROWID;

-- What a list of messages shows of one, beside it: header fields and the tree of its parts. Rows stand in the order in
-- which they were written, so that those of one folder lie together.
CREATE TABLE outline (
    message_id BLOB NOT NULL PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
    sealed     BLOB NOT NULL
);
