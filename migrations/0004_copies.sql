-- A database may be a copy: restored from a dump, or created from a template. Its log is
-- in an earlier state then, and its columns "changed" hold ids of transactions that this
-- server may not have reached yet. This migration lets nodes recognize a copy, so that
-- they begin a new epoch, and lets them repair those columns.

-- The row of epoch names the database that it is in and the transaction that wrote it. In
-- a copy at least one of them is wrong: a copied database has another oid, and a row that
-- was copied was written by another transaction (its system column xmin, which VACUUM
-- keeps). A migration must not rewrite this table, because that changes xmin, too.
ALTER TABLE epoch ADD COLUMN database oid, ADD COLUMN written xid8;

UPDATE epoch SET written = pg_current_xact_id(),
    database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- im_stamp_epoch_1 keeps both true. In a copy, only a new epoch makes them true again.
CREATE FUNCTION im_stamp_epoch_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch <> OLD.epoch THEN
        NEW.database := (SELECT oid FROM pg_database WHERE datname = current_database());
        NEW.written := pg_current_xact_id();
    ELSIF (SELECT e.written::xid = e.xmin FROM epoch e) THEN
        NEW.written := pg_current_xact_id();
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER stamp BEFORE UPDATE ON epoch FOR EACH ROW EXECUTE FUNCTION im_stamp_epoch_1();

-- A publication for logical replication needs it: without one, PostgreSQL refuses to
-- change rows of a published table.
ALTER TABLE commits REPLICA IDENTITY USING INDEX commits_batch;

-- The progress of im_repair_changed_1, in one row.
CREATE TABLE changed_repair (
    the_one         boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    epoch           text    NOT NULL DEFAULT '', -- the epoch that it is, or was, done for
    step            text    NOT NULL DEFAULT 'done', -- conversations, members, done
    -- The key up to which the table of this step is done:
    user_id         text    NOT NULL DEFAULT '' COLLATE "C",
    conversation_id uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);

-- im_repair_changed_1 sets the columns "changed" that hold transactions of the future to
-- 0. Such a row comes from another server, and last changed before this epoch began. It
-- reads the next p_rows rows in each call, once through both tables for each epoch, and
-- returns how many it has repaired, and whether all is done. Nodes may call it at the
-- same time: all but one return at once.
--
-- Its plans go by the primary keys, whatever the statistics say: a table that was just
-- restored has none.
CREATE FUNCTION im_repair_changed_1(p_rows integer, OUT done boolean, OUT repaired bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
    v           changed_repair;
    v_epoch     text;
    v_users     text[];
    v_ids       uuid[];
    v_last_user text;
    v_last_id   uuid;
BEGIN
    done := false;
    repaired := 0;
    INSERT INTO changed_repair DEFAULT VALUES ON CONFLICT DO NOTHING;
    SELECT * INTO v FROM changed_repair FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT epoch INTO STRICT v_epoch FROM epoch;
    IF v.epoch <> v_epoch THEN
        v := (true, v_epoch, 'conversations', '', '00000000-0000-0000-0000-000000000000');
    END IF;
    IF v.step = 'done' THEN
        done := true;
        RETURN;
    END IF;

    -- In both steps, the rows are locked by one statement and written by another, which
    -- sees the present: a transaction that wrote a row meanwhile is not of the future.
    IF v.step = 'conversations' THEN
        SELECT id INTO v_last_id
        FROM (SELECT id FROM conversations WHERE id > v.conversation_id ORDER BY id LIMIT p_rows) c
        ORDER BY id DESC LIMIT 1;
        IF NOT FOUND THEN
            v := (true, v_epoch, 'members', '', '00000000-0000-0000-0000-000000000000');
        ELSE
            v_ids := ARRAY(
                SELECT id FROM conversations
                WHERE id > v.conversation_id AND id <= v_last_id AND changed >= (SELECT pg_snapshot_xmax(pg_current_snapshot()))
                ORDER BY id FOR UPDATE
            );
            UPDATE conversations SET changed = '0'
            WHERE id = ANY (v_ids) AND changed >= (SELECT pg_snapshot_xmax(pg_current_snapshot()));
            GET DIAGNOSTICS repaired = ROW_COUNT;
            v.conversation_id := v_last_id;
        END IF;
    ELSE
        SELECT user_id, conversation_id INTO v_last_user, v_last_id
        FROM (
            SELECT user_id, conversation_id FROM members WHERE (user_id, conversation_id) > (v.user_id, v.conversation_id)
            ORDER BY user_id, conversation_id LIMIT p_rows
        ) m
        ORDER BY user_id DESC, conversation_id DESC LIMIT 1;
        IF NOT FOUND THEN
            v.step := 'done';
            done := true;
        ELSE
            SELECT array_agg(user_id), array_agg(conversation_id) INTO v_users, v_ids
            FROM (
                SELECT user_id, conversation_id FROM members
                WHERE (user_id, conversation_id) > (v.user_id, v.conversation_id)
                    AND (user_id, conversation_id) <= (v_last_user, v_last_id)
                    AND changed >= (SELECT pg_snapshot_xmax(pg_current_snapshot()))
                ORDER BY user_id, conversation_id FOR UPDATE
            ) m;
            UPDATE members m SET changed = '0' FROM unnest(v_users, v_ids) AS k (user_id, conversation_id)
            WHERE m.user_id = k.user_id AND m.conversation_id = k.conversation_id
                AND m.changed >= (SELECT pg_snapshot_xmax(pg_current_snapshot()));
            GET DIAGNOSTICS repaired = ROW_COUNT;
            v.user_id := v_last_user;
            v.conversation_id := v_last_id;
        END IF;
    END IF;
    UPDATE changed_repair SET epoch = v.epoch, step = v.step, user_id = v.user_id, conversation_id = v.conversation_id;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_repair_changed_1;
DROP TABLE changed_repair;
DROP TRIGGER stamp ON epoch;
DROP FUNCTION im_stamp_epoch_1;
ALTER TABLE commits REPLICA IDENTITY DEFAULT;
ALTER TABLE epoch DROP COLUMN database, DROP COLUMN written;
