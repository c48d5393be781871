-- What members may read. Nodes of the version before call im_views_2 and know of no
-- floor; it goes when nobody does.

-- The lowest seq that a member may read whose latest joining was p_joined_seq.
CREATE FUNCTION im_floor_1(settings json, joined_seq bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN settings ->> 'history' = 'since_join' THEN joined_seq ELSE 1 END
$$;

-- Conversations as users see them: for each pair of p_users and p_ids one row, in
-- their order, if there is such a conversation. role is null for who is not in it.
-- acked_seq is that of p_device.
CREATE FUNCTION im_views_3(p_users text[], p_ids uuid[], p_device text)
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

---- create above / drop below ----

DROP FUNCTION im_views_3;
DROP FUNCTION im_floor_1;
