-- The last message of each member, for slow mode, and the append of what bans, mutes and
-- slow mode need.

-- The seq of the member's own last message. It is a projection of the log; 0 for members
-- who have posted nothing since this migration.
ALTER TABLE members ADD COLUMN posted_seq bigint NOT NULL DEFAULT 0;

-- Both functions that append messages move a member's read_seq to its message. Now they
-- move posted_seq with it, in the same statement. They are changed in place, because nodes
-- of the version before must do so too. In im_append_1 the batch may also have removed the
-- sender after the message, and added it again, which has moved read_seq further.
DO $$
DECLARE
    v_before text;
    v_after  text;
BEGIN
    v_before := pg_get_functiondef('im_append_1'::regproc);
    v_after := replace(replace(v_before,
        'SET read_seq = p.seq, read_message_no = p.message_no,',
        'SET read_seq = greatest(m.read_seq, p.seq), read_message_no = greatest(m.read_message_no, p.message_no), posted_seq = p.seq,'),
        'm.left_seq IS NULL AND m.read_seq < p.seq',
        '(m.left_seq IS NULL OR m.left_seq > p.seq) AND m.posted_seq < p.seq');
    IF strpos(v_after, 'posted_seq = p.seq') = 0 OR strpos(v_after, 'm.posted_seq < p.seq') = 0 THEN
        RAISE EXCEPTION 'im_append_1 is not as expected';
    END IF;
    EXECUTE v_after;
    v_before := pg_get_functiondef('im_append_message_1'::regproc);
    v_after := replace(v_before, 'SET read_seq = seq,', 'SET read_seq = seq, posted_seq = seq,');
    IF v_after = v_before THEN
        RAISE EXCEPTION 'im_append_message_1 is not as expected';
    END IF;
    EXECUTE v_after;
END
$$;

-- im_append_moderated_1 is im_append_1 for a batch with bans or mutes, or with messages to
-- conversations in slow mode. Other batches do not pay for it. Its further parameters are
-- arrays of objects; null where there is none:
--
--   p_sanctions  event, kind, user_id, until, reason: the event, by its index from 1,
--                begins, changes or lifts a ban or a mute
--   p_posters    conversation, user_id, posted_seq: a message of this member was decided
--                knowing that posted_seq is the member's last one. conversation is the
--                index in p_conversation_ids, from 1. If the member has posted since then,
--                the conversation gets the status 3, so that it is decided again
CREATE FUNCTION im_append_moderated_1(
    p_batch uuid, p_node text,
    p_conversation_ids uuid[], p_versions bigint[],
    p_conversation int[], p_type text[], p_sender text[], p_client_msg_id text[], p_hash bytea[], p_body text[], p_about_seq bigint[],
    p_mentions json, p_members json, p_updates json, p_targets json, p_sanctions json, p_posters json,
    OUT statuses int[], OUT seqs bigint[], OUT ats timestamptz[]
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    -- The locks that im_append_1 takes, in the same order. The next statement sees all that
    -- earlier holders have committed.
    PERFORM FROM conversations WHERE id = ANY (p_conversation_ids) ORDER BY id FOR UPDATE;
    IF p_posters IS NOT NULL THEN
        p_versions := ARRAY(
            SELECT CASE WHEN EXISTS (
                SELECT FROM json_to_recordset(p_posters) AS u (conversation int, user_id text, posted_seq bigint)
                WHERE u.conversation = v.n AND u.posted_seq <> coalesce((
                    SELECT m.posted_seq FROM members m
                    WHERE m.user_id = u.user_id COLLATE "C" AND m.conversation_id = p_conversation_ids[v.n]
                ), 0)
            ) THEN 0 ELSE v.version END
            FROM unnest(p_versions) WITH ORDINALITY AS v (version, n) ORDER BY v.n
        );
    END IF;

    SELECT a.statuses, a.seqs, a.ats INTO statuses, seqs, ats
    FROM im_append_1(p_batch, p_node, p_conversation_ids, p_versions, p_conversation, p_type, p_sender, p_client_msg_id,
        p_hash, p_body, p_about_seq, p_mentions, p_members, p_updates, p_targets) a;

    -- Several events of a batch may be about one ban or mute: the last one counts.
    IF p_sanctions IS NOT NULL THEN
        WITH last AS (
            SELECT DISTINCT ON (p_conversation[u.event], u.kind, u.user_id)
                p_conversation_ids[p_conversation[u.event]] AS conversation_id, u.*
            FROM json_to_recordset(p_sanctions) AS u (event int, kind text, user_id text, until timestamptz, reason text)
            WHERE statuses[u.event] = 0
            ORDER BY p_conversation[u.event], u.kind, u.user_id, u.event DESC
        ), lifted AS (
            DELETE FROM sanctions s USING last
            WHERE p_type[last.event] IN ('member.unbanned', 'member.unmuted') AND s.conversation_id = last.conversation_id
                AND s.kind = last.kind COLLATE "C" AND s.user_id = last.user_id COLLATE "C"
        )
        INSERT INTO sanctions AS s (conversation_id, seq, at, until, kind, user_id, by_user, reason)
        SELECT last.conversation_id, seqs[last.event], ats[p_conversation[last.event]], last.until, last.kind, last.user_id,
            p_sender[last.event], last.reason
        FROM last WHERE p_type[last.event] IN ('member.banned', 'member.muted')
        ON CONFLICT (conversation_id, kind, user_id) DO UPDATE SET
            seq = excluded.seq, at = excluded.at, until = excluded.until, by_user = excluded.by_user, reason = excluded.reason;
    END IF;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_append_moderated_1;

DO $$
BEGIN
    EXECUTE replace(replace(pg_get_functiondef('im_append_1'::regproc),
        'SET read_seq = greatest(m.read_seq, p.seq), read_message_no = greatest(m.read_message_no, p.message_no), posted_seq = p.seq,',
        'SET read_seq = p.seq, read_message_no = p.message_no,'),
        '(m.left_seq IS NULL OR m.left_seq > p.seq) AND m.posted_seq < p.seq',
        'm.left_seq IS NULL AND m.read_seq < p.seq');
    EXECUTE replace(pg_get_functiondef('im_append_message_1'::regproc),
        'SET read_seq = seq, posted_seq = seq,', 'SET read_seq = seq,');
END
$$;

ALTER TABLE members DROP COLUMN posted_seq;
