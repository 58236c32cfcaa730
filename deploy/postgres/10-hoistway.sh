#!/bin/sh
# Runs once, when the database folder is made: the program's own role, which is no superuser, and its database.
set -eu
password=$(cat /run/secrets/hoistway_database_password)
psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -v password="$password" <<'SQL'
create role hoistway login nosuperuser nocreatedb nocreaterole nobypassrls password :'password';
create database hoistway owner hoistway encoding 'UTF8' template template0;
revoke all on database hoistway from public;
SQL
