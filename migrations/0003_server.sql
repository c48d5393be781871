-- What identifies a server, on servers that do not tell everything about themselves.
--
-- The functions pg_control_system, pg_walfile_name and pg_current_wal_lsn may be missing,
-- or the role may not call them: some hosted servers keep them for themselves. The columns
-- epoch.system_identifier and epoch.timeline are then 0 and ''.

-- im_server_1 returns what identifies the server, its history, and its present run.
-- system_identifier is 0 and timeline is '' if the role cannot read them. It fails on a
-- standby.
CREATE FUNCTION im_server_1(OUT system_identifier bigint, OUT timeline text, OUT started text)
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the server is a standby' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    BEGIN
        SELECT s.system_identifier INTO system_identifier FROM pg_control_system() s;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    BEGIN
        timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    BEGIN
        started := extract(epoch FROM pg_postmaster_start_time())::text;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    system_identifier := coalesce(system_identifier, 0);
    timeline := coalesce(timeline, '');
    started := coalesce(started, '');
END
$$;

-- im_same_server_1 reports whether an epoch that began on server a may go on on server b.
-- What one of them does not tell is taken as equal.
CREATE FUNCTION im_same_server_1(a_system bigint, a_timeline text, b_system bigint, b_timeline text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT (a_system = b_system OR a_system = 0 OR b_system = 0)
        AND (a_timeline = b_timeline OR a_timeline = '' OR b_timeline = '')
$$;

-- im_expect_server_1 fails with IM003 unless the server is in the run that p_started names
-- (im_server_1). Nodes behind a pooler begin each transaction with it, because the pooler
-- may go over to another server at any time. '' means that the server does not tell.
CREATE FUNCTION im_expect_server_1(p_started text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_started <> '' AND p_started <> extract(epoch FROM pg_postmaster_start_time())::text THEN
        RAISE EXCEPTION 'the pooler has gone over to another server' USING ERRCODE = 'IM003';
    END IF;
END
$$;

-- im_identify_epoch_1 stores what identifies the server in an epoch that began when the
-- role could not read it.
CREATE FUNCTION im_identify_epoch_1(p_seen text) RETURNS void
LANGUAGE sql AS $$
    UPDATE epoch e SET
        system_identifier = CASE WHEN e.system_identifier = 0 THEN s.system_identifier ELSE e.system_identifier END,
        timeline = CASE WHEN e.timeline = '' THEN s.timeline ELSE e.timeline END
    FROM im_server_1() s
    WHERE e.epoch = p_seen AND (e.system_identifier = 0 AND s.system_identifier <> 0 OR e.timeline = '' AND s.timeline <> '')
$$;

-- im_new_epoch_2 begins a new epoch and returns it, unless another node has done so
-- since p_seen was read; then it returns the present one.
CREATE FUNCTION im_new_epoch_2(p_seen text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_epoch text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('im.epoch'));
    SELECT epoch INTO STRICT v_epoch FROM epoch;
    IF v_epoch <> p_seen THEN
        RETURN v_epoch;
    END IF;
    UPDATE epoch SET epoch = gen_random_uuid()::text, system_identifier = s.system_identifier, timeline = s.timeline,
        since = now(), feed_gone = '0'
    FROM im_server_1() s
    RETURNING epoch.epoch INTO v_epoch;
    DELETE FROM commits;
    RETURN v_epoch;
END
$$;

-- In databases that were made before this migration, im_append_1 locks members in the
-- order of the database's collation, and other statements in that of bytes: they would wait
-- for each other. The function of 0002_functions.sql is right by now.
DO $$
BEGIN
    EXECUTE replace(replace(pg_get_functiondef('im_append_1'::regproc),
        'SELECT u.user_id, p_conversation_ids', 'SELECT u.user_id COLLATE "C", p_conversation_ids'),
        'SELECT d.sender, p_conversation_ids', 'SELECT d.sender COLLATE "C" AS sender, p_conversation_ids');
END
$$;

---- create above / drop below ----

DROP FUNCTION im_new_epoch_2;
DROP FUNCTION im_identify_epoch_1;
DROP FUNCTION im_expect_server_1;
DROP FUNCTION im_same_server_1;
DROP FUNCTION im_server_1;
