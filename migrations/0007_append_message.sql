-- im_append_message_1 appends one message without mentions. It does what im_append_1 does
-- for a batch of that message, in about a third of the time: few users write at the same
-- moment, so that most batches of a quiet system are one message.
--
-- im_append_1 works on sets of events, with a plan of many steps that costs the same for
-- one event as for ten. The statements here find each row by its key.
--
-- The parameters are those of im_append_1, for one conversation and one event of type
-- message.posted; p_reply_to is its p_about_seq. So are the results.
CREATE FUNCTION im_append_message_1(
    p_batch uuid, p_node text, p_conversation_id uuid, p_version bigint,
    p_sender text, p_client_msg_id text, p_hash bytea, p_body text, p_reply_to bigint,
    OUT status int, OUT seq bigint, OUT at timestamptz
)
LANGUAGE plpgsql
-- While a table is small, the planner reads all of it, and may keep that plan.
SET enable_seqscan = off
AS $$
#variable_conflict use_variable
DECLARE
    v_version    bigint;
    v_head       bigint;
    v_message_no bigint;
    v_last_at    timestamptz;
    v_now        timestamptz;
BEGIN
    -- Lock the head. Each later statement has a new snapshot: it sees all that earlier
    -- holders of this lock have committed.
    SELECT c.version, c.head_seq, c.message_count, c.last_at INTO v_version, v_head, v_message_no, v_last_at
    FROM conversations c WHERE c.id = p_conversation_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a conversation of the batch does not exist' USING ERRCODE = 'IM001';
    END IF;
    v_now := clock_timestamp();
    at := greatest(v_now, v_last_at);
    seq := v_head;
    IF v_version <> p_version THEN
        status := 3;
        RETURN;
    END IF;
    IF p_reply_to <> 0 AND NOT EXISTS (
        SELECT FROM events e WHERE e.conversation_id = p_conversation_id AND e.seq = p_reply_to AND e.type = 'message.posted'
    ) THEN
        -- A duplicate is one whatever it replies to.
        status := 2;
    ELSE
        status := 0;
        seq := v_head + 1;
        v_message_no := v_message_no + 1;
        INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, hash, body)
        VALUES (p_conversation_id, seq, v_message_no, at, 'message.posted', p_sender, nullif(p_client_msg_id, ''), p_hash, p_body::json)
        ON CONFLICT (conversation_id, sender, client_msg_id) WHERE client_msg_id IS NOT NULL DO NOTHING;
    END IF;
    IF status = 2 OR NOT FOUND THEN
        SELECT e.seq INTO v_head FROM events e
        WHERE e.conversation_id = p_conversation_id AND e.sender = p_sender AND e.client_msg_id = p_client_msg_id;
        IF FOUND THEN
            status := 1;
            seq := v_head;
        END IF;
        RETURN;
    END IF;
    UPDATE conversations c SET
        head_seq = seq, message_count = v_message_no, last_at = at, last_message_seq = seq, last_message_at = at,
        changed = pg_current_xact_id()
    WHERE c.id = p_conversation_id;
    -- The sender has read the conversation up to the message.
    UPDATE members m SET read_seq = seq, read_message_no = v_message_no, changed = pg_current_xact_id()
    WHERE m.user_id = p_sender AND m.conversation_id = p_conversation_id AND m.left_seq IS NULL AND m.read_seq < seq;
    INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
    VALUES (p_batch, v_now, p_node, ARRAY[p_conversation_id], ARRAY[seq], ARRAY[seq], ARRAY[false]);
END
$$;

---- create above / drop below ----

DROP FUNCTION im_append_message_1;
