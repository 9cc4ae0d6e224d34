DROP INDEX orders_in_hand;
DROP TABLE dispatch_looks;
DROP TABLE former_partners;
DROP TABLE offers;
ALTER TABLE partners DROP COLUMN online_changed_at;
ALTER TABLE partners DROP COLUMN online;
