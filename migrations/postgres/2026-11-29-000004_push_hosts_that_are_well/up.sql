-- When the push service was last known to have taken a message: one that ever has is tried before those that never have.
ALTER TABLE push_hosts ADD COLUMN well_at BIGINT;
UPDATE push_hosts SET well_at = until WHERE failures = 0;
-- Whether it was tried more than once before an admin put it back, and may have arrived.
ALTER TABLE push_messages ADD COLUMN was_tried BOOLEAN NOT NULL DEFAULT FALSE;
-- What was tried and given up may have arrived, and is closed like what was sent.
DROP INDEX push_messages_user;
CREATE INDEX push_messages_user ON push_messages (user_id) WHERE state <> 'closed';
