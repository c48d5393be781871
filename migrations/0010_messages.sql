-- Editing, recalling, reactions and pins.

ALTER TABLE events ADD COLUMN target_seq bigint; -- of events about a message

-- Messages themselves are not in it.
CREATE INDEX events_about ON events (conversation_id, target_seq, type, seq) WHERE target_seq IS NOT NULL;

-- What was edited or recalled, of which decisions and counts need to know. What a
-- message says is in events alone, so that there is one place to erase it from.
CREATE TABLE message_states (
    conversation_id uuid   NOT NULL,
    seq             bigint NOT NULL, -- of the message
    touched         bigint NOT NULL, -- seq of the last edit or recall
    edited_seq      bigint,
    recalled_seq    bigint,
    PRIMARY KEY (conversation_id, seq)
) WITH (fillfactor = 80);

-- Unread counts leave these out.
CREATE INDEX message_states_recalled ON message_states (conversation_id, seq) WHERE recalled_seq IS NOT NULL;

CREATE TABLE reactions (
    conversation_id uuid        NOT NULL,
    target_seq      bigint      NOT NULL,
    seq             bigint      NOT NULL, -- of the reaction.added
    at              timestamptz NOT NULL,
    emoji           text        NOT NULL COLLATE "C",
    user_id         text        NOT NULL COLLATE "C",
    PRIMARY KEY (conversation_id, target_seq, emoji, user_id)
);

CREATE TABLE pins (
    conversation_id uuid        NOT NULL,
    target_seq      bigint      NOT NULL,
    seq             bigint      NOT NULL, -- of the message.pinned
    at              timestamptz NOT NULL,
    user_id         text        NOT NULL COLLATE "C",
    PRIMARY KEY (conversation_id, target_seq)
);

-- Edits and recalls find what a message mentions.
CREATE INDEX mentions_of ON mentions (conversation_id, seq);

-- Returns p_versions, with 0, which is nobody's, for the conversations of which a
-- target is not as it was decided on.
CREATE FUNCTION im_checked_1(
    p_ids uuid[], p_conv int[], p_sender text[], p_about bigint[],
    p_target_of int[], p_touched bigint[], p_emoji text[], p_had boolean[], p_versions bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    FOR i IN 1 .. cardinality(p_target_of) LOOP
        n := p_target_of[i];
        IF p_touched[i] <> coalesce((
                SELECT s.touched FROM message_states s WHERE s.conversation_id = p_ids[p_conv[n]] AND s.seq = p_about[n]
            ), p_about[n])
            OR p_emoji[i] <> '' AND p_had[i] <> EXISTS (
                SELECT FROM reactions r
                WHERE r.conversation_id = p_ids[p_conv[n]] AND r.target_seq = p_about[n]
                    AND r.emoji = p_emoji[i] AND r.user_id = p_sender[n]
            )
        THEN
            p_versions[p_conv[n]] := 0;
        END IF;
    END LOOP;
    RETURN p_versions;
END
$$;

-- Brings the projections of messages up to date with what im_append_2 appended,
-- which calls it, and whose settings of plans it has.
-- Of a batch, the last word on each message, reaction and pin counts.
CREATE FUNCTION im_project_1(
    p_ids uuid[], p_conv int[], p_type text[], p_sender text[], p_about bigint[],
    p_target_of int[], p_emoji text[], p_statuses int[], p_seqs bigint[], p_ats timestamptz[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_ids   uuid[];   -- of the messages that were edited or recalled
    v_seqs  bigint[];
    v_gone  boolean[];
BEGIN
    WITH touched AS (
        INSERT INTO message_states AS s (conversation_id, seq, touched, edited_seq, recalled_seq)
        SELECT p_ids[p_conv[n]], p_about[n], max(p_seqs[n]),
            max(p_seqs[n]) FILTER (WHERE p_type[n] = 'message.edited'),
            max(p_seqs[n]) FILTER (WHERE p_type[n] = 'message.recalled')
        FROM unnest(p_target_of) AS t (n)
        WHERE p_statuses[n] = 0 AND p_type[n] IN ('message.edited', 'message.recalled')
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (conversation_id, seq) DO UPDATE SET
            touched = excluded.touched,
            edited_seq = coalesce(excluded.edited_seq, s.edited_seq),
            recalled_seq = coalesce(excluded.recalled_seq, s.recalled_seq)
        RETURNING s.conversation_id, s.seq, s.recalled_seq IS NOT NULL AS gone
    )
    SELECT array_agg(conversation_id), array_agg(seq), array_agg(gone) INTO v_ids, v_seqs, v_gone FROM touched;

    IF v_ids IS NOT NULL THEN
        DELETE FROM mentions m USING unnest(v_ids, v_seqs) AS t (id, seq)
        WHERE m.conversation_id = t.id AND m.seq = t.seq;
        -- A recall leaves nothing of what was said.
        UPDATE events e SET hash = NULL,
            body = ('{"content":null' || coalesce(',"reply_to":' || (e.body ->> 'reply_to'), '') || '}')::json
        FROM unnest(v_ids, v_seqs, v_gone) AS t (id, seq, gone)
        WHERE t.gone AND e.conversation_id = t.id AND e.seq = t.seq;
        UPDATE events e SET body = ('{"target_seq":' || e.target_seq || ',"content":null}')::json
        FROM unnest(v_ids, v_seqs, v_gone) AS t (id, seq, gone)
        WHERE t.gone AND e.conversation_id = t.id AND e.target_seq = t.seq AND e.type = 'message.edited';
    END IF;

    WITH last AS (
        SELECT DISTINCT ON (p_conv[n], p_about[n], emoji, p_sender[n]) n, emoji
        FROM unnest(p_target_of, p_emoji) AS t (n, emoji)
        WHERE emoji <> '' AND p_statuses[n] = 0
        ORDER BY p_conv[n], p_about[n], emoji, p_sender[n], n DESC
    ), taken AS (
        DELETE FROM reactions r USING last
        WHERE p_type[n] = 'reaction.removed' AND r.conversation_id = p_ids[p_conv[n]] AND r.target_seq = p_about[n]
            AND r.emoji = last.emoji AND r.user_id = p_sender[n]
    )
    INSERT INTO reactions AS r (conversation_id, target_seq, seq, at, emoji, user_id)
    SELECT p_ids[p_conv[n]], p_about[n], p_seqs[n], p_ats[p_conv[n]], emoji, p_sender[n]
    FROM last WHERE p_type[n] = 'reaction.added'
    ON CONFLICT (conversation_id, target_seq, emoji, user_id) DO UPDATE SET seq = excluded.seq, at = excluded.at;

    WITH last AS (
        SELECT DISTINCT ON (p_conv[n], p_about[n]) n
        FROM unnest(p_target_of) AS t (n)
        WHERE p_type[n] IN ('message.pinned', 'message.unpinned') AND p_statuses[n] = 0
        ORDER BY p_conv[n], p_about[n], n DESC
    ), taken AS (
        DELETE FROM pins p USING last
        WHERE p_type[n] = 'message.unpinned' AND p.conversation_id = p_ids[p_conv[n]] AND p.target_seq = p_about[n]
    )
    INSERT INTO pins AS p (conversation_id, target_seq, seq, at, user_id)
    SELECT p_ids[p_conv[n]], p_about[n], p_seqs[n], p_ats[p_conv[n]], p_sender[n]
    FROM last WHERE p_type[n] = 'message.pinned'
    ON CONFLICT (conversation_id, target_seq) DO UPDATE SET seq = excluded.seq, at = excluded.at, user_id = excluded.user_id;
END
$$;

-- im_append_1 with events about messages. Nodes of the version before still call
-- that one; it goes when nobody does.
--
-- p_ids are the conversations, ascending and without repetition; p_versions what
-- was decided on. The other arrays run in parallel in three groups: drafts in
-- the order of their commands (p_conv indexes p_ids), mentions, members, updates
-- and targets (p_…_of index drafts). Empty strings stand for no client_msg_id.
-- p_about is what a posting replies to, or the target of another event; 0 for none.
-- p_touched is the seq that last edited or recalled each target when it was decided
-- on, or that of the message; p_emoji is '' but
-- of reactions, and p_had tells whether the very reaction was there.
--
-- Of each draft: statuses 0 appended at seqs; 1 a duplicate of seqs; 2 replies to
-- what is no message; 3 the version, or a target, is another one: nothing of that
-- conversation was written. ats is the time for each conversation.
CREATE FUNCTION im_append_2(
    p_batch uuid, p_node text, p_ids uuid[], p_versions bigint[],
    p_conv int[], p_type text[], p_sender text[], p_msg_id text[], p_hash bytea[], p_body text[], p_about bigint[],
    p_mention_of int[], p_mentioned text[],
    p_member_of int[], p_member text[], p_role text[],
    p_update_of int[], p_set text[], p_title text[], p_avatar_url text[], p_settings text[], p_metadata text[],
    p_target_of int[], p_touched bigint[], p_emoji text[], p_had boolean[],
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
    IF cardinality(p_target_of) > 0 THEN
        v_versions := im_checked_1(p_ids, p_conv, p_sender, p_about, p_target_of, p_touched, p_emoji, p_had, v_versions);
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
            d.about <> 0 AND (
                SELECT e.seq FROM events e
                WHERE e.conversation_id = p_ids[d.conv] AND e.seq = d.about AND e.type = 'message.posted' LIMIT 1
            ) IS NULL AS astray
        FROM unnest(p_conv, p_type, p_sender, p_msg_id, p_about)
            WITH ORDINALITY AS d (conv, type, sender, msg_id, about, n)
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
        INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, hash, target_seq, body)
        SELECT p_ids[conv], seq, message_no, ats[conv], type, sender, nullif(msg_id, ''), p_hash[n],
            CASE WHEN type <> 'message.posted' THEN nullif(p_about[n], 0) END, p_body[n]::json
        FROM numbered WHERE status = 0
    ), moved AS MATERIALIZED (
        SELECT conv, min(seq) AS first_seq, max(seq) AS head_seq, max(message_no) AS message_count,
            max(seq) FILTER (WHERE type = 'message.posted') AS last_message_seq,
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

    IF cardinality(p_target_of) > 0 THEN
        PERFORM im_project_1(p_ids, p_conv, p_type, p_sender, p_about, p_target_of, p_emoji, statuses, seqs, ats);
    END IF;

    -- Those of an edit are mentioned in the message.
    IF cardinality(p_mention_of) > 0 THEN
        INSERT INTO mentions (conversation_id, user_id, seq, sender)
        SELECT p_ids[p_conv[u.n]], u.mentioned,
            CASE WHEN p_type[u.n] = 'message.edited' THEN p_about[u.n] ELSE seqs[u.n] END, p_sender[u.n]
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

---- create above / drop below ----

DROP FUNCTION im_append_2;
DROP FUNCTION im_project_1;
DROP FUNCTION im_checked_1;
DROP INDEX mentions_of;
DROP TABLE pins, reactions, message_states;
DROP INDEX events_about;
ALTER TABLE events DROP COLUMN target_seq;
