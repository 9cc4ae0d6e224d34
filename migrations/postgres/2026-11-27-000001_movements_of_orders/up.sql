-- What was entered about one order is shown to whoever may know.
CREATE INDEX ledger_transactions_order ON ledger_transactions (order_id, id);
