-- The one transaction of a batch. Every statement is set-based; arrays come as parameters.

-- name: take_lease
-- A new process takes the partition: the epoch rises, and the process before it can no longer commit.
insert into lease (partition, epoch, holder) values ($1, 1, $2)
on conflict (partition) do update
set epoch = lease.epoch + 1, holder = excluded.holder, renewed_at = clock_timestamp()
returning epoch

-- name: hold_lease
-- First statement of every writing transaction: no row means that another process has taken over.
select 1 from lease where partition = $1 and epoch = $2 for share

-- name: open_batch
insert into ingest_batch (partition, batch_no, token, kind, clock, epoch, samples, events, rule_set, state, probe)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: shadow
-- What rules in shadow said: recorded, and nothing follows.
insert into shadow_transition (partition, batch_no, rule_set, rule_id, version, lift_id, kind, at, hold_start, demoted, level)
select $1, $2, t.* from unnest($3::int[], $4::text[], $5::text[], $6::int[], $7::text[], $8::timestamptz[],
    $9::timestamptz[], $10::bool[], $11::smallint[]) as t

-- name: is_committed
-- After an unknown outcome: is the batch in?
select 1 from ingest_batch where token = $1

-- name: labels
insert into floor_label (id, label) select * from unnest($1::smallint[], $2::text[])

-- name: events
insert into event (partition, batch_no, ordinal, received, at, ts, seq, boot, incarnation, device_id, lift_id, folded, code,
    active, data, at_once)
select $1, $2, t.ordinal, t.received, t.at, t.ts, t.seq, t.boot, t.incarnation, t.device_id, t.lift_id, t.folded, t.code,
    t.active, t.data::jsonb, t.at_once
from unnest($3::int[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::int[], $9::int[], $10::int[],
    $11::int[], $12::smallint[], $13::text[], $14::bool[], $15::text[], $16::bool[])
    as t (ordinal, received, at, ts, seq, boot, incarnation, device_id, lift_id, folded, code, active, data, at_once)

-- name: links
insert into link (device_id, online, boot, conn, received)
select distinct on (t.device_id) t.device_id, t.online, t.boot, t.conn, t.received
from unnest($1::int[], $2::bool[], $3::int[], $4::bigint[], $5::timestamptz[]) with ordinality
    as t (device_id, online, boot, conn, received, n)
order by t.device_id, t.n desc
on conflict (device_id) do update
set online = excluded.online, boot = excluded.boot, conn = excluded.conn, received = excluded.received

-- name: contacts
insert into contact (partition, batch_no, ordinal, device_id, boot, conn, received, online, lift_ids)
select $1, $2, t.ordinal, t.device_id, t.boot, t.conn, t.received, t.online,
    array(select jsonb_array_elements_text(t.lift_ids::jsonb)::int)
from unnest($3::int[], $4::int[], $5::int[], $6::bigint[], $7::timestamptz[], $8::bool[], $9::text[])
    as t (ordinal, device_id, boot, conn, received, online, lift_ids)

-- name: gaps
insert into gap (partition, batch_no, device_id, stream, boot, incarnation, first_seq, last_seq, reason)
select $1, $2, t.* from unnest($3::int[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::bigint[], $9::text[]) as t

-- name: quarantine
-- The same bytes with the same reason count up instead of filling the table.
insert into quarantine
    (received, topic, device, reason, detail, payload, payload_bytes, sha256_8, times, last_received)
select min(t.received), t.topic, min(t.device), t.reason, min(t.detail), (array_agg(t.payload))[1], min(t.bytes), t.sha,
    count(*), max(t.received)
from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int[], $8::text[])
    as t (received, topic, device, reason, detail, payload, bytes, sha)
group by t.topic, t.sha, t.reason
on conflict (topic, sha256_8, reason) where replayed_at is null do update
set times = quarantine.times + excluded.times, last_received = excluded.last_received

-- name: field_faults
insert into field_fault (device_id, field, fault, times, last_value, last_seen)
select t.device_id, t.field, t.fault, t.times, t.value, $6
from unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::text[]) as t (device_id, field, fault, times, value)
on conflict (device_id, field, fault) do update
set times = field_fault.times + excluded.times, last_value = excluded.last_value, last_seen = excluded.last_seen

-- name: counters
insert into device_counter (device_id, leaf, received, stored, duplicates, quarantined, cut, coalesced)
select * from unnest($1::int[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
on conflict (device_id, leaf) do update
set received = device_counter.received + excluded.received, stored = device_counter.stored + excluded.stored,
    duplicates = device_counter.duplicates + excluded.duplicates,
    quarantined = device_counter.quarantined + excluded.quarantined, cut = device_counter.cut + excluded.cut,
    coalesced = device_counter.coalesced + excluded.coalesced

-- name: checkpoint
insert into checkpoint (partition, batch_no, clock, rules, engine, devices, rule_set, shadow)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (partition) do update
set batch_no = excluded.batch_no, clock = excluded.clock, rules = excluded.rules, engine = excluded.engine,
    devices = excluded.devices, rule_set = excluded.rule_set, shadow = excluded.shadow, taken_at = clock_timestamp()
where checkpoint.batch_no <= excluded.batch_no

-- name: missing_hours
-- The next hours, and this one where $3 says so, where no partition of `sample` takes them.
select hour from generate_series(date_trunc('hour', $1::timestamptz), $1::timestamptz + make_interval(hours => $2), '1 hour') as hour
where ($3::bool or hour > $1) and not exists (
    select 1
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as bound
    where i.inhparent = 'sample'::regclass and hour < bound[2]::timestamptz and hour + interval '1 hour' > bound[1]::timestamptz
) order by hour

-- name: alone
-- A partition is made when nobody looks: whoever waits for this lock would let everybody else wait behind him.
set local lock_timeout = '100ms'; lock table only sample in access exclusive mode nowait

-- name: summarize
-- So that a reader finds the pages of the newest batches and no others.
select sum(brin_summarize_new_values(i.indexrelid::regclass))
from pg_inherits h join pg_index i on i.indrelid = h.inhrelid join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
where h.inhparent = 'sample'::regclass and a.amname = 'brin' and pg_relation_size(h.inhrelid) > 0

-- name: trim_quarantine
-- The quarantine holds so many rows and no more, and so many of one device: the oldest go, some at a time, and their messages are counted.
with many as (
    select device from quarantine where device is not null group by device having count(*) > $2
), extra as (
    (select id from quarantine order by id desc offset $1)
    union
    select own.id from many cross join lateral (
        select id from quarantine where device = many.device order by id desc offset $2
    ) own
), gone as (
    delete from quarantine where id in (select id from extra order by id limit $3) returning times
)
select count(*)::int as rows, coalesce(sum(times), 0)::bigint as messages from gone

-- name: replayed
update quarantine q set replayed_at = clock_timestamp(), replay_result = t.result
from unnest($1::bigint[], $2::text[]) as t (id, result) where q.id = t.id
