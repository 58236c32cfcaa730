-- Maintenance orders as people make, read and end them.

-- name: lift
-- Locked, so that two people do not make two orders for one time.
select l.id, l.firm_id, l.exercise from lift l where l.id = $2 and in_scope(l.firm_id, l.probe, $1) for no key update

-- name: overlapping
select id from maintenance_order where lift_id = $1 and settled_at is null and since < $3 and least(until, ended_at) > $2 limit 1

-- name: make
insert into maintenance_order (kind, lift_id, since, until, note, person, role, made_at, exercise)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id

-- name: lock
select o.id, o.since, o.until, o.ended_at, o.settled_at, o.version
from maintenance_order o join lift l on l.id = o.lift_id
where o.id = $2 and in_scope(o.firm_id, l.probe, $1) for update of o

-- name: end
update maintenance_order set ended_at = $2, ended_by = $3, end_reason = $4, version = version + 1 where id = $1

-- name: ids
-- One page, newest first; $2: running or still to come at $5.
select o.id
from maintenance_order o join lift l on l.id = o.lift_id
where in_scope(o.firm_id, l.probe, $1)
    and ($2::boolean is null or (least(o.until, o.ended_at) > $5) = $2) and ($3::integer is null or o.lift_id = $3)
    and ($4::bigint is null or o.id < $4)
order by o.id desc limit $6

-- name: documents
-- With what it holds back, the newest hundred.
select o.id, o.kind, o.lift_id, o.since, o.until, o.note, o.person, o.role, o.made_at, o.ended_at, o.ended_by, o.end_reason,
    o.settled_at, o.exercise, o.version, o.firm_id, f.name as firm_name, l.name, l.rescue_code, l.estate, l.building, l.address,
    l.district, l.kind as lift_kind, s.faults, s.count
from maintenance_order o
join lift l on l.id = o.lift_id
left join firm f on f.id = o.firm_id
cross join lateral (
    select coalesce(jsonb_agg(n.fault order by n.alarm_id desc), '[]') as faults, coalesce(max(n.total), 0)::integer as count
    from (
        select h.alarm_id, count(*) over () as total, jsonb_build_object('alarm_id', a.id, 'rule_id', a.rule_id,
            'title', jsonb_build_object('zh', coalesce(r.title_zh, a.rule_id), 'en', coalesce(r.title_en, a.rule_id)),
            'severity', h.severity, 'at', rfc3339(h.at), 'active', a.condition = 'active', 'ticket_id', h.ticket_id) as fault
        from shielded_fault h join alarm a on a.id = h.alarm_id
        left join rule_version r on r.rule_id = a.rule_id and r.version = a.rule_version
        where h.order_id = o.id order by h.alarm_id desc limit 100
    ) n
) s
where o.id = any($2::bigint[]) and in_scope(o.firm_id, l.probe, $1)
order by o.id desc
