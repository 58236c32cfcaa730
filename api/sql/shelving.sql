-- What a person silences: alarms for a time, rules of a lift until further notice.

-- name: shelve
update alarm
set operator_state = 'shelved', shelved_until = $2, shelved_by = $3, shelve_reason = $4, version = version + 1
where id = $1

-- name: unshelve
-- Whatever it was before: somebody must look at it again.
update alarm
set operator_state = 'unacknowledged', shelved_until = null, shelved_by = null, shelve_reason = null,
    acknowledged_at = null, acknowledged_by = null, version = version + 1
where id = $1

-- name: removal_ids
-- One page, newest first.
select o.id
from out_of_service o join lift l on l.id = o.lift_id
where in_scope(l.firm_id, l.probe, $1)
  and ($2::integer is null or o.lift_id = $2)
  and ($3::text is null or o.rule_id = $3)
  and ($4::boolean is null or (o.ended_at is not null) = $4)
  and ($5::bigint is null or o.id < $5)
order by o.id desc
limit $6

-- name: removal_documents
select o.*, r.title_zh, r.title_en,
    l.name, l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind
from out_of_service o
join lift l on l.id = o.lift_id
left join lateral (
    select title_zh, title_en from rule_version where rule_id = o.rule_id order by live desc, live_from desc limit 1
) r on true
where o.id = any($2::bigint[]) and in_scope(l.firm_id, l.probe, $1)
order by o.id desc

-- name: rule_known
-- Whether there is such a rule, and whether it may stand for a trapped person.
select exists (select 1 from rule_version where rule_id = $1) as known, may_hold_person($1) as person

-- name: remove_from_service
-- Nothing when it is out of service already.
insert into out_of_service (lift_id, rule_id, reason, since, until, person) values ($1, $2, $3, $4, $5, $6)
on conflict (lift_id, rule_id) where ended_at is null do nothing
returning id

-- name: lock_removal
select lift_id, rule_id, ended_at from out_of_service where id = $1 for update

-- name: end_removal
update out_of_service set ended_at = greatest($2, since), ended_by = $3, end_reason = $4 where id = $1

-- name: touch_alarms_of_rule
-- Open alarms of this lift and rule now count otherwise: a change that other desks must see.
update alarm set version = version + 1 where lift_id = $1 and rule_id = $2 and open returning id
