DROP TABLE put_aside;
