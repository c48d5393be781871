---- tern: disable-tx ----

-- Reactions are stored without U+FE0F: 👍 and 👍 with it are one reaction (see
-- domain.NormalizeEmoji). Events keep what clients wrote, because the log does not
-- change; folding it drops U+FE0F.
--
-- Nodes of the version before may go on: they load reactions without U+FE0F, and what
-- they add with it is stored without it. Only a reaction that they add in both forms
-- takes two events.
--
-- The file runs outside a transaction, and each of its statements may be repeated.
SET lock_timeout = '500ms';

-- The same as before, with the emojis normalized.
CREATE OR REPLACE FUNCTION im_project_targets_1(
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
    -- Nodes of the version before send emojis as clients wrote them.
    p_emoji := ARRAY(SELECT replace(e, U&'\FE0F', '') FROM unnest(p_emoji) WITH ORDINALITY AS t (e, n) ORDER BY n);

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

-- The stored reactions of each message with such events, again from the log. Each message
-- is a transaction of its own, with the head locked as an append does, so that appends
-- wait for one message at most.
DO $$
DECLARE
    v_id  uuid;
    v_seq bigint;
BEGIN
    FOR v_id, v_seq IN
        SELECT DISTINCT conversation_id, target_seq FROM events
        WHERE target_seq IS NOT NULL AND type = 'reaction.added' AND strpos(body ->> 'emoji', U&'\FE0F') > 0
        ORDER BY 1, 2
    LOOP
        PERFORM FROM conversations WHERE id = v_id FOR UPDATE;
        DELETE FROM reactions WHERE conversation_id = v_id AND target_seq = v_seq;
        INSERT INTO reactions (conversation_id, target_seq, seq, at, emoji, user_id)
        SELECT v_id, v_seq, seq, at, emoji, sender
        FROM (
            SELECT DISTINCT ON (sender, emoji) type, seq, at, emoji, sender
            FROM (
                SELECT type, seq, at, replace(body ->> 'emoji', U&'\FE0F', '') AS emoji, sender FROM events
                WHERE conversation_id = v_id AND target_seq = v_seq AND type IN ('reaction.added', 'reaction.removed')
            ) reactions
            ORDER BY sender, emoji, seq DESC
        ) last
        WHERE type = 'reaction.added';
        COMMIT;
    END LOOP;
END
$$;

---- create above / drop below ----

-- Nothing to undo: the version before works with what is stored and with the function.
SELECT 1;
