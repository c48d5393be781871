-- Full-text search: a projection that follows the feed behind the append, never in
-- its transaction.

-- The terms of messages as they stand; of those that have any. terms holds what
-- package store/postgres/terms makes of them, and labels of conversation and sender,
-- so that one index serves them together.
CREATE TABLE search_messages (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    at              timestamptz NOT NULL,
    sender          text        NOT NULL COLLATE "C",
    terms           tsvector    NOT NULL,
    PRIMARY KEY (conversation_id, seq)
);

-- What is pending is read by every search: it is kept short.
CREATE INDEX search_messages_terms ON search_messages USING gin (terms) WITH (fastupdate = on, gin_pending_list_limit = 1024);

-- How far the projection has come. One node at a time holds it, until held_until.
-- Whoever takes it begins the next turn, and what belongs to a former turn is not
-- written any more.
CREATE TABLE search_position (
    the_one       boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    turn          bigint      NOT NULL DEFAULT 0,
    holder        text        NOT NULL DEFAULT '',
    held_until    timestamptz NOT NULL DEFAULT '-infinity',
    terms_version integer     NOT NULL DEFAULT 0,
    epoch         text        NOT NULL DEFAULT '', -- that position is of
    position      text        NOT NULL DEFAULT '', -- in the feed; empty: nothing is followed yet
    walking       boolean     NOT NULL DEFAULT true, -- the log is being walked, in the order of its key
    walked_id     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- up to here
    walked_seq    bigint      NOT NULL DEFAULT 0,
    walked        bigint      NOT NULL DEFAULT 0 -- messages
) WITH (fillfactor = 20);

INSERT INTO search_position DEFAULT VALUES;

---- create above / drop below ----

DROP TABLE search_position, search_messages;
