-- Webhooks of the types message.notify and report.created.
--
-- A webhook has three tracks: events, notifications and reports. Each has lanes and
-- failures of its own, so that none waits for another one. In webhook_lanes and
-- webhook_failures, webhook_id is the id of the track. That of events is the id of the
-- webhook. A lane of reports is one report; its conversation_id is the id of the report.

-- The default is not constant, so the table is written again: it has 100 rows at most.
ALTER TABLE webhooks
    ADD COLUMN notify_track uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN report_track uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN recipients   text NOT NULL DEFAULT 'all' COLLATE "C"; -- of message.notify: all or offline

-- The part of the members whom the next call of a lane of notifications is about. It is
-- stored before the call if there is more than one part, so that a repetition, also by
-- another node, has the same members.
ALTER TABLE webhook_lanes
    ADD COLUMN part       integer NOT NULL DEFAULT 0,            -- 1, 2, 3 …; 0: none was begun
    ADD COLUMN after_user text    NOT NULL DEFAULT '' COLLATE "C", -- exclusive
    ADD COLUMN upto_user  text    NOT NULL DEFAULT '' COLLATE "C"; -- inclusive

-- Nodes of the version before do not make the lanes of the new types. They must not hold
-- a webhook that asks for them: what is committed meanwhile would be left out. The claims
-- of nodes of this version begin with "2:". The row of another claim stays as it is.
CREATE FUNCTION im_webhook_claim_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END
$$;

CREATE TRIGGER claim BEFORE UPDATE OF held_until ON webhooks FOR EACH ROW
WHEN (NEW.held_until > OLD.held_until AND NEW.holder NOT LIKE '2:%' AND NEW.types && '{message.notify,report.created}')
EXECUTE FUNCTION im_webhook_claim_1();

-- im_report_created_1 lets webhooks be owed a new report, in the transaction that makes
-- it. A webhook that is being deleted is waited for, so that no lane is left behind.
CREATE FUNCTION im_report_created_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_lanes (webhook_id, conversation_id, next_seq, head_seq, due_at)
    SELECT w.report_track, NEW.report_id, 1, 1, clock_timestamp()
    FROM webhooks w
    WHERE 'report.created' = ANY (w.types) AND (w.conversation_ids IS NULL OR NEW.conversation_id = ANY (w.conversation_ids))
    ORDER BY w.webhook_id FOR KEY SHARE;
    RETURN NULL;
END
$$;

CREATE TRIGGER created AFTER INSERT ON reports FOR EACH ROW EXECUTE FUNCTION im_report_created_1();

-- Nodes of the version before delete only the lanes of events.
CREATE FUNCTION im_webhook_deleted_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM webhook_lanes WHERE webhook_id IN (OLD.webhook_id, OLD.notify_track, OLD.report_track);
    DELETE FROM webhook_failures WHERE webhook_id IN (OLD.webhook_id, OLD.notify_track, OLD.report_track);
    RETURN NULL;
END
$$;

CREATE TRIGGER deleted AFTER DELETE ON webhooks FOR EACH ROW EXECUTE FUNCTION im_webhook_deleted_1();

---- create above / drop below ----

DROP TRIGGER created ON reports;
DROP TRIGGER claim ON webhooks;
DROP TRIGGER deleted ON webhooks;
DROP FUNCTION im_webhook_claim_1, im_report_created_1, im_webhook_deleted_1;
DELETE FROM webhook_failures WHERE webhook_id IN (SELECT notify_track FROM webhooks UNION ALL SELECT report_track FROM webhooks);
DELETE FROM webhook_lanes WHERE webhook_id IN (SELECT notify_track FROM webhooks UNION ALL SELECT report_track FROM webhooks);
ALTER TABLE webhook_lanes DROP COLUMN part, DROP COLUMN after_user, DROP COLUMN upto_user;
ALTER TABLE webhooks DROP COLUMN notify_track, DROP COLUMN report_track, DROP COLUMN recipients;
