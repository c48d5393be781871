-- Recalled messages are not unread. The functions that this replaces still serve
-- nodes of the version before; they go when im_append_1 does.

-- Conversations as users see them: for each pair of p_users and p_ids one row, in
-- their order, if there is such a conversation. role is null for who is not in it.
-- acked_seq is that of p_device.
CREATE FUNCTION im_views_2(p_users text[], p_ids uuid[], p_device text)
RETURNS TABLE (
    user_id text, conversation_id uuid, kind text, title text, avatar_url text, settings json, metadata json,
    created_at timestamptz, last_at timestamptz, direct_key text, member_count int, head_seq bigint, last_message_seq bigint,
    role text, acked_seq bigint, read_seq bigint, unread_count bigint, mention_count bigint,
    notify text, pinned boolean, archived boolean
)
LANGUAGE sql STABLE AS $$
    SELECT p.user_id, c.id, c.kind, c.title, c.avatar_url, c.settings, c.metadata,
        c.created_at, c.last_at, c.direct_key, c.member_count, c.head_seq, c.last_message_seq,
        m.role,
        coalesce((
            SELECT d.acked_seq FROM device_cursors d
            WHERE d.user_id = p.user_id AND d.device_id = p_device AND d.conversation_id = c.id
        ), 0),
        coalesce(m.read_seq, c.head_seq),
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

-- Moves a user's read position, never back and not beyond the head, and returns
-- where it is and what is left. No row for who is not a member. It is one call, so
-- that the lock on the member ends with it, whatever becomes of the caller.
CREATE FUNCTION im_mark_read_2(p_user text, p_id uuid, p_seq bigint)
RETURNS TABLE (read_seq bigint, unread_count bigint, mention_count bigint, unread_total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE members m SET read_seq = e.seq, read_message_no = e.message_no, changed = pg_current_xact_id()
    FROM conversations c JOIN events e ON e.conversation_id = c.id AND e.seq = least(p_seq, c.head_seq)
    WHERE c.id = p_id AND m.conversation_id = c.id AND m.user_id = p_user AND m.left_seq IS NULL AND m.read_seq < e.seq;
    RETURN QUERY
    SELECT v.read_seq, v.unread_count, v.mention_count, (
        SELECT coalesce(sum(c.message_count - m.read_message_no - (
            SELECT count(*) FROM message_states s
            WHERE s.conversation_id = c.id AND s.seq > m.read_seq AND s.recalled_seq IS NOT NULL
        )), 0)::bigint
        FROM members m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.user_id = p_user AND m.left_seq IS NULL
    )
    FROM im_views_2(ARRAY[p_user], ARRAY[p_id], '') v WHERE v.role IS NOT NULL;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_mark_read_2;
DROP FUNCTION im_views_2;
