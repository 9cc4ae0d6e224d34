DROP TRIGGER users_changed;
