DROP TABLE order_marks;
DROP TABLE track_points;
