-- Appends a batch of decided events to the log; package store/postgres says why
-- this is a function (doc.go).
--
-- p_ids are the conversations, ascending and without repetition; p_versions what
-- was decided on. The other arrays run in parallel in three groups: drafts in
-- the order of their commands (p_conv indexes p_ids), mentions, members and
-- updates (p_…_of index drafts). Empty strings stand for no client_msg_id.
--
-- Of each draft: statuses 0 appended at seqs; 1 a duplicate of seqs; 2 replies to
-- what is no message; 3 the version is another one, nothing of that conversation
-- was written. ats is the time for each conversation.
CREATE FUNCTION im_append_1(
    p_batch uuid, p_node text, p_ids uuid[], p_versions bigint[],
    p_conv int[], p_type text[], p_sender text[], p_msg_id text[], p_hash bytea[], p_body text[], p_reply_to bigint[],
    p_mention_of int[], p_mentioned text[],
    p_member_of int[], p_member text[], p_role text[],
    p_update_of int[], p_set text[], p_title text[], p_avatar_url text[], p_settings text[], p_metadata text[],
    OUT statuses int[], OUT seqs bigint[], OUT ats timestamptz[]
)
LANGUAGE plpgsql
-- Plans must not depend on how full the tables were when a connection was new:
-- every table is reached by key, once for each element of an array.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_locked   uuid[];
    v_versions bigint[];
    v_heads    bigint[];
    v_counts   bigint[];
    v_last     timestamptz[];
    v_numbers  bigint[];
    v_now      timestamptz;
BEGIN
    -- The heads first, in order. What follows has a newer snapshot and sees all
    -- that their former holders committed.
    SELECT array_agg(l.id), array_agg(l.version), array_agg(l.head_seq), array_agg(l.message_count), array_agg(l.last_at)
    INTO v_locked, v_versions, v_heads, v_counts, v_last
    FROM (
        SELECT id, version, head_seq, message_count, last_at
        FROM conversations WHERE id = ANY (p_ids) ORDER BY id FOR UPDATE
    ) l;
    IF v_locked IS DISTINCT FROM p_ids THEN
        RAISE EXCEPTION 'a conversation of the batch does not exist' USING ERRCODE = 'IM001';
    END IF;
    v_now := clock_timestamp();
    ats := ARRAY(SELECT greatest(v_now, t) FROM unnest(v_last) AS t);

    WITH found AS MATERIALIZED (
        SELECT d.n::int, d.conv, d.type, d.sender, d.msg_id,
            v_versions[d.conv] <> p_versions[d.conv] AS stale,
            CASE WHEN d.msg_id <> '' THEN (
                SELECT e.seq FROM events e
                WHERE e.conversation_id = p_ids[d.conv] AND e.sender = d.sender AND e.client_msg_id = d.msg_id LIMIT 1
            ) END AS first_seq,
            d.reply_to <> 0 AND (
                SELECT e.seq FROM events e
                WHERE e.conversation_id = p_ids[d.conv] AND e.seq = d.reply_to AND e.type = 'message.posted' LIMIT 1
            ) IS NULL AS astray
        FROM unnest(p_conv, p_type, p_sender, p_msg_id, p_reply_to)
            WITH ORDINALITY AS d (conv, type, sender, msg_id, reply_to, n)
    ), judged AS (
        SELECT *, CASE WHEN stale THEN 3 WHEN first_seq IS NOT NULL THEN 1 WHEN astray THEN 2 ELSE 0 END AS status
        FROM found
    ), numbered AS MATERIALIZED (
        SELECT *,
            v_heads[conv] + count(*) FILTER (WHERE status = 0) OVER w AS seq,
            v_counts[conv] + count(*) FILTER (WHERE status = 0 AND type = 'message.posted') OVER w AS message_no
        FROM judged
        WINDOW w AS (PARTITION BY conv ORDER BY n ROWS UNBOUNDED PRECEDING)
    ), appended AS (
        INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, hash, body)
        SELECT p_ids[conv], seq, message_no, ats[conv], type, sender, nullif(msg_id, ''), p_hash[n], p_body[n]::json
        FROM numbered WHERE status = 0
    ), moved AS MATERIALIZED (
        SELECT conv, min(seq) AS first_seq, max(seq) AS head_seq, max(message_no) AS message_count,
            max(seq) FILTER (WHERE type = 'message.posted') AS last_message_seq,
            max(seq) FILTER (WHERE type <> 'message.posted') AS version,
            bool_or(type IN ('member.added', 'member.removed')) AS membership,
            count(*) FILTER (WHERE type = 'member.added') - count(*) FILTER (WHERE type = 'member.removed') AS entered
        FROM numbered WHERE status = 0 GROUP BY conv
    ), heads AS (
        UPDATE conversations c SET
            head_seq = m.head_seq, message_count = m.message_count, last_at = ats[m.conv],
            last_message_seq = coalesce(m.last_message_seq, c.last_message_seq),
            version = coalesce(m.version, c.version),
            member_count = c.member_count + m.entered,
            changed = pg_current_xact_id()
        FROM moved m WHERE c.id = p_ids[m.conv]
    ), feed AS (
        INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
        SELECT p_batch, v_now, p_node, array_agg(p_ids[conv] ORDER BY conv), array_agg(first_seq ORDER BY conv),
            array_agg(head_seq ORDER BY conv), array_agg(membership ORDER BY conv)
        FROM moved HAVING count(*) > 0
    )
    SELECT array_agg(status ORDER BY n), array_agg(CASE WHEN status = 1 THEN first_seq ELSE seq END ORDER BY n),
        array_agg(message_no ORDER BY n)
    INTO statuses, seqs, v_numbers
    FROM numbered;

    -- Who entered, left, or has another role: the last word on each counts.
    IF cardinality(p_member_of) > 0 THEN
        INSERT INTO members AS m (user_id, conversation_id, role, joined_seq, left_seq, read_seq, read_message_no, changed)
        SELECT u.member, p_ids[p_conv[u.n]],
            (array_agg(u.role ORDER BY u.n DESC))[1],
            coalesce(max(seqs[u.n]) FILTER (WHERE p_type[u.n] = 'member.added'), 0),
            CASE WHEN p_type[max(u.n)] = 'member.removed' THEN max(seqs[u.n]) END,
            coalesce(max(seqs[u.n]) FILTER (WHERE p_type[u.n] = 'member.added'), 0),
            coalesce(max(v_numbers[u.n]) FILTER (WHERE p_type[u.n] = 'member.added'), 0),
            pg_current_xact_id()
        FROM unnest(p_member_of, p_member, p_role) AS u (n, member, role)
        WHERE statuses[u.n] = 0
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (user_id, conversation_id) DO UPDATE SET
            role = excluded.role,
            joined_seq = CASE WHEN excluded.joined_seq > 0 THEN excluded.joined_seq ELSE m.joined_seq END,
            left_seq = excluded.left_seq,
            read_seq = greatest(m.read_seq, excluded.read_seq),
            read_message_no = greatest(m.read_message_no, excluded.read_message_no),
            changed = excluded.changed;
    END IF;

    -- Who posts has read up to there.
    UPDATE members m SET read_seq = p.seq, read_message_no = p.message_no, changed = pg_current_xact_id()
    FROM (
        SELECT d.sender, p_ids[d.conv] AS conversation_id, max(seqs[d.n]) AS seq, max(v_numbers[d.n]) AS message_no
        FROM unnest(p_conv, p_type, p_sender) WITH ORDINALITY AS d (conv, type, sender, n)
        WHERE statuses[d.n] = 0 AND d.type = 'message.posted'
        GROUP BY 1, 2 ORDER BY 1, 2
    ) p
    WHERE m.user_id = p.sender AND m.conversation_id = p.conversation_id AND m.left_seq IS NULL AND m.read_seq < p.seq;

    IF cardinality(p_mention_of) > 0 THEN
        INSERT INTO mentions (conversation_id, user_id, seq, sender)
        SELECT p_ids[p_conv[u.n]], u.mentioned, seqs[u.n], p_sender[u.n]
        FROM unnest(p_mention_of, p_mentioned) AS u (n, mentioned)
        WHERE statuses[u.n] = 0;
    END IF;

    -- p_set names the changed ones of title, avatar_url, settings, metadata by
    -- their first letters.
    FOR i IN 1 .. cardinality(p_update_of) LOOP
        CONTINUE WHEN statuses[p_update_of[i]] <> 0;
        UPDATE conversations c SET
            title = CASE WHEN strpos(p_set[i], 't') > 0 THEN p_title[i] ELSE c.title END,
            avatar_url = CASE WHEN strpos(p_set[i], 'a') > 0 THEN p_avatar_url[i] ELSE c.avatar_url END,
            settings = CASE WHEN strpos(p_set[i], 's') > 0 THEN p_settings[i]::json ELSE c.settings END,
            metadata = CASE WHEN strpos(p_set[i], 'm') > 0 THEN p_metadata[i]::json ELSE c.metadata END
        WHERE c.id = p_ids[p_conv[p_update_of[i]]];
    END LOOP;
END
$$;

-- Tells whether a batch whose answer was lost was committed. The heads are locked
-- first: a statement that is still at work is waited for.
CREATE FUNCTION im_committed_1(p_batch uuid, p_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM conversations WHERE id = ANY (p_ids) ORDER BY id FOR UPDATE;
    RETURN EXISTS (SELECT FROM commits WHERE batch = p_batch);
END
$$;

-- Begins a new epoch unless another node has done so since p_seen was read, and
-- returns the present one.
CREATE FUNCTION im_new_epoch_1(p_seen text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_epoch text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('im.epoch'));
    SELECT epoch INTO STRICT v_epoch FROM epoch;
    IF v_epoch <> p_seen THEN
        RETURN v_epoch;
    END IF;
    UPDATE epoch SET epoch = gen_random_uuid()::text, system_identifier = s.system_identifier,
        timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8), since = now(), feed_gone = '0'
    FROM pg_control_system() s
    RETURNING epoch.epoch INTO v_epoch;
    DELETE FROM commits;
    RETURN v_epoch;
END
$$;

-- The highest seq whose event is not later than p_at; 0 if there is none. Times
-- ascend with seqs and have no index.
CREATE FUNCTION im_seq_at_1(p_id uuid, p_head bigint, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_low  bigint := 0;
    v_high bigint := p_head;
    v_mid  bigint;
BEGIN
    WHILE v_low < v_high LOOP
        v_mid := (v_low + v_high + 1) / 2;
        IF (SELECT at FROM events WHERE conversation_id = p_id AND seq = v_mid) <= p_at THEN
            v_low := v_mid;
        ELSE
            v_high := v_mid - 1;
        END IF;
    END LOOP;
    RETURN v_low;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_seq_at_1;
DROP FUNCTION im_new_epoch_1;
DROP FUNCTION im_committed_1;
DROP FUNCTION im_append_1;
