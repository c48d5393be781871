-- Several nodes update the search index at once. Each conversation belongs to one of 16
-- slots, by the last four bits of its id, which are random. A node holds some of the
-- slots, each under a lease with a fencing token, and each slot has a position of its own.
-- So the number of nodes, and of loops in a node, may change at any time.
--
-- search_position stays for nodes of the versions before, which update the whole index.
-- The nodes of this version hold its lease together, under the name "slots", while at
-- least one of them runs. It describes what all slots have reached at least, so that
-- either version can go on from where the other one has come to.

-- Incremented when a slot starts again, so that a late summary of the slots is noticed.
ALTER TABLE search_position ADD COLUMN restarts bigint NOT NULL DEFAULT 0;

-- The columns are those of search_position.
CREATE TABLE search_slots (
    slot          smallint    PRIMARY KEY CHECK (slot BETWEEN 0 AND 15),
    turn          bigint      NOT NULL DEFAULT 0,
    holder        text        NOT NULL DEFAULT '',
    held_until    timestamptz NOT NULL DEFAULT '-infinity',
    terms_version integer     NOT NULL DEFAULT 0,
    epoch         text        NOT NULL DEFAULT '',
    position      text        NOT NULL DEFAULT '',
    walking       boolean     NOT NULL DEFAULT true,
    walked_id     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    walked_seq    bigint      NOT NULL DEFAULT 0,
    walked        bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

INSERT INTO search_slots (slot) SELECT generate_series(0, 15);

-- The nodes among which the slots are divided.
CREATE TABLE search_nodes (
    name          text        PRIMARY KEY,
    terms_version integer     NOT NULL,
    until         timestamptz NOT NULL -- the node is gone when this is over
) WITH (fillfactor = 20);

-- im_search_taken fences the slots off whenever the lease of search_position changes
-- hands, and starts them from its state.
CREATE FUNCTION im_search_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE search_slots SET
        turn = turn + 1, holder = '', held_until = '-infinity', terms_version = NEW.terms_version, epoch = NEW.epoch,
        position = NEW.position, walking = NEW.walking, walked_id = NEW.walked_id, walked_seq = NEW.walked_seq,
        walked = CASE slot WHEN 0 THEN NEW.walked ELSE 0 END;
    RETURN NULL;
END
$$;

CREATE TRIGGER taken AFTER UPDATE ON search_position FOR EACH ROW
WHEN (NEW.turn <> OLD.turn) EXECUTE FUNCTION im_search_taken();

-- im_search_slots_1 renews the leases of a node for 1.5 s and returns its slots. With
-- p_share, it also gives up and takes slots, so that each node has its share; then the
-- node must not be writing. No slots are given to a node while there is one with newer
-- terms, or while a node of the versions before holds search_position.
--
-- It waits for no lock: a locked row is being written by its holder, which renews it too.
-- The order of locks is search_position, then search_slots.
CREATE FUNCTION im_search_slots_1(p_name text, p_terms_version int, p_share boolean)
RETURNS SETOF search_slots LANGUAGE plpgsql AS $$
DECLARE
    v_until constant timestamptz := clock_timestamp() + interval '1500 ms';
    v_most  int;
BEGIN
    UPDATE search_position SET
        held_until = v_until, turn = turn + CASE holder WHEN 'slots' THEN 0 ELSE 1 END, holder = 'slots'
    WHERE the_one = (
        SELECT the_one FROM search_position
        WHERE (holder = 'slots' OR held_until < clock_timestamp()) AND terms_version <= p_terms_version
        FOR UPDATE SKIP LOCKED
    );
    PERFORM FROM search_position WHERE holder = 'slots' AND held_until > clock_timestamp();
    IF NOT FOUND THEN
        RETURN;
    END IF;

    IF NOT p_share THEN
        UPDATE search_nodes SET until = v_until WHERE name = p_name;
        RETURN QUERY UPDATE search_slots s SET held_until = v_until
        WHERE s.slot IN (SELECT l.slot FROM search_slots l WHERE l.holder = p_name FOR UPDATE SKIP LOCKED)
        RETURNING s.*;
        RETURN;
    END IF;

    DELETE FROM search_nodes WHERE name IN (
        SELECT n.name FROM search_nodes n WHERE n.until < clock_timestamp() - interval '1 minute' FOR UPDATE SKIP LOCKED
    );
    INSERT INTO search_nodes (name, terms_version, until) VALUES (p_name, p_terms_version, v_until)
    ON CONFLICT (name) DO UPDATE SET until = excluded.until;
    SELECT CASE WHEN bool_or(n.terms_version > p_terms_version) THEN 0 ELSE ceil(16.0 / count(*)) END INTO v_most
    FROM search_nodes n WHERE n.until > clock_timestamp();
    UPDATE search_slots SET held_until = '-infinity', holder = '' WHERE slot IN (
        SELECT l.slot FROM search_slots l WHERE l.holder = p_name ORDER BY l.slot OFFSET v_most FOR UPDATE SKIP LOCKED
    );
    RETURN QUERY UPDATE search_slots s SET
        turn = s.turn + CASE s.holder WHEN p_name THEN 0 ELSE 1 END, holder = p_name, held_until = v_until
    WHERE s.slot IN (
        SELECT l.slot FROM search_slots l
        WHERE (l.holder = p_name OR l.held_until < clock_timestamp()) AND l.terms_version <= p_terms_version
        ORDER BY l.holder <> p_name, l.slot LIMIT v_most FOR UPDATE SKIP LOCKED
    )
    RETURNING s.*;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_search_slots_1;
DROP TRIGGER taken ON search_position;
DROP FUNCTION im_search_taken;
DROP TABLE search_nodes, search_slots;
ALTER TABLE search_position DROP COLUMN restarts;
UPDATE search_position SET held_until = '-infinity' WHERE holder = 'slots';
