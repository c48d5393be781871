-- The event stream: every event in the exchange, topic or stream of a message broker.
--
-- It is one row of webhooks with a reserved id, and has lanes and failures as they have. A
-- node that has IM_EVENTS_URL makes the row, and only such nodes hold it. The address is a
-- setting of the nodes, so that no password is stored.

-- Nodes of the version before would call the stream as if it were a webhook. Claims of
-- nodes that know it begin with "2:stream:". The row of another claim stays as it is.
CREATE TRIGGER claim_stream BEFORE UPDATE OF held_until ON webhooks FOR EACH ROW
WHEN (
    NEW.webhook_id = '00000000-0000-7000-8000-000000000000' AND NEW.held_until > OLD.held_until AND NEW.holder NOT LIKE '2:stream:%'
)
EXECUTE FUNCTION im_webhook_claim_1();

---- create above / drop below ----

-- A trigger deletes what the stream is owed.
DELETE FROM webhooks WHERE webhook_id = '00000000-0000-7000-8000-000000000000';
DROP TRIGGER claim_stream ON webhooks;
