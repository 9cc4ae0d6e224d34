ALTER TABLE pushes DROP COLUMN received_at;
