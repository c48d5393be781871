-- Moves a user's read position, never back and not beyond the head, and returns
-- where it is and what is left. No row for who is not a member. It is one call, so
-- that the lock on the member ends with it, whatever becomes of the caller.
CREATE FUNCTION im_mark_read_1(p_user text, p_id uuid, p_seq bigint)
RETURNS TABLE (read_seq bigint, unread_count bigint, mention_count bigint, unread_total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE members m SET read_seq = e.seq, read_message_no = e.message_no, changed = pg_current_xact_id()
    FROM conversations c JOIN events e ON e.conversation_id = c.id AND e.seq = least(p_seq, c.head_seq)
    WHERE c.id = p_id AND m.conversation_id = c.id AND m.user_id = p_user AND m.left_seq IS NULL AND m.read_seq < e.seq;
    RETURN QUERY
    SELECT v.read_seq, v.unread_count, v.mention_count, (
        SELECT coalesce(sum(c.message_count - m.read_message_no), 0)::bigint
        FROM members m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.user_id = p_user AND m.left_seq IS NULL
    )
    FROM im_views_1(ARRAY[p_user], ARRAY[p_id], '') v WHERE v.role IS NOT NULL;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_mark_read_1;
