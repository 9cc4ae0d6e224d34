-- Sessions and tokens stand for a user as it was. Whoever changes a user's role, or deletes it, ends its sessions in the
-- same transaction, also when that is another back end, or a person with a shell.
CREATE FUNCTION end_sessions_of_changed_user() RETURNS trigger LANGUAGE plpgsql
-- So that whoever may change users need not know of the outbox.
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO outbox (event_id, at, dispatch) VALUES (
        gen_random_uuid()::text,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        '{"end_sessions":{"user_id":"' || NEW.id || '","family_id":null,"reason":"token"}}'
    );
    RETURN NULL;
END;
$$;
CREATE TRIGGER users_changed AFTER UPDATE OF role, deleted_at ON users
FOR EACH ROW WHEN (OLD.role <> NEW.role OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL))
EXECUTE FUNCTION end_sessions_of_changed_user();
