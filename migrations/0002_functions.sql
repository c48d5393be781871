-- The functions of the store, and its trigger. The name of each function ends with the
-- number of its version (see migrations.go), except that of the trigger.
--
-- Errors that they raise themselves:
--   IM001  a conversation does not exist
--   IM002  the other user has blocked the caller


-- Appending -----------------------------------------------------------------------

-- im_check_targets_1 compares the messages and reactions that commands were decided on
-- with the stored ones. It returns p_versions, but with 0, which is never a valid
-- version, for each conversation in which one of them has changed.
--
-- The parameters are those of im_append_1, with p_targets in parallel arrays.
CREATE FUNCTION im_check_targets_1(
    p_conversation_ids uuid[], p_conversation int[], p_sender text[], p_about_seq bigint[],
    p_target_of int[], p_revision bigint[], p_emoji text[], p_reacted boolean[], p_versions bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    FOR i IN 1 .. cardinality(p_target_of) LOOP
        n := p_target_of[i];
        IF p_revision[i] <> coalesce((
                SELECT s.touched FROM message_states s
                WHERE s.conversation_id = p_conversation_ids[p_conversation[n]] AND s.seq = p_about_seq[n]
            ), p_about_seq[n])
            OR p_emoji[i] <> '' AND p_reacted[i] <> EXISTS (
                SELECT FROM reactions r
                WHERE r.conversation_id = p_conversation_ids[p_conversation[n]] AND r.target_seq = p_about_seq[n]
                    AND r.emoji = p_emoji[i] AND r.user_id = p_sender[n]
            )
        THEN
            p_versions[p_conversation[n]] := 0;
        END IF;
    END LOOP;
    RETURN p_versions;
END
$$;

-- im_project_targets_1 brings the projections of messages up to date with the events
-- about messages that im_append_1 has just appended: message_states, mentions,
-- reactions, pins, and the content that a recall erases. Several events of a batch may
-- be about one message, reaction or pin: the last one counts.
--
-- It is called by im_append_1 only, and runs with its planner settings.
CREATE FUNCTION im_project_targets_1(
    p_conversation_ids uuid[], p_conversation int[], p_type text[], p_sender text[], p_about_seq bigint[],
    p_target_of int[], p_emoji text[], p_statuses int[], p_seqs bigint[], p_ats timestamptz[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    -- The messages that were edited or recalled, in parallel:
    v_ids      uuid[];
    v_seqs     bigint[];
    v_recalled boolean[];
BEGIN
    WITH touched AS (
        INSERT INTO message_states AS s (conversation_id, seq, touched, edited_seq, recalled_seq)
        SELECT p_conversation_ids[p_conversation[n]], p_about_seq[n], max(p_seqs[n]),
            max(p_seqs[n]) FILTER (WHERE p_type[n] = 'message.edited'),
            max(p_seqs[n]) FILTER (WHERE p_type[n] = 'message.recalled')
        FROM unnest(p_target_of) AS t (n)
        WHERE p_statuses[n] = 0 AND p_type[n] IN ('message.edited', 'message.recalled')
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (conversation_id, seq) DO UPDATE SET
            touched = excluded.touched,
            edited_seq = coalesce(excluded.edited_seq, s.edited_seq),
            recalled_seq = coalesce(excluded.recalled_seq, s.recalled_seq)
        RETURNING s.conversation_id, s.seq, s.recalled_seq IS NOT NULL AS recalled
    )
    SELECT array_agg(conversation_id), array_agg(seq), array_agg(recalled) INTO v_ids, v_seqs, v_recalled FROM touched;

    IF v_ids IS NOT NULL THEN
        -- im_append_1 inserts the mentions of the last edit afterwards.
        DELETE FROM mentions m USING unnest(v_ids, v_seqs) AS t (id, seq)
        WHERE m.conversation_id = t.id AND m.seq = t.seq;
        -- A recall erases the content of the message and of all its edits.
        UPDATE events e SET hash = NULL,
            body = ('{"content":null' || coalesce(',"reply_to":' || (e.body ->> 'reply_to'), '') || '}')::json
        FROM unnest(v_ids, v_seqs, v_recalled) AS t (id, seq, recalled)
        WHERE t.recalled AND e.conversation_id = t.id AND e.seq = t.seq;
        UPDATE events e SET body = ('{"target_seq":' || e.target_seq || ',"content":null}')::json
        FROM unnest(v_ids, v_seqs, v_recalled) AS t (id, seq, recalled)
        WHERE t.recalled AND e.conversation_id = t.id AND e.target_seq = t.seq AND e.type = 'message.edited';
    END IF;

    WITH last AS (
        SELECT DISTINCT ON (p_conversation[n], p_about_seq[n], emoji, p_sender[n]) n, emoji
        FROM unnest(p_target_of, p_emoji) AS t (n, emoji)
        WHERE emoji <> '' AND p_statuses[n] = 0
        ORDER BY p_conversation[n], p_about_seq[n], emoji, p_sender[n], n DESC
    ), removed AS (
        DELETE FROM reactions r USING last
        WHERE p_type[n] = 'reaction.removed' AND r.conversation_id = p_conversation_ids[p_conversation[n]]
            AND r.target_seq = p_about_seq[n] AND r.emoji = last.emoji AND r.user_id = p_sender[n]
    )
    INSERT INTO reactions AS r (conversation_id, target_seq, seq, at, emoji, user_id)
    SELECT p_conversation_ids[p_conversation[n]], p_about_seq[n], p_seqs[n], p_ats[p_conversation[n]], emoji, p_sender[n]
    FROM last WHERE p_type[n] = 'reaction.added'
    ON CONFLICT (conversation_id, target_seq, emoji, user_id) DO UPDATE SET seq = excluded.seq, at = excluded.at;

    WITH last AS (
        SELECT DISTINCT ON (p_conversation[n], p_about_seq[n]) n
        FROM unnest(p_target_of) AS t (n)
        WHERE p_type[n] IN ('message.pinned', 'message.unpinned') AND p_statuses[n] = 0
        ORDER BY p_conversation[n], p_about_seq[n], n DESC
    ), removed AS (
        DELETE FROM pins p USING last
        WHERE p_type[n] = 'message.unpinned' AND p.conversation_id = p_conversation_ids[p_conversation[n]]
            AND p.target_seq = p_about_seq[n]
    )
    INSERT INTO pins AS p (conversation_id, target_seq, seq, at, user_id)
    SELECT p_conversation_ids[p_conversation[n]], p_about_seq[n], p_seqs[n], p_ats[p_conversation[n]], p_sender[n]
    FROM last WHERE p_type[n] = 'message.pinned'
    ON CONFLICT (conversation_id, target_seq) DO UPDATE SET seq = excluded.seq, at = excluded.at, user_id = excluded.user_id;
END
$$;

-- im_append_1 appends a batch of decided events to the logs of several conversations
-- and brings the projections up to date. The documentation of package
-- store/postgres/appendlog explains why this is one function.
--
-- Conversations, one element each:
--   p_conversation_ids  ascending, without repetition
--   p_versions          the version that the conversation's events were decided on
--
-- Events, one element each, in the order of their commands:
--   p_conversation      index of the conversation in p_conversation_ids, from 1
--   p_type, p_sender, p_body
--   p_client_msg_id     idempotency key of a message; '' for other events
--   p_hash              content hash of a message with a key; null for other events
--   p_about_seq         message.posted: the message that it replies to; events about a
--                       message: that message; 0: none
--
-- Effects, arrays of objects; null where there is none, as for most batches. "event"
-- is the index of the event, from 1:
--   p_mentions          event, user_id: a message, or an edited one, mentions a user
--   p_members           event, user_id, role: the event adds, removes or changes a member
--   p_updates           event, set_title, title, set_avatar_url, avatar_url, settings,
--                       set_metadata, metadata: the event changes these columns of the
--                       conversation. settings and metadata are JSON texts; settings is
--                       null if unchanged
--   p_targets           event, revision, emoji, reacted: the event is about a message.
--                       revision is the seq of the last edit or recall that the decision
--                       knew, else the seq of the message. For a reaction, emoji is its
--                       emoji, and reacted is true if the decision found it
--                       present; emoji is '' for other events
--
-- Results:
--   statuses            for each event: 0 appended; 1 duplicate of an earlier message;
--                       2 not appended, because p_about_seq is not a message; 3 not
--                       appended, because the version or a target of the conversation has
--                       changed. With 3, nothing of the conversation is appended
--   seqs                for each event: its seq; of a duplicate, that of the first message
--   ats                 for each conversation: the time of its events
CREATE FUNCTION im_append_1(
    p_batch uuid, p_node text,
    p_conversation_ids uuid[], p_versions bigint[],
    p_conversation int[], p_type text[], p_sender text[], p_client_msg_id text[], p_hash bytea[], p_body text[], p_about_seq bigint[],
    p_mentions json, p_members json, p_updates json, p_targets json,
    OUT statuses int[], OUT seqs bigint[], OUT ats timestamptz[]
)
LANGUAGE plpgsql
-- A plan must not depend on how full the tables were when the connection was new.
-- These settings make the planner reach every table by key, once for each element.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    -- For each conversation, as locked:
    v_locked         uuid[];
    v_versions       bigint[];
    v_heads          bigint[];
    v_message_counts bigint[];
    v_last_ats       timestamptz[];
    -- For each event:
    v_message_nos    bigint[];
    -- p_targets as parallel arrays:
    v_target_of      int[];
    v_revisions      bigint[];
    v_emojis         text[];
    v_reacted        boolean[];

    v_update         record;
    v_now            timestamptz;
BEGIN
    -- Lock the heads, in order. Each later statement has a new snapshot: it sees all
    -- that earlier holders of these locks have committed.
    SELECT array_agg(l.id), array_agg(l.version), array_agg(l.head_seq), array_agg(l.message_count), array_agg(l.last_at)
    INTO v_locked, v_versions, v_heads, v_message_counts, v_last_ats
    FROM (
        SELECT id, version, head_seq, message_count, last_at
        FROM conversations WHERE id = ANY (p_conversation_ids) ORDER BY id FOR UPDATE
    ) l;
    IF v_locked IS DISTINCT FROM p_conversation_ids THEN
        RAISE EXCEPTION 'a conversation of the batch does not exist' USING ERRCODE = 'IM001';
    END IF;
    IF p_targets IS NOT NULL THEN
        SELECT array_agg(event ORDER BY event), array_agg(revision ORDER BY event),
            array_agg(emoji ORDER BY event), array_agg(reacted ORDER BY event)
        INTO v_target_of, v_revisions, v_emojis, v_reacted
        FROM json_to_recordset(p_targets) AS t (event int, revision bigint, emoji text, reacted boolean);
        v_versions := im_check_targets_1(p_conversation_ids, p_conversation, p_sender, p_about_seq,
            v_target_of, v_revisions, v_emojis, v_reacted, v_versions);
    END IF;
    v_now := clock_timestamp();
    ats := ARRAY(SELECT greatest(v_now, t) FROM unnest(v_last_ats) AS t);

    -- Give each event its status, number those that are appended, and insert them;
    -- move the heads; write the row of the feed.
    WITH found AS MATERIALIZED (
        SELECT d.n::int, d.conv, d.type, d.sender, d.msg_id,
            v_versions[d.conv] <> p_versions[d.conv] AS stale,
            CASE WHEN d.msg_id <> '' THEN (
                SELECT e.seq FROM events e
                WHERE e.conversation_id = p_conversation_ids[d.conv] AND e.sender = d.sender AND e.client_msg_id = d.msg_id LIMIT 1
            ) END AS first_seq,
            d.about_seq <> 0 AND (
                SELECT e.seq FROM events e
                WHERE e.conversation_id = p_conversation_ids[d.conv] AND e.seq = d.about_seq AND e.type = 'message.posted' LIMIT 1
            ) IS NULL AS no_such_message
        FROM unnest(p_conversation, p_type, p_sender, p_client_msg_id, p_about_seq)
            WITH ORDINALITY AS d (conv, type, sender, msg_id, about_seq, n)
    ), checked AS (
        SELECT *, CASE WHEN stale THEN 3 WHEN first_seq IS NOT NULL THEN 1 WHEN no_such_message THEN 2 ELSE 0 END AS status
        FROM found
    ), numbered AS MATERIALIZED (
        SELECT *,
            v_heads[conv] + count(*) FILTER (WHERE status = 0) OVER w AS seq,
            v_message_counts[conv] + count(*) FILTER (WHERE status = 0 AND type = 'message.posted') OVER w AS message_no
        FROM checked
        WINDOW w AS (PARTITION BY conv ORDER BY n ROWS UNBOUNDED PRECEDING)
    ), appended AS (
        INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, hash, target_seq, body)
        SELECT p_conversation_ids[conv], seq, message_no, ats[conv], type, sender, nullif(msg_id, ''), p_hash[n],
            CASE WHEN type <> 'message.posted' THEN nullif(p_about_seq[n], 0) END, p_body[n]::json
        FROM numbered WHERE status = 0
    ), moved AS MATERIALIZED (
        SELECT conv, min(seq) AS first_seq, max(seq) AS head_seq, max(message_no) AS message_count,
            max(seq) FILTER (WHERE type = 'message.posted') AS last_message_seq,
            -- Decisions do not depend on messages and reactions as such: see p_targets.
            max(seq) FILTER (WHERE type NOT IN
                ('message.posted', 'message.edited', 'message.recalled', 'reaction.added', 'reaction.removed')) AS version,
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
        FROM moved m WHERE c.id = p_conversation_ids[m.conv]
    ), feed AS (
        INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
        SELECT p_batch, v_now, p_node, array_agg(p_conversation_ids[conv] ORDER BY conv), array_agg(first_seq ORDER BY conv),
            array_agg(head_seq ORDER BY conv), array_agg(membership ORDER BY conv)
        FROM moved HAVING count(*) > 0
    )
    SELECT array_agg(status ORDER BY n), array_agg(CASE WHEN status = 1 THEN first_seq ELSE seq END ORDER BY n),
        array_agg(message_no ORDER BY n)
    INTO statuses, seqs, v_message_nos
    FROM numbered;

    -- Members that were added or removed, or have another role. Several events of a
    -- batch may be about one member: the last one counts.
    IF p_members IS NOT NULL THEN
        INSERT INTO members AS m (user_id, conversation_id, role, joined_seq, left_seq, read_seq, read_message_no, changed)
        SELECT u.user_id COLLATE "C", p_conversation_ids[p_conversation[u.event]],
            (array_agg(u.role ORDER BY u.event DESC))[1],
            coalesce(max(seqs[u.event]) FILTER (WHERE p_type[u.event] = 'member.added'), 0),
            CASE WHEN p_type[max(u.event)] = 'member.removed' THEN max(seqs[u.event]) END,
            coalesce(max(seqs[u.event]) FILTER (WHERE p_type[u.event] = 'member.added'), 0),
            coalesce(max(v_message_nos[u.event]) FILTER (WHERE p_type[u.event] = 'member.added'), 0),
            pg_current_xact_id()
        FROM json_to_recordset(p_members) AS u (event int, user_id text, role text)
        WHERE statuses[u.event] = 0
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (user_id, conversation_id) DO UPDATE SET
            role = excluded.role,
            joined_seq = CASE WHEN excluded.joined_seq > 0 THEN excluded.joined_seq ELSE m.joined_seq END,
            left_seq = excluded.left_seq,
            read_seq = greatest(m.read_seq, excluded.read_seq),
            read_message_no = greatest(m.read_message_no, excluded.read_message_no),
            changed = excluded.changed;
    END IF;

    -- A sender has read the conversation up to the message.
    UPDATE members m SET read_seq = p.seq, read_message_no = p.message_no, changed = pg_current_xact_id()
    FROM (
        SELECT d.sender COLLATE "C" AS sender, p_conversation_ids[d.conv] AS conversation_id, max(seqs[d.n]) AS seq, max(v_message_nos[d.n]) AS message_no
        FROM unnest(p_conversation, p_type, p_sender) WITH ORDINALITY AS d (conv, type, sender, n)
        WHERE statuses[d.n] = 0 AND d.type = 'message.posted'
        GROUP BY 1, 2 ORDER BY 1, 2
    ) p
    WHERE m.user_id = p.sender AND m.conversation_id = p.conversation_id AND m.left_seq IS NULL AND m.read_seq < p.seq;

    IF p_targets IS NOT NULL THEN
        PERFORM im_project_targets_1(p_conversation_ids, p_conversation, p_type, p_sender, p_about_seq,
            v_target_of, v_emojis, statuses, seqs, ats);
    END IF;

    -- The mentions of an edit are stored as mentions of the message.
    IF p_mentions IS NOT NULL THEN
        INSERT INTO mentions (conversation_id, user_id, seq, sender)
        SELECT p_conversation_ids[p_conversation[u.event]], u.user_id,
            CASE WHEN p_type[u.event] = 'message.edited' THEN p_about_seq[u.event] ELSE seqs[u.event] END, p_sender[u.event]
        FROM json_to_recordset(p_mentions) AS u (event int, user_id text)
        WHERE statuses[u.event] = 0;
    END IF;

    IF p_updates IS NOT NULL THEN
        FOR v_update IN
            SELECT * FROM json_to_recordset(p_updates) AS u (
                event int, set_title boolean, title text, set_avatar_url boolean, avatar_url text,
                settings text, set_metadata boolean, metadata text)
            WHERE statuses[event] = 0 ORDER BY event
        LOOP
            UPDATE conversations c SET
                title = CASE WHEN v_update.set_title THEN v_update.title ELSE c.title END,
                avatar_url = CASE WHEN v_update.set_avatar_url THEN v_update.avatar_url ELSE c.avatar_url END,
                settings = coalesce(v_update.settings::json, c.settings),
                metadata = CASE WHEN v_update.set_metadata THEN v_update.metadata::json ELSE c.metadata END
            WHERE c.id = p_conversation_ids[p_conversation[v_update.event]];
        END LOOP;
    END IF;
END
$$;

-- im_committed_1 reports whether a batch was committed, for a committer that lost the
-- answer. It locks the heads first, so that it waits for a statement that is still
-- running.
CREATE FUNCTION im_committed_1(p_batch uuid, p_conversation_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM conversations WHERE id = ANY (p_conversation_ids) ORDER BY id FOR UPDATE;
    RETURN EXISTS (SELECT FROM commits WHERE batch = p_batch);
END
$$;

-- im_new_epoch_1 begins a new epoch and returns it, unless another node has done so
-- since p_seen was read; then it returns the present one.
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


-- Reading -------------------------------------------------------------------------

-- im_floor_1 returns the lowest seq that may be read by a member with this joined_seq.
CREATE FUNCTION im_floor_1(settings json, joined_seq bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN settings ->> 'history' = 'since_join' THEN joined_seq ELSE 1 END
$$;

-- im_seq_at_1 returns the highest seq of a conversation whose event is not later than
-- p_at; 0 if there is none. It is a binary search: times have no index, but they never
-- descend with seqs.
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

-- im_views_1 returns conversations as users see them: one row for each pair of p_users
-- and p_ids, in their order, without the pairs whose conversation does not exist. If
-- the user is not a member, role is null and everything counts as read. acked_seq is
-- that of p_device.
CREATE FUNCTION im_views_1(p_users text[], p_ids uuid[], p_device text)
RETURNS TABLE (
    user_id text, conversation_id uuid, kind text, title text, avatar_url text, settings json, metadata json,
    created_at timestamptz, last_at timestamptz, direct_key text, member_count int, head_seq bigint, last_message_seq bigint,
    role text, joined_seq bigint, floor_seq bigint, acked_seq bigint, read_seq bigint, unread_count bigint, mention_count bigint,
    notify text, pinned boolean, archived boolean
)
LANGUAGE sql STABLE AS $$
    SELECT p.user_id, c.id, c.kind, c.title, c.avatar_url, c.settings, c.metadata,
        c.created_at, c.last_at, c.direct_key, c.member_count, c.head_seq, c.last_message_seq,
        m.role, coalesce(m.joined_seq, 0), coalesce(im_floor_1(c.settings, m.joined_seq), 1),
        coalesce((
            SELECT d.acked_seq FROM device_cursors d
            WHERE d.user_id = p.user_id AND d.device_id = p_device AND d.conversation_id = c.id
        ), 0),
        coalesce(m.read_seq, c.head_seq),
        -- Unread messages are those after read_seq that are not recalled.
        coalesce(c.message_count - m.read_message_no - (
            SELECT count(*) FROM message_states s
            WHERE s.conversation_id = c.id AND s.seq > m.read_seq AND s.recalled_seq IS NOT NULL
        ), 0),
        (
            SELECT count(DISTINCT w.seq) FROM mentions w
            WHERE w.conversation_id = c.id AND w.user_id IN (m.user_id, '*') AND w.seq > m.read_seq AND w.sender <> m.user_id
        ),
        coalesce(m.notify, 'all'), coalesce(m.pinned, false), coalesce(m.archived, false)
    FROM unnest(p_users, p_ids) WITH ORDINALITY AS p (user_id, conversation_id, n)
    JOIN conversations c ON c.id = p.conversation_id
    LEFT JOIN members m ON m.user_id = p.user_id AND m.conversation_id = p.conversation_id AND m.left_seq IS NULL
    ORDER BY p.n
$$;


-- State of users ------------------------------------------------------------------

-- im_mark_read_1 moves the read position of a member, never back and not beyond the
-- head. It returns the position and what is unread after it, in the conversation and
-- in all conversations of the user; no row if the user is not a member.
--
-- It is one call, so that the lock on the member ends with it even if the connection
-- to the caller is lost.
CREATE FUNCTION im_mark_read_1(p_user text, p_id uuid, p_seq bigint)
RETURNS TABLE (read_seq bigint, unread_count bigint, mention_count bigint, unread_total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE members m SET read_seq = e.seq, read_message_no = e.message_no, changed = pg_current_xact_id()
    FROM conversations c JOIN events e ON e.conversation_id = c.id AND e.seq = least(p_seq, c.head_seq)
    WHERE c.id = p_id AND m.conversation_id = c.id AND m.user_id = p_user AND m.left_seq IS NULL AND m.read_seq < e.seq;
    RETURN QUERY
    -- Recalled messages of all conversations are counted in one query, and only where
    -- something is unread: a user may have 10,000 conversations.
    WITH mine AS MATERIALIZED (
        SELECT c.id, m.read_seq, c.message_count - m.read_message_no AS messages
        FROM members m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.user_id = p_user AND m.left_seq IS NULL
    )
    SELECT v.read_seq, v.unread_count, v.mention_count, (SELECT coalesce(sum(messages), 0)::bigint FROM mine) - (
        SELECT count(*) FROM mine JOIN message_states s ON s.conversation_id = mine.id
        WHERE mine.messages > 0 AND s.seq > mine.read_seq AND s.recalled_seq IS NOT NULL
    )
    FROM im_views_1(ARRAY[p_user], ARRAY[p_id], '') v WHERE v.role IS NOT NULL;
END
$$;

-- im_set_preferences_1 sets the preferences of a member for which the parameter is not
-- null. It returns all preferences, and in news whether any changed; no row if the user
-- is not a member.
CREATE FUNCTION im_set_preferences_1(p_user text, p_id uuid, p_notify text, p_pinned boolean, p_archived boolean)
RETURNS TABLE (notify text, pinned boolean, archived boolean, news boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_before members;
    v_after  members;
BEGIN
    IF p_archived THEN
        -- The head comes before the member in the lock order.
        PERFORM FROM conversations WHERE id = p_id FOR UPDATE;
    END IF;
    SELECT * INTO v_before FROM members m
    WHERE m.user_id = p_user AND m.conversation_id = p_id AND m.left_seq IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_after := v_before;
    v_after.notify := coalesce(p_notify, v_before.notify);
    v_after.pinned := coalesce(p_pinned, v_before.pinned);
    v_after.archived := coalesce(p_archived, v_before.archived);
    IF v_after IS DISTINCT FROM v_before THEN
        UPDATE members m SET notify = v_after.notify, pinned = v_after.pinned, archived = v_after.archived, changed = pg_current_xact_id()
        WHERE m.user_id = p_user AND m.conversation_id = p_id;
    END IF;
    IF v_after.archived AND NOT v_before.archived THEN
        UPDATE conversations c SET archived = true WHERE c.id = p_id AND NOT c.archived;
    END IF;
    RETURN QUERY SELECT v_after.notify, v_after.pinned, v_after.archived, v_after IS DISTINCT FROM v_before;
END
$$;

-- im_unarchive brings an archived conversation back, for all members that archived it,
-- when a message is appended. The head is locked when it runs; im_set_preferences_1
-- locks the head too, so neither misses the other.
CREATE FUNCTION im_unarchive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE members SET archived = false, changed = pg_current_xact_id()
    WHERE conversation_id = NEW.id AND archived;
    NEW.archived := false;
    RETURN NEW;
END
$$;

CREATE TRIGGER unarchive BEFORE UPDATE ON conversations FOR EACH ROW
WHEN (OLD.archived AND NEW.message_count > OLD.message_count)
EXECUTE FUNCTION im_unarchive();

-- im_set_block_1 sets or removes a block. If the two users have a direct conversation,
-- it also changes its column blocked and gives it a new version, so that commands which
-- were decided before are decided again. p_key is the direct key. The advisory lock of
-- the key excludes a concurrent creation of the conversation.
CREATE FUNCTION im_set_block_1(p_blocker text, p_blocked text, p_key text, p_on boolean) RETURNS void
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

-- im_direct_blocks_1 returns the value of conversations.blocked for a conversation that
-- p_creator is about to create; 0 if p_key is '', for a group. It raises IM002 if the
-- other user has blocked the creator and the conversation does not exist yet.
--
-- It holds the lock of the key until the transaction ends. It must be VOLATILE: only
-- then do its queries see what was committed while it waited for the lock.
CREATE FUNCTION im_direct_blocks_1(p_key text, p_creator text) RETURNS smallint
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

DROP FUNCTION im_direct_blocks_1;
DROP FUNCTION im_set_block_1;
DROP TRIGGER unarchive ON conversations;
DROP FUNCTION im_unarchive;
DROP FUNCTION im_set_preferences_1;
DROP FUNCTION im_mark_read_1;
DROP FUNCTION im_views_1;
DROP FUNCTION im_seq_at_1;
DROP FUNCTION im_floor_1;
DROP FUNCTION im_new_epoch_1;
DROP FUNCTION im_committed_1;
DROP FUNCTION im_append_1;
DROP FUNCTION im_project_targets_1;
DROP FUNCTION im_check_targets_1;
