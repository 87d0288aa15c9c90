DROP INDEX accounts_mailbox;
