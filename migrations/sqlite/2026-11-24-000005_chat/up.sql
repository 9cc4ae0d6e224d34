-- What the parties of an order write to each other.
CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (id),
    -- Counts the messages of the order, from 1: given out under the lock of its row, so that it is their order.
    number BIGINT NOT NULL,
    -- Who had the order then. A partner who has it later does not see it.
    partner_id TEXT NOT NULL REFERENCES partners (id),
    sender_id TEXT NOT NULL REFERENCES users (id),
    party TEXT NOT NULL,
    -- The sender's own mark, by which a repeated message is known.
    client_id TEXT,
    -- Without contact details, and whether there were any.
    text TEXT NOT NULL,
    masked BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX messages_order ON messages (order_id, number);
CREATE UNIQUE INDEX messages_client_id ON messages (order_id, sender_id, client_id) WHERE client_id IS NOT NULL;

-- Up to which message each user has read.
CREATE TABLE message_marks (
    order_id TEXT NOT NULL REFERENCES orders (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    number BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (order_id, user_id)
);
