ALTER TABLE partners ADD COLUMN online BOOLEAN NOT NULL DEFAULT FALSE;
-- When that last changed.
ALTER TABLE partners ADD COLUMN online_changed_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE offers (
    id TEXT NOT NULL PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (id),
    partner_id TEXT NOT NULL REFERENCES partners (id),
    -- Which look it came of.
    look BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- Why it was declined.
    reason TEXT,
    -- Metres.
    pickup_distance BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    closed_at BIGINT
);
CREATE INDEX offers_order ON offers (order_id, partner_id, id);
CREATE INDEX offers_open ON offers (partner_id, id) WHERE status = 'open';
CREATE UNIQUE INDEX offers_one_open ON offers (order_id, partner_id) WHERE status = 'open';

-- Partners who gave an order back, or had it taken from them: it is not offered to them again.
CREATE TABLE former_partners (
    order_id TEXT NOT NULL REFERENCES orders (id),
    partner_id TEXT NOT NULL REFERENCES partners (id),
    PRIMARY KEY (order_id, partner_id)
);

-- Each look for partners: who was near, and what spoke for or against each. Looks in a row that find nobody are one.
CREATE TABLE dispatch_looks (
    order_id TEXT NOT NULL REFERENCES orders (id),
    look BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- Metres.
    radius BIGINT NOT NULL,
    offered BIGINT NOT NULL,
    candidates TEXT NOT NULL,
    PRIMARY KEY (order_id, look)
);

-- How much a partner has in hand.
CREATE INDEX orders_in_hand ON orders (partner_id)
WHERE status IN ('assigned', 'en_route', 'arrived', 'picked_up', 'in_transit');
