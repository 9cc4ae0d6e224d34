-- Ids are UUIDs as text. Times are milliseconds since 1970-01-01T00:00:00Z (BIGINT). Money is in minor units.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    locale TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE TABLE partners (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE REFERENCES users (id)
);

-- One log-in: every refresh token that descends from it.
CREATE TABLE refresh_families (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX refresh_families_user ON refresh_families (user_id);

CREATE TABLE refresh_tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    family_id TEXT NOT NULL REFERENCES refresh_families (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- WebSocket tickets that were used: each is good for one handshake.
CREATE TABLE used_tickets (
    jti TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_tickets_expiry ON used_tickets (expires_at);

CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    version BIGINT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES users (id),
    partner_id TEXT REFERENCES partners (id),
    pickup_latitude DOUBLE PRECISION NOT NULL,
    pickup_longitude DOUBLE PRECISION NOT NULL,
    pickup_address TEXT NOT NULL,
    dropoff_latitude DOUBLE PRECISION NOT NULL,
    dropoff_longitude DOUBLE PRECISION NOT NULL,
    dropoff_address TEXT NOT NULL,
    items TEXT NOT NULL,
    price_amount BIGINT NOT NULL,
    price_currency TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    notes TEXT,
    code TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id, id);
CREATE INDEX orders_partner ON orders (partner_id, id);
CREATE INDEX orders_status ON orders (status, id);

-- The timeline: every step of every order.
CREATE TABLE order_steps (
    order_id TEXT NOT NULL REFERENCES orders (id),
    version BIGINT NOT NULL,
    from_status TEXT,
    to_status TEXT NOT NULL,
    party TEXT NOT NULL,
    user_id TEXT,
    reason TEXT,
    note TEXT,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    at BIGINT NOT NULL,
    PRIMARY KEY (order_id, version)
);

CREATE TABLE ratings (
    order_id TEXT NOT NULL PRIMARY KEY REFERENCES orders (id),
    stars SMALLINT NOT NULL,
    comment TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE notifications (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    -- What it is about, for looking up what became of an order's notifications.
    order_id TEXT,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    read_at BIGINT
);
CREATE INDEX notifications_inbox ON notifications (user_id, id);
CREATE INDEX notifications_unread ON notifications (user_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_order ON notifications (order_id, id) WHERE order_id IS NOT NULL;

-- The unread count of each user, and how often it changed.
CREATE TABLE inboxes (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    unread BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE notification_preferences (
    user_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, kind, channel)
);

-- What became of each notification on each channel. When it was read is the notification's own: it is read
-- once, wherever it was shown.
CREATE TABLE deliveries (
    notification_id TEXT NOT NULL REFERENCES notifications (id),
    channel TEXT NOT NULL,
    queued_at BIGINT NOT NULL,
    written_at BIGINT,
    acked_at BIGINT,
    failed_at BIGINT,
    error TEXT,
    PRIMARY KEY (notification_id, channel)
);

-- What admins have to say to everybody, and how far it has come through the users, in the order of their ids.
CREATE TABLE announcements (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    author_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    reached_user_id TEXT,
    done_at BIGINT
);
CREATE INDEX announcements_under_way ON announcements (id) WHERE done_at IS NULL;

-- What committed changes ask the realtime side to do; a row goes once it was done.
CREATE TABLE outbox (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    dispatch TEXT NOT NULL
);

-- Answers to calls that came with an Idempotency-Key.
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status SMALLINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
