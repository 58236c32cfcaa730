-- The door: security events, and what was accepted under a number that came again.

-- name: security_events
-- One row a kind, device and hour: whoever tries again and again counts up instead of filling the table.
insert into security_event (kind, device, hour, first_at, last_at, times, lift_id, detail)
select t.kind, t.device, date_trunc('hour', t.at), min(t.at), max(t.at), count(*), min(t.lift_id),
    (array_agg(t.detail order by t.at desc))[1]
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[], $5::text[]) as t (kind, device, at, lift_id, detail)
group by t.kind, t.device, date_trunc('hour', t.at)
on conflict (kind, device, hour) do update
set times = security_event.times + excluded.times, last_at = greatest(security_event.last_at, excluded.last_at),
    detail = excluded.detail, lift_id = coalesce(excluded.lift_id, security_event.lift_id)

-- name: other_events
-- Which repeats differ from the accepted event of the same key. `n` counts from 0; no lift: the record names none, and the
-- register may have changed since.
select (t.n - 1)::int as n
from unnest($1::int[], $2::int[], $3::int[], $4::bigint[], $5::int[], $6::bigint[], $7::text[], $8::bool[], $9::text[])
    with ordinality as t (device_id, boot, incarnation, seq, lift_id, ts, code, active, data, n)
join event e using (device_id, boot, incarnation, seq)
where (e.ts, e.code, e.active, e.data) is distinct from (t.ts, t.code, t.active, t.data::jsonb) or e.lift_id <> t.lift_id

-- name: trim_security
-- The oldest first, some at a time.
with gone as (
    delete from security_event where id in (
        select id from security_event where last_at < now() - make_interval(days => $1) order by last_at limit $2
    ) returning 1
)
select count(*)::int from gone

-- name: note_certificates
-- One row a certificate, before it ends and after, that counts up once a day: whoever reads the events meets it, and nobody fills the table by waiting.
insert into security_event (kind, device, hour, lift_id, first_at, last_at, times, detail)
select case when k.expires_at <= now() then 'certificate-expired' else 'certificate-expiring' end, d.device, k.expires_at,
    d.lift_id, now(), now(), 1, to_char(k.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
from device_key k join device d on d.id = k.device_id
where k.ended_at is null and d.revoked_at is null and k.expires_at <= now() + make_interval(days => $1)
on conflict (kind, device, hour) do update set times = security_event.times + 1, last_at = excluded.last_at
where security_event.last_at <= now() - interval '1 day'

-- name: ending_certificates
select count(*) filter (where k.expires_at > now())::int as expiring, count(*) filter (where k.expires_at <= now())::int as expired
from device_key k join device d on d.id = k.device_id
where k.ended_at is null and d.revoked_at is null and k.expires_at <= now() + make_interval(days => $1)
