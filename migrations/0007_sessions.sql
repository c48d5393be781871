-- Directives in the feed: sessions of a user that are to end, one of them or all
-- with a number below. A row that holds one names no conversations.
ALTER TABLE commits
    ADD COLUMN end_user    text COLLATE "C",
    ADD COLUMN end_session text,
    ADD COLUMN end_below   bigint,
    ADD COLUMN end_code    integer;

CREATE INDEX commits_ends ON commits (tx) WHERE end_user IS NOT NULL;

-- Tokens of a user that were issued before are refused.
CREATE TABLE revocations (
    before  timestamptz NOT NULL,
    user_id text        PRIMARY KEY COLLATE "C"
);

---- create above / drop below ----

DROP TABLE revocations;
DROP INDEX commits_ends;
ALTER TABLE commits DROP COLUMN end_user, DROP COLUMN end_session, DROP COLUMN end_below, DROP COLUMN end_code;
