---- tern: disable-tx ----

-- Lists of conversations are in the order of the newest message or the user's own joining.
-- Until now they were in the order of the last event of any type.
--
-- Nodes of the version before may go on: the trigger serves them too.
--
-- The file runs outside a transaction, and each of its statements may be repeated.
SET lock_timeout = '500ms';

-- The time of the last message.posted; null: none.
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS last_message_at timestamptz;

-- im_message_time sets last_message_at when an append moves last_message_seq and does not
-- set it. All events of an append have the same time, so it is that of the message.
CREATE OR REPLACE FUNCTION im_message_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_message_at := NEW.last_at;
    RETURN NEW;
END
$$;

-- One statement, so that no append finds the trigger missing when the file is run again.
DO $$
BEGIN
    DROP TRIGGER IF EXISTS message_time ON conversations;
    CREATE TRIGGER message_time BEFORE UPDATE ON conversations FOR EACH ROW
    WHEN (NEW.last_message_seq > OLD.last_message_seq AND NEW.last_message_at IS NOT DISTINCT FROM OLD.last_message_at)
    EXECUTE FUNCTION im_message_time();
END
$$;

-- im_views_2 returns conversations as users see them: one row for each pair of p_users
-- and p_ids, in their order, without the pairs whose conversation does not exist. If
-- the user is not a member, role is null and everything counts as read. acked_seq is
-- that of p_device.
--
-- active_at is the time of the newest message, or of the user's latest joining if that is
-- later; lists are in its order. The statements of package store/postgres/read that sort
-- by it hold the same expression (activeAt).
CREATE OR REPLACE FUNCTION im_views_2(p_users text[], p_ids uuid[], p_device text)
RETURNS TABLE (
    user_id text, conversation_id uuid, kind text, title text, avatar_url text, settings json, metadata json,
    created_at timestamptz, active_at timestamptz, direct_key text, member_count int, head_seq bigint, last_message_seq bigint,
    role text, joined_seq bigint, floor_seq bigint, acked_seq bigint, read_seq bigint, unread_count bigint, mention_count bigint,
    notify text, pinned boolean, archived boolean
)
LANGUAGE sql STABLE AS $$
    SELECT p.user_id, c.id, c.kind, c.title, c.avatar_url, c.settings, c.metadata,
        c.created_at,
        coalesce(CASE
            WHEN coalesce(m.joined_seq, 1) <= c.last_message_seq THEN c.last_message_at
            WHEN coalesce(m.joined_seq, 1) = 1 THEN c.created_at
            ELSE (SELECT e.at FROM events e WHERE e.conversation_id = c.id AND e.seq = m.joined_seq)
        END, c.last_at),
        c.direct_key, c.member_count, c.head_seq, c.last_message_seq,
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

-- The times of the messages that there are already, 500 conversations in a transaction, so
-- that an append waits for one of those at most.
DO $$
DECLARE
    v_after uuid := '00000000-0000-0000-0000-000000000000';
    v_ids   uuid[];
BEGIN
    LOOP
        SELECT array_agg(id ORDER BY id) INTO v_ids FROM (
            SELECT id FROM conversations
            WHERE id > v_after AND last_message_seq > 0 AND last_message_at IS NULL
            ORDER BY id LIMIT 500 FOR UPDATE
        ) c;
        EXIT WHEN v_ids IS NULL;
        UPDATE conversations c SET last_message_at = e.at
        FROM events e
        WHERE c.id = ANY (v_ids) AND e.conversation_id = c.id AND e.seq = c.last_message_seq;
        v_after := v_ids[cardinality(v_ids)];
        COMMIT;
    END LOOP;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_views_2;
DROP TRIGGER message_time ON conversations;
DROP FUNCTION im_message_time;
ALTER TABLE conversations DROP COLUMN last_message_at;
