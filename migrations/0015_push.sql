-- Push notifications to devices.

-- How devices are reached. The address is a secret of the device.
CREATE TABLE push_registrations (
    registration_id uuid        NOT NULL DEFAULT gen_random_uuid(), -- new with each address
    registered_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    issued_at       timestamptz NOT NULL, -- of the token that registered it; a revocation of later counts the row as gone
    user_id         text        NOT NULL COLLATE "C",
    device_id       text        NOT NULL COLLATE "C",
    provider        text        NOT NULL COLLATE "C", -- fcm, apns, webpush
    service         text        NOT NULL COLLATE "C", -- the provider; of Web Push the host
    token           text        NOT NULL COLLATE "C", -- of Web Push: the endpoint
    token_hash      bytea       NOT NULL,             -- SHA-256: a token may be too long for an index
    p256dh          bytea,                            -- of Web Push
    auth            bytea,                            -- of Web Push
    preview         text        NOT NULL COLLATE "C", -- full, sender, none
    locale          text        NOT NULL COLLATE "C", -- '': none
    PRIMARY KEY (user_id, device_id)
);

-- A device is of one user at a time.
CREATE UNIQUE INDEX push_registrations_token ON push_registrations (provider, token_hash);

-- The place in the feed, and the lease of the node that follows it.
CREATE TABLE push_feed (
    the_one    boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    turn       bigint      NOT NULL DEFAULT 0, -- fencing token of the lease
    holder     text        NOT NULL DEFAULT '' COLLATE "C",
    held_until timestamptz NOT NULL DEFAULT '-infinity',
    epoch      text        NOT NULL DEFAULT '',
    position   text        NOT NULL DEFAULT '', -- '': the feed is not followed yet
    walked_id  uuid -- while it is not null, lanes are made of the last minutes of the conversations after it
) WITH (fillfactor = 20);

INSERT INTO push_feed DEFAULT VALUES;

-- Conversations whose messages from next_seq to head_seq are not looked at yet. Any node
-- takes the rows that are due. The members of a large group are gone through in parts.
--
-- state   | pass_seq   | after_user
-- waiting | 0          | ''
-- begun   | above zero | the last member for whom the messages up to pass_seq were looked at
CREATE TABLE push_lanes (
    conversation_id uuid        PRIMARY KEY,
    next_seq        bigint      NOT NULL,
    head_seq        bigint      NOT NULL,
    pass_seq        bigint      NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    after_user      text        NOT NULL DEFAULT '' COLLATE "C"
) WITH (fillfactor = 70);

CREATE INDEX push_lanes_due ON push_lanes (due_at);

-- What each device is to know of a conversation: one row, however many messages there are.
-- The states are described at domain.PushClaim and in docs/push.md. Any node claims the
-- rows that are due. A claim moves due_at to its end, and increments claim; what an older
-- claim writes has no effect.
CREATE TABLE push_notifications (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,           -- of the last message to know of
    sent_seq        bigint      NOT NULL DEFAULT 0, -- of the one that was sent; 0: none
    claim           bigint      NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,           -- when to send, or to see if it was read elsewhere
    sent_at         timestamptz,
    attempts        integer     NOT NULL DEFAULT 0, -- that have failed
    user_id         text        NOT NULL COLLATE "C",
    device_id       text        NOT NULL COLLATE "C",
    provider        text        NOT NULL COLLATE "C",
    service         text        NOT NULL COLLATE "C",
    PRIMARY KEY (user_id, conversation_id, device_id),
    FOREIGN KEY (user_id, device_id) REFERENCES push_registrations ON DELETE CASCADE
) WITH (fillfactor = 50);

CREATE INDEX push_notifications_due ON push_notifications (provider, due_at);

---- create above / drop below ----

DROP TABLE push_notifications, push_lanes, push_feed, push_registrations;
