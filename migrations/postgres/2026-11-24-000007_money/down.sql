DROP TABLE provider_events;
DROP TABLE payments;
DROP TABLE ledger_entries;
DROP TABLE ledger_transactions;
DROP TABLE ledger_accounts;
DROP TABLE transfers;
