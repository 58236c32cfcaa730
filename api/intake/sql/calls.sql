-- Calls as they are read, and looks at a caller.

-- name: lift_to_call_about
select exercise, firm_id from lift where id = $1 and not probe

-- name: case_to_call_about
select lift_id, exercise from rescue_case c
where id = $1 and state in ('open', 'dispatched', 'on_site') and not exists (select 1 from lift l where l.id = c.lift_id and l.probe)

-- name: call_ids
-- One page, newest first.
select id from call
where ($1::text is null or kind = $1) and ($2::integer is null or lift_id = $2) and ($3::bigint is null or case_id = $3)
    and ($4::bigint is null or complaint_id = $4) and ($5::bigint is null or id < $5)
order by id desc limit $6

-- name: call_documents
select k.id, k.kind, k.channel, k.at, k.lift_id, k.address as said_address, k.district as said_district, k.text, k.became, k.case_id, k.complaint_id,
    k.person, k.exercise, case when r.call_id is null then 'none' when r.erased_at is null then 'kept' else 'erased' end as caller,
    l.name, l.rescue_code, l.estate, l.building, l.address, l.district, l.kind as lift_kind
from call k
left join lift l on l.id = k.lift_id
left join caller r on r.call_id = k.id
where k.id = any($1::bigint[])
order by k.id desc

-- name: caller
select call_id, name, phone, erased_at from caller where call_id = $1

-- name: look_at_caller
insert into caller_look (call_id, person, role, at) values ($1, $2, $3, $4)

-- name: looks
select person, role, at from caller_look where call_id = $1 order by id desc limit $2

-- name: lift_to_link
select exercise from lift where id = $1 and not probe

-- name: running_of_kind
select id from rescue_case where lift_id = $1 and kind = $2 and state in ('open', 'dispatched', 'on_site')
