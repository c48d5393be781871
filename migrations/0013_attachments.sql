-- Attachments: files that messages name. The bytes are in the storage of IM_ATTACHMENTS;
-- the rows say who may read them, and what the storage must delete.

-- The states are described at domain.AttachmentState. The sweep of any node finds its work
-- by due_at: an upload that no message names (pending, ready), or a file to delete (gone).
CREATE TABLE attachments (
    attachment_id   uuid        PRIMARY KEY, -- of version 7: ascending with time
    conversation_id uuid,                    -- of the messages that name it; null: none has named it
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    upload_until    timestamptz NOT NULL,    -- end of the signed upload
    due_at          timestamptz NOT NULL,    -- when the sweep has work with it; infinity while it is attached
    size            bigint      NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0, -- at deleting the file
    state           text        NOT NULL DEFAULT 'pending' COLLATE "C", -- pending, ready, attached, gone
    owner           text        NOT NULL COLLATE "C", -- the user who uploads it
    name            text        NOT NULL,
    mime            text        NOT NULL,
    sha256          bytea       NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX attachments_due ON attachments (due_at) WHERE due_at < 'infinity';
CREATE INDEX attachments_conversation ON attachments (conversation_id) WHERE conversation_id IS NOT NULL;

-- Which messages name an attachment, in their posting or in an edit: a projection of the
-- log. All messages that name one attachment are in one conversation. A recalled message
-- names none.
CREATE TABLE attachment_uses (
    conversation_id uuid   NOT NULL,
    seq             bigint NOT NULL, -- of the message
    attachment_id   uuid   NOT NULL,
    PRIMARY KEY (conversation_id, seq, attachment_id)
);

CREATE INDEX attachment_uses_of ON attachment_uses (attachment_id);

-- How many attachments each user has begun on a day of UTC. Rows of past days are deleted.
CREATE TABLE attachment_quotas (
    day   date   NOT NULL,
    count bigint NOT NULL,
    owner text   NOT NULL COLLATE "C",
    PRIMARY KEY (owner, day)
) WITH (fillfactor = 80);

-- The key that signs the addresses of uploads and downloads which nodes serve themselves.
CREATE TABLE attachment_secret (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    secret  bytea   NOT NULL
);

INSERT INTO attachment_secret (secret) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- im_append_attached_1 is im_append_moderated_1 for a batch with messages that name
-- attachments. Other batches do not pay for it. Its further parameter is an array of
-- objects:
--
--   p_attachments  event, attachment_id: the event, by its index from 1, posts or edits a
--                  message that names this attachment. It was decided knowing that the
--                  attachment is the sender's, is uploaded, and is in no other
--                  conversation. The owner never changes. If one of the others is no
--                  longer true, the conversation gets the status 3, so that it is decided
--                  again
--
-- The locks are those of im_append_1, with the attachments after the heads. A sweep skips
-- locked attachments; one that it has taken is gone, which the check finds.
CREATE FUNCTION im_append_attached_1(
    p_batch uuid, p_node text,
    p_conversation_ids uuid[], p_versions bigint[],
    p_conversation int[], p_type text[], p_sender text[], p_client_msg_id text[], p_hash bytea[], p_body text[], p_about_seq bigint[],
    p_mentions json, p_members json, p_updates json, p_targets json, p_sanctions json, p_posters json, p_attachments json,
    OUT statuses int[], OUT seqs bigint[], OUT ats timestamptz[]
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM FROM conversations WHERE id = ANY (p_conversation_ids) ORDER BY id FOR UPDATE;
    PERFORM FROM attachments WHERE attachment_id = ANY (ARRAY(
        SELECT u.attachment_id FROM json_to_recordset(p_attachments) AS u (event int, attachment_id uuid)
    )) ORDER BY attachment_id FOR UPDATE;

    -- This statement sees all that earlier holders of the locks have committed. Of two
    -- conversations of the batch that name one attachment, the first one gets it.
    WITH named AS (
        SELECT p_conversation[u.event] AS conv, coalesce(
            a.state IN ('ready', 'attached')
            AND coalesce(a.conversation_id, p_conversation_ids[first_value(p_conversation[u.event]) OVER (PARTITION BY u.attachment_id ORDER BY u.event)])
                = p_conversation_ids[p_conversation[u.event]], false) AS good
        FROM json_to_recordset(p_attachments) AS u (event int, attachment_id uuid)
        LEFT JOIN attachments a ON a.attachment_id = u.attachment_id
    )
    SELECT array_agg(CASE WHEN EXISTS (SELECT FROM named WHERE named.conv = v.n AND NOT named.good) THEN 0 ELSE v.version END ORDER BY v.n)
    INTO p_versions
    FROM unnest(p_versions) WITH ORDINALITY AS v (version, n);

    SELECT a.statuses, a.seqs, a.ats INTO statuses, seqs, ats
    FROM im_append_moderated_1(p_batch, p_node, p_conversation_ids, p_versions, p_conversation, p_type, p_sender, p_client_msg_id,
        p_hash, p_body, p_about_seq, p_mentions, p_members, p_updates, p_targets, p_sanctions, p_posters) a;

    -- The batch may have recalled a message after it was edited.
    INSERT INTO attachment_uses (conversation_id, seq, attachment_id)
    SELECT DISTINCT n.conversation_id, n.seq, n.attachment_id
    FROM (
        SELECT u.attachment_id, p_conversation_ids[p_conversation[u.event]] AS conversation_id,
            CASE WHEN p_type[u.event] = 'message.edited' THEN p_about_seq[u.event] ELSE seqs[u.event] END AS seq
        FROM json_to_recordset(p_attachments) AS u (event int, attachment_id uuid)
        WHERE statuses[u.event] = 0
    ) n
    WHERE NOT EXISTS (
        SELECT FROM message_states s WHERE s.conversation_id = n.conversation_id AND s.seq = n.seq AND s.recalled_seq IS NOT NULL
    )
    ON CONFLICT DO NOTHING;

    UPDATE attachments a SET
        conversation_id = n.conversation_id,
        state = CASE WHEN EXISTS (SELECT FROM attachment_uses u WHERE u.attachment_id = a.attachment_id) THEN 'attached' ELSE 'gone' END,
        due_at = CASE WHEN EXISTS (SELECT FROM attachment_uses u WHERE u.attachment_id = a.attachment_id) THEN 'infinity' ELSE clock_timestamp() END
    FROM (
        SELECT DISTINCT u.attachment_id, p_conversation_ids[p_conversation[u.event]] AS conversation_id
        FROM json_to_recordset(p_attachments) AS u (event int, attachment_id uuid)
        WHERE statuses[u.event] = 0
    ) n
    WHERE a.attachment_id = n.attachment_id;
END
$$;

-- im_release_attachments lets go of the attachments of a recalled message, in the
-- transaction of the recall, whichever version of the node recalls it. An attachment that
-- no other message names is gone: the sweep deletes its file.
CREATE FUNCTION im_release_attachments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH freed AS (
        DELETE FROM attachment_uses WHERE conversation_id = NEW.conversation_id AND seq = NEW.seq RETURNING attachment_id
    )
    UPDATE attachments a SET state = 'gone', due_at = clock_timestamp()
    FROM freed
    WHERE a.attachment_id = freed.attachment_id AND NOT EXISTS (
        SELECT FROM attachment_uses u
        WHERE u.attachment_id = a.attachment_id AND (u.conversation_id, u.seq) <> (NEW.conversation_id, NEW.seq)
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER release_attachments AFTER INSERT OR UPDATE ON message_states FOR EACH ROW
WHEN (NEW.recalled_seq IS NOT NULL) EXECUTE FUNCTION im_release_attachments();

---- create above / drop below ----

DROP TRIGGER release_attachments ON message_states;
DROP FUNCTION im_release_attachments;
DROP FUNCTION im_append_attached_1;
DROP TABLE attachment_secret, attachment_quotas, attachment_uses, attachments;
