-- What is known of users; state of its own, not derived from events. as_of is
-- when the newest source was made: a token's iat, or the time of a backend's
-- call. claims is the hash of the claims that were taken last, by which tokens
-- without a time are told from one another.
CREATE TABLE profiles (
    as_of      timestamptz NOT NULL,
    claims     bytea,
    user_id    text        PRIMARY KEY COLLATE "C",
    name       text,
    avatar_url text,
    metadata   json
);

---- create above / drop below ----

DROP TABLE profiles;
