-- When a user was online last; written behind, and by no event.
CREATE TABLE user_seen (
    user_id text        PRIMARY KEY COLLATE "C",
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 80);

---- create above / drop below ----

DROP TABLE user_seen;
