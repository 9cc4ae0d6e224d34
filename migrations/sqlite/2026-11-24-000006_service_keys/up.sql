-- Keys of other back ends that may publish events.
CREATE TABLE service_keys (
    -- SHA-256 of the key, which nobody has but the back end.
    hash TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- Where it may publish: patterns with commas.
    groups TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    -- When another one took its place; it is good until it expires.
    replaced_at BIGINT,
    last_used_at BIGINT
);
CREATE UNIQUE INDEX service_keys_present ON service_keys (name) WHERE replaced_at IS NULL;
