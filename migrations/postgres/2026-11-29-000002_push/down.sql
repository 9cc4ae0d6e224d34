DROP TABLE push_hosts;
DROP TABLE push_messages;
DROP TABLE push_closings;
DROP TABLE pushes;
DROP TABLE push_subscriptions;
DROP TABLE push_keys;
