DROP INDEX push_messages_user;
CREATE INDEX push_messages_user ON push_messages (user_id) WHERE state IN ('queued', 'sent');
ALTER TABLE push_messages DROP COLUMN was_tried;
ALTER TABLE push_hosts DROP COLUMN well_at;
