DROP INDEX ledger_transactions_order;
