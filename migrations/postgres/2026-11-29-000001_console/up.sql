-- What people did that admins watch; kept for 90 days. The id is the event's.
CREATE TABLE activities (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT,
    role TEXT,
    action TEXT NOT NULL,
    order_id TEXT,
    at BIGINT NOT NULL
);
CREATE INDEX activities_user ON activities (user_id, id);
CREATE INDEX activities_order ON activities (order_id, id) WHERE order_id IS NOT NULL;

-- Which admin looks after which order.
CREATE TABLE claims (
    order_id TEXT NOT NULL PRIMARY KEY REFERENCES orders (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    at BIGINT NOT NULL,
    until BIGINT NOT NULL
);

-- For what happened to orders of late, among all that ever ended.
CREATE INDEX orders_ended ON orders (status, updated_at) WHERE status IN ('completed', 'cancelled', 'failed');
