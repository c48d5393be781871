-- An archived conversation comes back with the next message. archived tells of a
-- conversation whether any member has it archived, so that all others pay no more
-- than a look at that when a message is appended.
ALTER TABLE conversations ADD COLUMN archived boolean NOT NULL DEFAULT false;

CREATE INDEX members_archived ON members (conversation_id) WHERE archived;

CREATE FUNCTION im_unarchive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE members SET archived = false, changed = pg_current_xact_id()
    WHERE conversation_id = NEW.id AND archived;
    NEW.archived := false;
    RETURN NEW;
END
$$;

-- The head is locked when it runs, and whoever archives locks the head as well.
CREATE TRIGGER unarchive BEFORE UPDATE ON conversations FOR EACH ROW
WHEN (OLD.archived AND NEW.message_count > OLD.message_count)
EXECUTE FUNCTION im_unarchive();

-- Changes a member's preferences, those that are not null, and returns all of
-- them and whether any changed. No row for who is not a member.
CREATE FUNCTION im_set_preferences_1(p_user text, p_id uuid, p_notify text, p_pinned boolean, p_archived boolean)
RETURNS TABLE (notify text, pinned boolean, archived boolean, news boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_was members;
    v_is  members;
BEGIN
    IF p_archived THEN
        PERFORM FROM conversations WHERE id = p_id FOR UPDATE;
    END IF;
    SELECT * INTO v_was FROM members m
    WHERE m.user_id = p_user AND m.conversation_id = p_id AND m.left_seq IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_is := v_was;
    v_is.notify := coalesce(p_notify, v_was.notify);
    v_is.pinned := coalesce(p_pinned, v_was.pinned);
    v_is.archived := coalesce(p_archived, v_was.archived);
    IF v_is IS DISTINCT FROM v_was THEN
        UPDATE members m SET notify = v_is.notify, pinned = v_is.pinned, archived = v_is.archived, changed = pg_current_xact_id()
        WHERE m.user_id = p_user AND m.conversation_id = p_id;
    END IF;
    IF v_is.archived AND NOT v_was.archived THEN
        UPDATE conversations c SET archived = true WHERE c.id = p_id AND NOT c.archived;
    END IF;
    RETURN QUERY SELECT v_is.notify, v_is.pinned, v_is.archived, v_is IS DISTINCT FROM v_was;
END
$$;

---- create above / drop below ----

DROP FUNCTION im_set_preferences_1;
DROP TRIGGER unarchive ON conversations;
DROP FUNCTION im_unarchive;
DROP INDEX members_archived;
ALTER TABLE conversations DROP COLUMN archived;
