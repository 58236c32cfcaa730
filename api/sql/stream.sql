-- name: place
-- Where the feed is now. The epoch changes with anything that makes old places meaningless: a restore into another
-- cluster or database, a fail-over or a recovery to a point in time (new timeline), or an operator's wish (the setting).
select pg_current_snapshot()::text as position,
    concat_ws('/', (select value #>> '{}' from setting where name = 'stream_epoch'),
        (select system_identifier from pg_control_system()),
        (select oid from pg_database where datname = current_database()),
        substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)) as epoch

-- name: changes_since
-- What was committed after the place $1: transactions that its snapshot did not see. A transaction that commits late is
-- not in that snapshot either, so it is never jumped over, and one that stays open holds up nobody else.
with seen as materialized (select $1::text::pg_snapshot as snapshot)
select kind, array_agg(distinct object_id) as ids
from change, seen
where xid >= pg_snapshot_xmin(snapshot) and not pg_visible_in_snapshot(xid, snapshot) and kind <> 'quarantine'
group by kind

-- name: place_is_kept
-- Whether every change after the place $1 is still there, and the place is not from the future.
select pg_snapshot_xmin($1::text::pg_snapshot)::text::numeric
        > coalesce((select (value #>> '{}')::numeric from setting where name = 'stream_floor'), 0)
    and pg_snapshot_xmax($1::text::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())

-- name: open_alarms
select id from alarm where open

-- name: open_cases
select id from rescue_case where open

-- name: forget_changes
-- Rows older than $1 hours go; the newest transaction among them is remembered as the floor of what can be resumed.
with gone as (
    delete from change
    where at < clock_timestamp() - make_interval(hours => $1) and xid < pg_snapshot_xmin(pg_current_snapshot())
    returning xid
), floor as (
    select max(xid::text::numeric) as xid, count(*) as rows from gone having count(*) > 0
), kept as (
    insert into setting (name, value) select 'stream_floor', to_jsonb(xid::text) from floor
    on conflict (name) do update
    set value = to_jsonb(greatest((setting.value #>> '{}')::numeric, (excluded.value #>> '{}')::numeric)::text)
)
select coalesce((select rows from floor), 0)
