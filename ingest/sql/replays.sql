-- Messages of the quarantine that somebody asked to take in again.

-- name: replay_requests
-- In the order in which they came, so that records of one device go in as it sent them.
select id, topic, payload, payload_bytes, received from quarantine
where replay_requested_at is not null and replayed_at is null order by replay_requested_at, id limit $1

-- name: stored_events
select distinct e.boot, e.seq, e.incarnation, e.ts
from event e join unnest($2::int[], $3::bigint[]) as t (boot, seq) on t.boot = e.boot and t.seq = e.seq
where e.device_id = $1

-- name: events_of_boots
-- The stored events of the newest incarnation of some boots of a device, as they came in.
select * from (
    select e.boot, e.incarnation, e.seq, e.ts, e.code, e.folded, round(extract(epoch from e.received) * 1000)::bigint as received_ms,
        e.batch_no, e.ordinal
    from event e
    where e.device_id = $1 and e.boot = any($2::int[])
        and e.incarnation = (select max(incarnation) from event n where n.device_id = e.device_id and n.boot = e.boot)
    order by e.batch_no desc, e.ordinal desc limit $3
) newest order by batch_no, ordinal
