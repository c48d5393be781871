-- How far a rebuild of the projections has come, so that the next one goes on
-- from there. No row: it begins at the beginning.
--
-- A rebuild that corrects what decisions depend on gives the conversation a
-- version below zero from block_versions, so that no node decides on what it has
-- cached. The next event that decisions depend on makes it a seq again.
CREATE TABLE rebuild_position (
    the_one boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    after   uuid        NOT NULL, -- the last conversation that was done
    done    bigint      NOT NULL, -- conversations
    since   timestamptz NOT NULL DEFAULT now(),
    at      timestamptz NOT NULL DEFAULT now()
);

---- create above / drop below ----

DROP TABLE rebuild_position;
