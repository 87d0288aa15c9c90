DROP INDEX meetings_unlinked;
