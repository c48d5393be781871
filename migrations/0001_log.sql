-- The log, what is projected from it in the same transaction, and the feed.
--
-- changed is the transaction that changed a row last: with a snapshot kept by a
-- reader it tells what is new to that reader. It has no index, so that updates
-- of heads and read positions stay heap-only.

CREATE TABLE epoch (
    the_one           boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    epoch             text        NOT NULL,
    system_identifier bigint      NOT NULL,
    timeline          text        NOT NULL,
    since             timestamptz NOT NULL DEFAULT now(),
    feed_gone         xid8        NOT NULL DEFAULT '0' -- commits up to here have been deleted
);

INSERT INTO epoch (epoch, system_identifier, timeline)
SELECT gen_random_uuid()::text, system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8)
FROM pg_control_system();

CREATE TABLE conversations (
    id                     uuid        PRIMARY KEY,
    created_at             timestamptz NOT NULL,
    last_at                timestamptz NOT NULL,
    head_seq               bigint      NOT NULL,
    version                bigint      NOT NULL, -- seq of the last event that decisions depend on
    message_count          bigint      NOT NULL,
    last_message_seq       bigint      NOT NULL, -- 0: none
    changed                xid8        NOT NULL,
    member_count           integer     NOT NULL,
    kind                   text        NOT NULL COLLATE "C",
    creator                text        NOT NULL COLLATE "C",
    direct_key             text        COLLATE "C" UNIQUE,
    client_conversation_id text        COLLATE "C",
    client_hash            bytea,
    title                  text,
    avatar_url             text,
    settings               json        NOT NULL,
    metadata               json
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX conversations_client ON conversations (creator, client_conversation_id)
    WHERE client_conversation_id IS NOT NULL;

-- body is json, not jsonb: it leaves byte for byte as it came.
CREATE TABLE events (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    message_no      bigint      NOT NULL, -- messages of the conversation up to and including seq
    at              timestamptz NOT NULL,
    type            text        NOT NULL COLLATE "C",
    sender          text        NOT NULL COLLATE "C",
    client_msg_id   text        COLLATE "C",
    hash            bytea,                -- of what was posted; gone with a recall
    body            json        NOT NULL,
    PRIMARY KEY (conversation_id, seq)
);

CREATE UNIQUE INDEX events_once ON events (conversation_id, sender, client_msg_id)
    WHERE client_msg_id IS NOT NULL;

CREATE TABLE members (
    conversation_id uuid    NOT NULL,
    joined_seq      bigint  NOT NULL,
    left_seq        bigint,               -- set: no longer a member; kept so that a sync can tell
    read_seq        bigint  NOT NULL,
    read_message_no bigint  NOT NULL,     -- events.message_no at read_seq
    delivered_seq   bigint  NOT NULL DEFAULT 0,
    changed         xid8    NOT NULL,
    pinned          boolean NOT NULL DEFAULT false,
    archived        boolean NOT NULL DEFAULT false,
    notify          text    NOT NULL DEFAULT 'all' COLLATE "C",
    role            text    NOT NULL COLLATE "C",
    user_id         text    NOT NULL COLLATE "C",
    PRIMARY KEY (user_id, conversation_id)
) WITH (fillfactor = 80);

CREATE INDEX members_present ON members (conversation_id, user_id) WHERE left_seq IS NULL;

-- Who is mentioned where; '*' is everyone.
CREATE TABLE mentions (
    conversation_id uuid   NOT NULL,
    user_id         text   NOT NULL COLLATE "C",
    seq             bigint NOT NULL,
    sender          text   NOT NULL COLLATE "C",
    PRIMARY KEY (conversation_id, user_id, seq)
);

CREATE TABLE device_cursors (
    conversation_id uuid        NOT NULL,
    acked_seq       bigint      NOT NULL,
    used_at         timestamptz NOT NULL,
    user_id         text        NOT NULL COLLATE "C",
    device_id       text        NOT NULL COLLATE "C",
    PRIMARY KEY (user_id, device_id, conversation_id)
) WITH (fillfactor = 80);

-- The feed: a row for each transaction that appended. The arrays run in
-- parallel, an element for each conversation.
CREATE TABLE commits (
    tx            xid8        NOT NULL DEFAULT pg_current_xact_id(),
    batch         uuid        NOT NULL,
    at            timestamptz NOT NULL,
    node          text        NOT NULL,
    conversations uuid[]      NOT NULL,
    firsts        bigint[]    NOT NULL,
    heads         bigint[]    NOT NULL,
    membership    boolean[]   NOT NULL
);

CREATE INDEX commits_tx ON commits (tx);
CREATE INDEX commits_at ON commits USING brin (at);
-- Unique, so that a statement that was believed lost and is not can never write
-- its batch a second time.
CREATE UNIQUE INDEX commits_batch ON commits (batch);

CREATE SEQUENCE session_numbers;

---- create above / drop below ----

DROP SEQUENCE session_numbers;
DROP TABLE commits, device_cursors, mentions, members, events, conversations, epoch;
