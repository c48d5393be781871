-- The tables of the store. Their functions are in 0002_functions.sql.
--
-- The table events is the log and the only source of truth about conversations.
-- Most other tables are projections of it. A projection is written in the
-- transaction that appends the event, except search_messages, which follows the
-- feed (commits). "im rebuild" compares projections with the log and repairs them.
-- Read positions, preferences, blocks, profiles and device cursors are not derived
-- from events: they are state of their own.
--
-- Lock order. Every statement that locks rows takes the locks in this order of
-- tables, and by primary key within a table, so that no two statements deadlock:
--
--   1. the advisory lock of a direct conversation's key (im_set_block_1,
--      im_direct_blocks_1)
--   2. conversations, by id ("the head" of a conversation)
--   3. members, by (user_id, conversation_id)
--   4. message_states, by (conversation_id, seq)
--   5. device_cursors, by (user_id, device_id, conversation_id)
--
-- Identifiers of people and devices have the collation "C": they are compared as
-- bytes, as Go compares them.
--
-- A column named "changed" holds the id of the transaction that changed the row last.
-- A reader that keeps a snapshot (pg_snapshot) finds by it the rows that changed since
-- then. The column has no index on purpose: without one, updates of heads and read
-- positions are heap-only (HOT). They also need the free space of a low fillfactor.


-- The server ----------------------------------------------------------------------

-- The identity of this history, in one row. A new epoch begins when the log came
-- back in an earlier state, for example after a restore. Cursors and feed positions
-- name their epoch and are not valid in another.
CREATE TABLE epoch (
    the_one           boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    epoch             text        NOT NULL, -- a random id
    system_identifier bigint      NOT NULL, -- of the server on which the epoch began; 0: the server does not tell
    timeline          text        NOT NULL, -- of the server's write-ahead log at that time; '': the server does not tell
    since             timestamptz NOT NULL DEFAULT now(),
    feed_gone         xid8        NOT NULL DEFAULT '0' -- the highest commits.tx that was deleted
);

-- Some hosted servers refuse these functions.
DO $$
DECLARE
    v_system   bigint := 0;
    v_timeline text := '';
BEGIN
    BEGIN
        SELECT system_identifier INTO v_system FROM pg_control_system();
        v_timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'the server does not tell its identity: %', SQLERRM;
    END;
    INSERT INTO epoch (epoch, system_identifier, timeline)
    VALUES (gen_random_uuid()::text, coalesce(v_system, 0), coalesce(v_timeline, ''));
END
$$;


-- Conversations and their log -----------------------------------------------------

-- The head and the settings of each conversation. Every append locks this row first;
-- the lock orders all changes of the conversation.
CREATE TABLE conversations (
    id                     uuid        PRIMARY KEY,
    created_at             timestamptz NOT NULL, -- time of the first event
    last_at                timestamptz NOT NULL, -- time of the last event; times never descend
    head_seq               bigint      NOT NULL, -- seq of the last event
    -- Identifies the state that decisions depend on: settings, members, roles, pins,
    -- blocks. Normally it is the seq of the last event that changed this state. A
    -- block or a repair changes the state without an event and sets a value below
    -- zero from block_versions, which is never used twice. A batch is appended only
    -- while the version is the one that its commands were decided on.
    version                bigint      NOT NULL,
    message_count          bigint      NOT NULL, -- events of type message.posted, recalled ones included
    last_message_seq       bigint      NOT NULL, -- seq of the last message.posted; 0: none
    changed                xid8        NOT NULL,
    member_count           integer     NOT NULL, -- current members
    kind                   text        NOT NULL COLLATE "C", -- direct or group
    creator                text        NOT NULL COLLATE "C",
    direct_key             text        COLLATE "C" UNIQUE, -- both users, ascending, joined by a line feed; null: no direct conversation
    client_conversation_id text        COLLATE "C", -- idempotency key of the creation, per creator
    client_hash            bytea,                   -- hash of the creating request: with the same key and hash it is a repetition, with another hash a conflict
    title                  text,
    avatar_url             text,
    settings               json        NOT NULL,
    metadata               json,                    -- json, not jsonb: clients get the bytes that they sent
    archived               boolean     NOT NULL DEFAULT false, -- true if a member may have archived it; the trigger unarchive then looks for such members
    blocked                smallint    NOT NULL DEFAULT 0      -- direct only, a sum: 1, the first user of direct_key may not post; 2, the second may not
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX conversations_client ON conversations (creator, client_conversation_id)
    WHERE client_conversation_id IS NOT NULL;

-- Values of conversations.version that are not the seq of an event.
CREATE SEQUENCE block_versions;

-- The log. The seqs of a conversation are 1 … head_seq without a gap, in the order
-- of their commits. Rows are inserted once. Only a recall changes them: it erases the
-- content of the message and of its edits.
CREATE TABLE events (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    message_no      bigint      NOT NULL, -- number of message.posted events up to and including seq
    at              timestamptz NOT NULL, -- never before that of a lower seq
    type            text        NOT NULL COLLATE "C",
    sender          text        NOT NULL COLLATE "C",
    client_msg_id   text        COLLATE "C", -- idempotency key of a message, per conversation and sender
    hash            bytea,                   -- hash of the posted content, compared on a repetition; null after a recall
    body            json        NOT NULL,    -- json, not jsonb: clients get the bytes that were stored
    target_seq      bigint,                  -- of events about a message: the seq of its message.posted
    PRIMARY KEY (conversation_id, seq)
);

CREATE UNIQUE INDEX events_once ON events (conversation_id, sender, client_msg_id)
    WHERE client_msg_id IS NOT NULL;

-- Finds the events about a message; messages themselves are not in it.
CREATE INDEX events_about ON events (conversation_id, target_seq, type, seq) WHERE target_seq IS NOT NULL;


-- Projections of the log ----------------------------------------------------------

-- Members, present and former, with their own state of the conversation.
CREATE TABLE members (
    conversation_id uuid    NOT NULL,
    joined_seq      bigint  NOT NULL,     -- seq of the latest member.added; 1 for the first members
    left_seq        bigint,               -- seq of the member.removed; null: a current member. The row stays, so that a sync can report the removal
    -- State of the user's own, not derived from events:
    read_seq        bigint  NOT NULL,     -- the member has read up to here; never moves back
    read_message_no bigint  NOT NULL,     -- events.message_no at read_seq
    delivered_seq   bigint  NOT NULL DEFAULT 0, -- some device has received up to here
    changed         xid8    NOT NULL,
    pinned          boolean NOT NULL DEFAULT false,
    archived        boolean NOT NULL DEFAULT false, -- the next message sets it to false
    notify          text    NOT NULL DEFAULT 'all' COLLATE "C",
    -- Derived from events, as the first columns are:
    role            text    NOT NULL COLLATE "C",
    user_id         text    NOT NULL COLLATE "C",
    PRIMARY KEY (user_id, conversation_id)
) WITH (fillfactor = 80);

CREATE INDEX members_present ON members (conversation_id, user_id) WHERE left_seq IS NULL;

CREATE INDEX members_archived ON members (conversation_id) WHERE archived;

-- Which messages mention a user, as they stand after their last edit.
CREATE TABLE mentions (
    conversation_id uuid   NOT NULL,
    user_id         text   NOT NULL COLLATE "C", -- '*': all members
    seq             bigint NOT NULL,             -- of the message
    sender          text   NOT NULL COLLATE "C",
    PRIMARY KEY (conversation_id, user_id, seq)
);

-- For edits and recalls, which replace the mentions of a message.
CREATE INDEX mentions_of ON mentions (conversation_id, seq);

-- The messages that were edited or recalled. Content is not repeated here: it is in
-- events only, so that a recall has one place to erase.
CREATE TABLE message_states (
    conversation_id uuid   NOT NULL,
    seq             bigint NOT NULL, -- of the message
    touched         bigint NOT NULL, -- seq of the last edit or recall: the revision of the message that decisions about it depend on
    edited_seq      bigint,          -- seq of the last edit; null: none
    recalled_seq    bigint,          -- seq of the recall; null: none
    PRIMARY KEY (conversation_id, seq)
) WITH (fillfactor = 80);

-- For unread counts, which leave recalled messages out.
CREATE INDEX message_states_recalled ON message_states (conversation_id, seq) WHERE recalled_seq IS NOT NULL;

-- The reactions that are present.
CREATE TABLE reactions (
    conversation_id uuid        NOT NULL,
    target_seq      bigint      NOT NULL, -- of the message
    seq             bigint      NOT NULL, -- of the reaction.added
    at              timestamptz NOT NULL,
    emoji           text        NOT NULL COLLATE "C",
    user_id         text        NOT NULL COLLATE "C",
    PRIMARY KEY (conversation_id, target_seq, emoji, user_id)
);

-- The messages that are pinned.
CREATE TABLE pins (
    conversation_id uuid        NOT NULL,
    target_seq      bigint      NOT NULL, -- of the message
    seq             bigint      NOT NULL, -- of the message.pinned
    at              timestamptz NOT NULL,
    user_id         text        NOT NULL COLLATE "C", -- the user who pinned it
    PRIMARY KEY (conversation_id, target_seq)
);


-- The feed ------------------------------------------------------------------------

-- One row for each transaction that appended events or that ends sessions. Nodes read
-- it once a second and thereby find everything that the message broker lost. Rows are
-- deleted after some hours; epoch.feed_gone records how far.
--
-- A row with end_user asks all nodes to end sessions of this user. It names no
-- conversations.
CREATE TABLE commits (
    tx            xid8        NOT NULL DEFAULT pg_current_xact_id(),
    batch         uuid        NOT NULL, -- id of the batch; a committer that lost the answer looks it up
    at            timestamptz NOT NULL,
    node          text        NOT NULL, -- name of the node that appended
    -- One element for each conversation:
    conversations uuid[]      NOT NULL,
    firsts        bigint[]    NOT NULL, -- seq of the first event of this transaction
    heads         bigint[]    NOT NULL, -- seq of the last one
    membership    boolean[]   NOT NULL, -- whether members were added or removed
    -- Sessions to end:
    end_user      text        COLLATE "C",
    end_session   text,                 -- this one; '': all with a number below end_below
    end_below     bigint,
    end_code      integer               -- close code of the WebSocket
);

CREATE INDEX commits_tx ON commits (tx);
CREATE INDEX commits_at ON commits USING brin (at);
-- Unique, so that a batch whose statement is still running when the committer gives
-- it up cannot be written a second time.
CREATE UNIQUE INDEX commits_batch ON commits (batch);
CREATE INDEX commits_ends ON commits (tx) WHERE end_user IS NOT NULL;


-- Users, devices and sessions: state of its own -----------------------------------

-- The seq up to which a device has acknowledged each conversation. Written behind,
-- in batches. The rows of a device go after 30 days without use.
CREATE TABLE device_cursors (
    conversation_id uuid        NOT NULL,
    acked_seq       bigint      NOT NULL, -- never moves back
    used_at         timestamptz NOT NULL,
    user_id         text        NOT NULL COLLATE "C",
    device_id       text        NOT NULL COLLATE "C",
    PRIMARY KEY (user_id, device_id, conversation_id)
) WITH (fillfactor = 80);

-- What tokens and backends say about users.
CREATE TABLE profiles (
    as_of      timestamptz NOT NULL, -- age of the source: the token's iat, or the time of the backend's call
    claims     bytea,                -- hash of the claims that were stored last; the same claims are not written again
    user_id    text        PRIMARY KEY COLLATE "C",
    name       text,
    avatar_url text,
    metadata   json
);

-- When a user was last online. Written behind.
CREATE TABLE user_seen (
    user_id text        PRIMARY KEY COLLATE "C",
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- Which user (blocker) accepts no direct messages from which other user (blocked).
CREATE TABLE blocks (
    since   timestamptz NOT NULL DEFAULT now(),
    blocker text        NOT NULL COLLATE "C",
    blocked text        NOT NULL COLLATE "C",
    PRIMARY KEY (blocker, blocked)
);

-- Tokens of a user that were issued before this time are refused.
CREATE TABLE revocations (
    before  timestamptz NOT NULL,
    user_id text        PRIMARY KEY COLLATE "C"
);

-- Numbers of sessions, ascending: a session replaces only sessions with lower numbers.
CREATE SEQUENCE session_numbers;


-- Search --------------------------------------------------------------------------

-- The index of full-text search: the terms of each message that has any, as the
-- message stands. It follows the feed, some moments behind the append.
CREATE TABLE search_messages (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    at              timestamptz NOT NULL,
    sender          text        NOT NULL COLLATE "C",
    terms           tsvector    NOT NULL, -- of the text, and labels of conversation and sender, so that one index serves all three
    PRIMARY KEY (conversation_id, seq)
);

-- The pending list is kept short, because every search reads all of it.
CREATE INDEX search_messages_terms ON search_messages USING gin (terms) WITH (fastupdate = on, gin_pending_list_limit = 1024);

-- The progress of search_messages, in one row, and the lease of the node that writes
-- it. "turn" is the fencing token of the lease: a node that takes the lease increments
-- it, and statements with a lower turn write nothing.
CREATE TABLE search_position (
    the_one       boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    turn          bigint      NOT NULL DEFAULT 0,
    holder        text        NOT NULL DEFAULT '',          -- a random name of the node's indexer
    held_until    timestamptz NOT NULL DEFAULT '-infinity', -- end of the lease
    terms_version integer     NOT NULL DEFAULT 0,           -- of the code that makes the terms; another version builds the index again
    epoch         text        NOT NULL DEFAULT '',          -- the epoch of position
    position      text        NOT NULL DEFAULT '',          -- in the feed; '': the feed is not followed yet
    -- While true, a backfill also reads the log, in the order of its primary key:
    walking       boolean     NOT NULL DEFAULT true,
    walked_id     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- the key up to which it has read
    walked_seq    bigint      NOT NULL DEFAULT 0,
    walked        bigint      NOT NULL DEFAULT 0            -- the number of messages it has read
) WITH (fillfactor = 20);

INSERT INTO search_position DEFAULT VALUES;


-- Rebuild -------------------------------------------------------------------------

-- The progress of "im rebuild", in one row, so that the next one can continue. No row:
-- it starts from the beginning.
CREATE TABLE rebuild_position (
    the_one boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    after   uuid        NOT NULL, -- the last conversation that is done, in the order of ids
    done    bigint      NOT NULL, -- number of conversations that are done
    since   timestamptz NOT NULL DEFAULT now(), -- when it started
    at      timestamptz NOT NULL DEFAULT now()  -- when this row was written
);

---- create above / drop below ----

DROP TABLE rebuild_position, search_position, search_messages, revocations, blocks, user_seen, profiles, device_cursors,
    commits, pins, reactions, message_states, mentions, members, events, conversations, epoch;
DROP SEQUENCE session_numbers, block_versions;
