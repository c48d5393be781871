-- Bans and mutes of conversations, reports of messages, and bans of users from the app.

-- The bans and mutes of each conversation: a projection of the log. The owner and admins
-- lift them; those that have ended by themselves stay until then. Whether one has ended is
-- judged when a command is decided.
CREATE TABLE sanctions (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL, -- of the event that began or changed it
    at              timestamptz NOT NULL,
    until           timestamptz,          -- null: no end
    kind            text        NOT NULL COLLATE "C", -- ban or mute
    user_id         text        NOT NULL COLLATE "C",
    by_user         text        NOT NULL COLLATE "C", -- who banned or muted the user
    reason          text        NOT NULL, -- '': none
    PRIMARY KEY (conversation_id, kind, user_id)
);

-- Reports of messages by users, for the app's backend: state of its own, not derived from
-- events. A report keeps the content of the message as it stood, though a recall erases it
-- from the log. It is deleted after IM_REPORT_RETENTION.
CREATE TABLE reports (
    report_id       uuid        PRIMARY KEY, -- of version 7: ascending with time
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL, -- of the message
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(), -- of the state
    posted_at       timestamptz NOT NULL,
    sender          text        NOT NULL COLLATE "C", -- of the message
    reporter        text        NOT NULL COLLATE "C",
    category        text        NOT NULL COLLATE "C",
    state           text        NOT NULL COLLATE "C" DEFAULT 'open', -- open, accepted, dismissed
    text            text        NOT NULL, -- of the reporter; '': none
    content         json        NOT NULL, -- json, not jsonb: the bytes that the sender sent
    UNIQUE (conversation_id, seq, reporter)
);

CREATE INDEX reports_state ON reports (state, report_id);
CREATE INDEX reports_created ON reports (created_at);

-- Users whom the app has banned: their tokens are refused until the end of the ban.
CREATE TABLE user_bans (
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),
    until   timestamptz, -- null: no end
    user_id text        PRIMARY KEY COLLATE "C",
    reason  text        NOT NULL -- '': none
);

---- create above / drop below ----

DROP TABLE user_bans, reports, sanctions;
