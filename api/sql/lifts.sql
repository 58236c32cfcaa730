-- name: lift_ids
-- One page in the register's order. $3: a fragment of a name, place or number, escaped for LIKE by the caller.
select id
from lift
where in_scope(firm_id, probe, $1)
  and ($2::integer is null or id > $2)
  and ($3::text is null or name ilike $3 or estate ilike $3 or building ilike $3 or address ilike $3
       or rescue_code like $3 or register_code like $3)
  and ($4::text is null or district = $4)
  and ($5::text is null or estate = $5)
order by id
limit $6

-- name: lift_documents
select l.*, f.name as firm_name, f.phone as firm_phone
from lift l left join firm f on f.id = l.firm_id
where l.id = any($2::integer[]) and in_scope(l.firm_id, l.probe, $1)
order by l.id

-- name: devices_of_lifts
-- Terminals and gateways that speak for these lifts, with the last word about their connection.
select s.lift_id, d.device, d.shard, k.online, k.received
from (
    select id as device_id, lift_id from device where lift_id = any($1::integer[])
    union all
    select device_id, lift_id from gateway_lift where lift_id = any($1::integer[])
) s
join device d on d.id = s.device_id
left join link k on k.device_id = d.id
where d.revoked_at is null
order by s.lift_id, d.device

-- name: lift_kind
-- Also answers whether the lift is in scope.
select kind from lift where id = $2 and in_scope(firm_id, probe, $1)

-- name: map
select id, lon, lat, kind from lift
where ($1::integer = 0 or firm_id = $1) and lon is not null
order by id

-- name: floor_labels
select id, label from floor_label where id > $1 order by id

-- name: stream_heads
-- The newest place of each partition's stream and the age of its newest data, by the database's clock. The probe is no data.
select p.partition, b.batch_no, c.age_s
from generate_series(0, 63) as p (partition)
cross join lateral (
    select batch_no from ingest_batch
    where ingest_batch.partition = p.partition and kind = 'batch'
    order by batch_no desc limit 1
) b
left join lateral (
    select extract(epoch from clock_timestamp() - committed_at)::float8 as age_s
    from ingest_batch
    where ingest_batch.partition = p.partition and kind = 'batch' and not probe
    order by batch_no desc limit 1
) c on true

-- name: lifts_after
-- The whole register by and by.
select id from lift where id > $1 order by id limit $2

-- name: lifts_by_firm
-- How many lifts each scope has.
select coalesce(firm_id, -1) as firm_id, count(*) as lifts, bool_or(exercise) as exercise
from lift where not probe group by 1

-- name: lifts_by_district
select district, count(*) as lifts, bool_or(exercise) as exercise from lift where not probe group by 1

-- name: firms_of_lifts
-- The probe is of no firm.
select id, case when probe then -2 else firm_id end as firm_id from lift where id = any($1::integer[])
