-- Where the partner of an order was while under way with it. No foreign key: looking each order up would cost more than
-- the rows do, and the server adds them for orders that it has just read.
CREATE TABLE track_points (
    order_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    accuracy DOUBLE PRECISION,
    speed DOUBLE PRECISION,
    heading DOUBLE PRECISION,
    -- It jumps faster than anybody can: kept, and not shown.
    flagged BOOLEAN NOT NULL,
    PRIMARY KEY (order_id, at)
);

-- What is said or done about an order once: what was promised, what was announced last, which notification is out.
CREATE TABLE order_marks (
    order_id TEXT NOT NULL,
    mark TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (order_id, mark)
);
