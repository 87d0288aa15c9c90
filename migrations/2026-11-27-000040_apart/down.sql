DROP INDEX copies_series;
