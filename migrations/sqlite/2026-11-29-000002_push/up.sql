-- What pushes are signed with (RFC 8292): made by whichever instance starts first, and kept.
CREATE TABLE push_keys (
    name TEXT NOT NULL PRIMARY KEY,
    -- P-256: 32 bytes in base64url.
    private_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Browsers that have agreed to be sent pushes, by the address at their push service.
CREATE TABLE push_subscriptions (
    id TEXT NOT NULL PRIMARY KEY,
    endpoint TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    -- The log-in that it belongs to, and goes with; none for tokens of another back end.
    family_id TEXT REFERENCES refresh_families (id) ON DELETE CASCADE,
    -- The browser's public key and secret (RFC 8291), in base64url.
    p256dh TEXT NOT NULL,
    auth TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX push_subscriptions_user ON push_subscriptions (user_id, registered_at);
CREATE INDEX push_subscriptions_family ON push_subscriptions (family_id) WHERE family_id IS NOT NULL;
CREATE INDEX push_subscriptions_expiry ON push_subscriptions (expires_at) WHERE expires_at IS NOT NULL;

-- Notifications of users with such browsers: once one is due it is looked whether it still has to be pushed.
CREATE TABLE pushes (
    notification_id TEXT NOT NULL PRIMARY KEY REFERENCES notifications (id),
    user_id TEXT NOT NULL,
    -- The lowest goes first.
    rank BIGINT NOT NULL,
    tag TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX pushes_rank ON pushes (rank, due_at);
CREATE INDEX pushes_due ON pushes (due_at);
CREATE INDEX pushes_user ON pushes (user_id);

-- Something of this user's was read, or is over: it is looked what has to be closed on which device.
CREATE TABLE push_closings (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    -- When everything was read at once.
    read_all_at BIGINT
);
CREATE INDEX push_closings_due ON push_closings (due_at);
CREATE INDEX push_closings_user ON push_closings (user_id);

-- What is sent, one row for each browser.
CREATE TABLE push_messages (
    id TEXT NOT NULL PRIMARY KEY,
    subscription_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    host TEXT NOT NULL,
    kind TEXT NOT NULL,
    notification_id TEXT REFERENCES notifications (id),
    -- What a closing push closes: a JSON array of ids, or a time.
    closes TEXT,
    rank BIGINT NOT NULL,
    tag TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    -- Until when it is in somebody's hands. Attempts are counted when it is taken.
    taken_until BIGINT,
    attempts BIGINT NOT NULL,
    -- When it was sent, or given up.
    done_at BIGINT,
    error TEXT
);
CREATE INDEX push_messages_queue ON push_messages (host, rank, id) WHERE state = 'queued';
CREATE INDEX push_messages_due ON push_messages (host, due_at) WHERE state = 'queued';
CREATE INDEX push_messages_age ON push_messages (created_at) WHERE state = 'queued';
CREATE INDEX push_messages_subscription ON push_messages (subscription_id, tag, id);
CREATE INDEX push_messages_user ON push_messages (user_id) WHERE state IN ('queued', 'sent');
CREATE INDEX push_messages_state ON push_messages (state, id);
CREATE INDEX push_messages_notification ON push_messages (notification_id) WHERE notification_id IS NOT NULL;

-- Push services that do not answer as they should are left alone for a while.
CREATE TABLE push_hosts (
    host TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    until BIGINT NOT NULL
);
