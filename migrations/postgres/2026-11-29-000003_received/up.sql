-- When a session whose client does not ack was seen to have got the notification.
ALTER TABLE pushes ADD COLUMN received_at BIGINT;
