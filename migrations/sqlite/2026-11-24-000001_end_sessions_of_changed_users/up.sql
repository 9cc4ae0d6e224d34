-- Sessions and tokens stand for a user as it was. Whoever changes a user's role, or deletes it, ends its sessions in the
-- same transaction, also when that is another back end, or a person with a shell.
CREATE TRIGGER users_changed AFTER UPDATE OF role, deleted_at ON users
WHEN OLD.role <> NEW.role OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
BEGIN
    INSERT INTO outbox (event_id, at, dispatch) VALUES (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a'
            || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
        CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
        '{"end_sessions":{"user_id":"' || NEW.id || '","family_id":null,"reason":"token"}}'
    );
END;
