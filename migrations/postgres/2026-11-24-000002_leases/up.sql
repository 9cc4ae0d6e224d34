-- What one instance at a time does for all of them, and which one that is. Times are the database's, in milliseconds,
-- so that the clocks of the instances do not count.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    -- Grows with each change of the holder.
    term BIGINT NOT NULL,
    -- By what events reach the instances: 'redis', or 'database' while Redis is away.
    route TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
INSERT INTO leases (name, holder, term, route, expires_at) VALUES
    -- Who takes events out of the outbox for all instances.
    ('relay', '', 0, 'redis', 0),
    -- Who serves without knowing of other instances.
    ('alone', '', 0, 'redis', 0);
