-- Who will not hear from whom directly.
CREATE TABLE blocks (
    since   timestamptz NOT NULL DEFAULT now(),
    blocker text        NOT NULL COLLATE "C",
    blocked text        NOT NULL COLLATE "C",
    PRIMARY KEY (blocker, blocked)
);

-- Of a direct conversation: bit 1, the first user of the key may not post; bit 2,
-- the second. A change moves the version, so that whatever was decided on before
-- is decided anew. Such versions are below zero: no event has that seq, and no
-- two changes have the same.
ALTER TABLE conversations ADD COLUMN blocked smallint NOT NULL DEFAULT 0;

CREATE SEQUENCE block_versions;

-- Sets or lifts a block. The direct conversation, there or about to be made, is
-- changed with it; it is locked by its key before.
CREATE FUNCTION im_block_1(p_blocker text, p_blocked text, p_key text, p_on boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_bit smallint := CASE WHEN split_part(p_key, E'\n', 1) = p_blocked THEN 1 ELSE 2 END;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_key, 0));
    IF p_on THEN
        INSERT INTO blocks (blocker, blocked) VALUES (p_blocker, p_blocked) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM blocks WHERE blocker = p_blocker AND blocked = p_blocked;
    END IF;
    UPDATE conversations SET
        blocked = CASE WHEN p_on THEN blocked | v_bit ELSE blocked & ~v_bit END,
        version = -nextval('block_versions')
    WHERE direct_key = p_key AND (blocked & v_bit <> 0) <> p_on;
END
$$;

-- What the column blocked of a direct conversation that p_creator makes has to
-- be. Refused with IM002 if the other user has blocked the creator and there is
-- no such conversation yet. It holds the key until the transaction ends; being
-- volatile, it reads what is committed when it has it.
CREATE FUNCTION im_blocked_1(p_key text, p_creator text) RETURNS smallint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_a    text := split_part(p_key, E'\n', 1);
    v_b    text := split_part(p_key, E'\n', 2);
    v_bits smallint;
BEGIN
    IF p_key = '' THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(p_key, 0));
    v_bits := CASE WHEN EXISTS (SELECT FROM blocks WHERE blocker = v_b AND blocked = v_a) THEN 1 ELSE 0 END
            + CASE WHEN EXISTS (SELECT FROM blocks WHERE blocker = v_a AND blocked = v_b) THEN 2 ELSE 0 END;
    IF v_bits & (CASE WHEN p_creator = v_a THEN 1 ELSE 2 END) <> 0
        AND NOT EXISTS (SELECT FROM conversations WHERE direct_key = p_key) THEN
        RAISE EXCEPTION 'blocked' USING ERRCODE = 'IM002';
    END IF;
    RETURN v_bits;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_blocked_1;
DROP FUNCTION im_block_1;
DROP SEQUENCE block_versions;
ALTER TABLE conversations DROP COLUMN blocked;
DROP TABLE blocks;
