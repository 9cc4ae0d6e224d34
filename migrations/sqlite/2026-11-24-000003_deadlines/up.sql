-- What has to be done at a certain time unless something else comes first: whichever instance sees it first does it.
CREATE TABLE deadlines (
    kind TEXT NOT NULL,
    -- An id, as the kind has it.
    subject TEXT NOT NULL,
    order_id TEXT REFERENCES orders (id),
    -- While it is in hand: when it comes up again unless it is done by then.
    due_at BIGINT NOT NULL,
    -- How often it was taken in hand.
    attempts BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX deadlines_due ON deadlines (due_at);
CREATE INDEX deadlines_order ON deadlines (order_id) WHERE order_id IS NOT NULL;
-- Orders that were delivered before: each is looked at now, and set for when it is to be completed.
INSERT INTO deadlines (kind, subject, order_id, due_at, attempts)
SELECT 'complete', id, id, updated_at, 0 FROM orders WHERE status = 'delivered';
INSERT INTO deadlines (kind, subject, order_id, due_at, attempts) VALUES ('purge', '', NULL, 0, 0);
