"""`make bench-scale`: what many idle mailboxes cost the service, and how long those few wait that are used."""
