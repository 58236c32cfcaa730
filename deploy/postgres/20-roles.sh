#!/bin/sh
# The accounts of the parts, with the passwords of deploy/secrets; run by the database's superuser. At first with the new database folder;
# a database from before gets them by `docker-compose exec postgres sh /docker-entrypoint-initdb.d/20-roles.sh`, and then `hoistway migrate`.
set -eu
for part in ingest dispatch api; do
  password=$(cat "/run/secrets/hoistway_${part}_database_password")
  psql --no-psqlrc -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    -v role="hoistway_$part" -v password="$password" <<'SQL'
select format('create role %I', :'role') where not exists (select 1 from pg_roles where rolname = :'role') \gexec
alter role :"role" login nosuperuser nocreatedb nocreaterole nobypassrls password :'password';
SQL
done
# Ingest owns the tables of samples, whose partitions it makes and drops; the owner must still be able to change them.
psql --no-psqlrc -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres -c 'grant hoistway_ingest to hoistway'
