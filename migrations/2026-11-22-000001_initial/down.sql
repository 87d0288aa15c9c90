DROP TABLE seal_check, journal, odoo_outbox, outlook_outbox, copies, meetings, login_attempts, accounts, enrollments, databases;
