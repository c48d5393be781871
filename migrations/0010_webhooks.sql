-- Webhooks: endpoints of the app's backend that get events, and what each is still owed.

-- An endpoint and its place in the feed. One node at a time delivers for it, under a lease
-- with a fencing token: a node that takes the lease increments turn, and statements of the
-- feed with a lower turn write nothing.
CREATE TABLE webhooks (
    webhook_id       uuid        PRIMARY KEY, -- of version 7: ascending with time
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    held_until       timestamptz NOT NULL DEFAULT '-infinity', -- end of the lease
    turn             bigint      NOT NULL DEFAULT 0,
    holder           text        NOT NULL DEFAULT '' COLLATE "C", -- a random name of the node's deliverer
    -- What was committed before this position is delivered or in webhook_lanes:
    epoch            text        NOT NULL,
    position         text        NOT NULL,
    -- While walk_since is not null, the holder also goes through all conversations by id,
    -- and makes lanes of the events from that time on:
    walk_since       timestamptz,
    walked_id        uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    rotated_until    timestamptz,             -- until then former_secret signs, too
    state            text        NOT NULL DEFAULT 'enabled' COLLATE "C", -- enabled or disabled
    disabled_reason  text        NOT NULL DEFAULT '',
    url              text        NOT NULL,
    description      text        NOT NULL,    -- '': none
    types            text[]      COLLATE "C", -- null: all
    conversation_ids uuid[],                  -- null: all
    secret           text        NOT NULL,
    former_secret    text        NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

-- The lanes: one row for each webhook and conversation that owes something, however much
-- that is. The bodies are read from the log when they are sent.
CREATE TABLE webhook_lanes (
    webhook_id      uuid        NOT NULL,
    conversation_id uuid        NOT NULL,
    next_seq        bigint      NOT NULL, -- all before it was taken, has failed, or is not of the types
    head_seq        bigint      NOT NULL, -- owed up to here
    due_at          timestamptz NOT NULL, -- when to send next
    attempted_at    timestamptz,          -- the last attempt of next_seq; null: none
    attempts        integer     NOT NULL DEFAULT 0, -- of next_seq
    status          integer     NOT NULL DEFAULT 0, -- of HTTP; 0: no answer
    duration_ms     integer     NOT NULL DEFAULT 0,
    error           text        NOT NULL DEFAULT '',
    PRIMARY KEY (webhook_id, conversation_id)
) WITH (fillfactor = 70);

CREATE INDEX webhook_lanes_due ON webhook_lanes (webhook_id, due_at);

-- Events that were given up after the last attempt. They are deleted after 30 days.
CREATE TABLE webhook_failures (
    webhook_id      uuid        NOT NULL,
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    failed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts        integer     NOT NULL,
    status          integer     NOT NULL,
    duration_ms     integer     NOT NULL,
    error           text        NOT NULL,
    PRIMARY KEY (webhook_id, conversation_id, seq)
);

CREATE INDEX webhook_failures_at ON webhook_failures (failed_at);

---- create above / drop below ----

DROP TABLE webhook_failures, webhook_lanes, webhooks;
