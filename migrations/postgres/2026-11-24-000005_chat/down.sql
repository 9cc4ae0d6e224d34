DROP TABLE message_marks;
DROP TABLE messages;
