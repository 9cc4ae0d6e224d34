DROP INDEX orders_ended;
DROP TABLE claims;
DROP TABLE activities;
