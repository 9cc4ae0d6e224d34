DROP TRIGGER users_changed ON users;
DROP FUNCTION end_sessions_of_changed_user();
