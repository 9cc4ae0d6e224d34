-- Money on its way from the provider (top_up) or to it (pay_out).
CREATE TABLE transfers (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    partner_id TEXT REFERENCES partners (id),
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    status TEXT NOT NULL,
    -- The provider's own name for it, once it has answered.
    reference TEXT,
    -- Why it failed.
    failure TEXT,
    -- How often the provider was asked again since it last answered.
    asks BIGINT NOT NULL,
    -- When it is asked again, while the transfer is pending.
    ask_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX transfers_pending ON transfers (ask_at) WHERE status = 'pending';

-- The ledger. Entries are never changed; an account's balance is the sum of its entries, kept beside them.
CREATE TABLE ledger_accounts (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    -- A customer, a partner, or nobody ('') for the house's own.
    owner TEXT NOT NULL,
    currency TEXT NOT NULL,
    balance BIGINT NOT NULL,
    -- How many entries it has.
    revision BIGINT NOT NULL,
    UNIQUE (kind, owner, currency),
    -- Only what stands for the outside may be below zero; nobody is owed cash.
    CHECK (balance >= 0 OR kind IN ('cash', 'provider', 'refunds')),
    CHECK (balance <= 0 OR kind <> 'cash')
);

-- A movement: all of its entries sum to zero. Each key happens once.
CREATE TABLE ledger_transactions (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    -- What it is about: one of the two.
    order_id TEXT REFERENCES orders (id),
    transfer_id TEXT REFERENCES transfers (id),
    -- Who moved it and why, where somebody has decided that.
    by_user TEXT REFERENCES users (id),
    note TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE ledger_entries (
    account_id TEXT NOT NULL REFERENCES ledger_accounts (id),
    -- Counts the account's entries, from 1.
    number BIGINT NOT NULL,
    transaction_id TEXT NOT NULL REFERENCES ledger_transactions (id),
    amount BIGINT NOT NULL CHECK (amount <> 0),
    balance_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, number)
);
CREATE INDEX ledger_entries_transaction ON ledger_entries (transaction_id);
CREATE INDEX ledger_entries_time ON ledger_entries (account_id, created_at);

-- What became of the price of each order that is or was paid.
CREATE TABLE payments (
    order_id TEXT NOT NULL PRIMARY KEY REFERENCES orders (id),
    customer_id TEXT NOT NULL REFERENCES users (id),
    method TEXT NOT NULL,
    status TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK (captured BETWEEN 0 AND amount),
    CHECK (refunded BETWEEN 0 AND captured)
);

-- What providers have told, each event once.
CREATE TABLE provider_events (
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE INDEX provider_events_age ON provider_events (received_at);
