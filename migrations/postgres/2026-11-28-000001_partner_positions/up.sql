-- Where partners were last seen, written now and then: without it a server that starts would know of nobody who is near.
CREATE TABLE partner_positions (
    partner_id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    accuracy DOUBLE PRECISION
);
