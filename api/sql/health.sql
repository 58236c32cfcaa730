-- name: schema_version
select max(number) from schema_migration

-- name: newest_batch_age_s
-- Seconds since the newest stored batch, by the database's clock; null when there never was one. The probe is no data.
select min(b.age_s)
from generate_series(0, 63) as p (partition)
cross join lateral (
    select extract(epoch from clock_timestamp() - committed_at)::float8 as age_s
    from ingest_batch where ingest_batch.partition = p.partition and kind = 'batch' and not probe
    order by batch_no desc limit 1
) b

-- name: has_devices
select exists (
    select 1 from device d left join lift l on l.id = d.lift_id where d.revoked_at is null and not coalesce(l.probe, false))

-- name: has_partition_ahead
-- Reads the bounds of the hourly partitions; without one the rows of the next hour would fall into the default partition.
select exists (
    select 1
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as bound
    where i.inhparent = 'sample'::regclass
      and clock_timestamp() + interval '1 hour' >= bound[1]::timestamptz
      and clock_timestamp() + interval '1 hour' < bound[2]::timestamptz
)

-- name: overload
-- The overload that is now, by an ingest that is well.
select min(began_at) as began_at, sum(coalesced)::bigint as coalesced from overload
where ended_at is null and last_at > clock_timestamp() - interval '30 s'
having count(*) > 0
