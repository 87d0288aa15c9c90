#!/bin/bash
# Runs once, in the container of Postgres, when its data directory is made: the service's own role
# and database, beside Odoo's.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `cat "${SECRETS:-/run/secrets}/bridge_db_password"`
CREATE ROLE outlook_bridge LOGIN PASSWORD :'password';
CREATE DATABASE outlook_bridge OWNER outlook_bridge;
SQL
