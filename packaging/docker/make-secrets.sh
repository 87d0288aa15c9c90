#!/bin/bash
# Makes the secrets of compose.yaml in ./secrets, once. It never replaces one: with another master
# key, the stored tokens could not be read; with another password, Postgres would refuse.
set -euo pipefail
cd "$(dirname "$0")"

if [ -e secrets ]; then
  echo "error: the folder secrets exists already. Nothing was changed. To begin again without the data, run" >&2
  echo "'docker compose down --volumes' and remove the folder." >&2
  exit 1
fi
random() { head --bytes="$1" /dev/urandom; }
hex() { random 24 | od --address-radix=n --format=x1 | tr --delete ' \n'; }

# Containers read the files as users of their own. Nobody else gets through the folder.
mkdir --mode=0700 secrets.part
password=$(hex)
hex >secrets.part/odoo_db_password
printf '%s' "$password" >secrets.part/bridge_db_password
# Nobody else is on the network of the containers, and the image of Postgres has no certificate.
printf 'postgres://outlook_bridge:%s@db/outlook_bridge?sslmode=disable' "$password" >secrets.part/database_url
random 32 | base64 >secrets.part/master_key
chmod 0444 secrets.part/*
mv secrets.part secrets
echo "Made the folder secrets. Back up secrets/master_key apart from the database."
