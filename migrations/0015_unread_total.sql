-- im_mark_read_2 as before, with the recalled messages of all conversations counted
-- together, and only where something is unread: of 10,000 conversations each would
-- have been looked at by a query of its own.

CREATE OR REPLACE FUNCTION im_mark_read_2(p_user text, p_id uuid, p_seq bigint)
RETURNS TABLE (read_seq bigint, unread_count bigint, mention_count bigint, unread_total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE members m SET read_seq = e.seq, read_message_no = e.message_no, changed = pg_current_xact_id()
    FROM conversations c JOIN events e ON e.conversation_id = c.id AND e.seq = least(p_seq, c.head_seq)
    WHERE c.id = p_id AND m.conversation_id = c.id AND m.user_id = p_user AND m.left_seq IS NULL AND m.read_seq < e.seq;
    RETURN QUERY
    WITH mine AS MATERIALIZED (
        SELECT c.id, m.read_seq, c.message_count - m.read_message_no AS messages
        FROM members m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.user_id = p_user AND m.left_seq IS NULL
    )
    SELECT v.read_seq, v.unread_count, v.mention_count, (SELECT coalesce(sum(messages), 0)::bigint FROM mine) - (
        SELECT count(*) FROM mine JOIN message_states s ON s.conversation_id = mine.id
        WHERE mine.messages > 0 AND s.seq > mine.read_seq AND s.recalled_seq IS NOT NULL
    )
    FROM im_views_2(ARRAY[p_user], ARRAY[p_id], '') v WHERE v.role IS NOT NULL;
END
$$;

---- create above / drop below ----

CREATE OR REPLACE FUNCTION im_mark_read_2(p_user text, p_id uuid, p_seq bigint)
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
