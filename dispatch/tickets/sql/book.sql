-- What decisions about tickets read, and what their outcomes write.

-- name: lock
-- One ticket in scope, locked.
select t.id from ticket t join lift l on l.id = t.lift_id where t.id = $2 and in_scope(t.firm_id, l.probe, $1) for update of t

-- name: views
select t.id, t.lift_id, t.family, t.state, t.severity, t.firm_id, t.promised_at, t.done_at, t.climbed, t.exercise, t.version,
    exists (
        select 1 from ticket_alarm j join alarm a on a.id = j.alarm_id where j.ticket_id = t.id and a.condition = 'active'
    ) as active
from ticket t where t.id = any($1::bigint[])

-- name: change
-- One version more for each; null leaves a column as it is. The times of a state are those at which it is first reached, but for the
-- repair, which counts anew.
update ticket t
set state = coalesce(c.state, t.state), climbed = coalesce(c.climbed, t.climbed), severity = coalesce(c.severity, t.severity),
    overdue_at = case when c.promise_s is not null then null when c.overdue then coalesce(t.overdue_at, $8) else t.overdue_at end,
    promised_at = case when c.promise_s is null then t.promised_at else $8::timestamptz + make_interval(secs => c.promise_s) end,
    firm_id = coalesce(c.firm_id, t.firm_id), version = t.version + 1,
    accepted_at = case when c.state in ('new', 'reopened') then null
        when c.state in ('accepted', 'working') then coalesce(t.accepted_at, $8) else t.accepted_at end,
    accepted_by = case when c.state in ('new', 'reopened') then null
        when c.state in ('accepted', 'working') then coalesce(t.accepted_by, $9) else t.accepted_by end,
    started_at = case when c.state in ('new', 'reopened') then null
        when c.state = 'working' then coalesce(t.started_at, $8) else t.started_at end,
    done_at = case when c.state = 'done' then $8 else t.done_at end, done_by = case when c.state = 'done' then $9 else t.done_by end,
    verified_at = case c.state when 'verified' then $8 when 'reopened' then null else t.verified_at end,
    verified_by = case c.state when 'verified' then $9 when 'reopened' then null else t.verified_by end,
    reopened = t.reopened + case when c.state = 'reopened' then 1 else 0 end
from unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::float8[], $6::bool[], $7::smallint[])
    as c (id, state, climbed, severity, promise_s, overdue, firm_id)
where t.id = c.id

-- name: say
-- What was found and done; the version rises with the rest of the move.
update ticket set cause = coalesce($2, cause), work = coalesce($3, work), parts = coalesce($4, parts) where id = $1

-- name: add_lines
insert into ticket_event (ticket_id, kind, at, person, role, reason, before, after)
select t.ticket_id, t.kind, $8, t.person, t.role, t.reason, t.before::jsonb, t.after::jsonb
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
    as t (ticket_id, kind, reason, before, after, person, role, place)
order by t.place

-- name: end_timers
update ticket_timer t set cancelled_at = $3
from unnest($1::bigint[], $2::text[]) as e (ticket_id, kind)
where t.ticket_id = e.ticket_id and t.fired_at is null and t.cancelled_at is null and (e.kind is null or t.kind = e.kind)

-- name: set_timers
insert into ticket_timer (kind, ticket_id, due_at)
select t.kind, t.ticket_id, $4::timestamptz + make_interval(secs => t.after_s)
from unnest($1::text[], $2::bigint[], $3::float8[]) as t (kind, ticket_id, after_s)
on conflict (ticket_id, kind) do update set due_at = excluded.due_at, fired_at = null, cancelled_at = null

-- name: tell
-- The key is the same however often an attempt is made; a transaction that is carried out again writes it once.
insert into outbox (key, topic, ticket_id, addressee, addressee_id, body, exercise, created_at)
select t.key, t.topic, t.ticket_id, t.addressee, t.addressee_id,
    t.body::jsonb || jsonb_build_object('number', k.number, 'severity', k.severity, 'rule_id', k.rule_id), k.exercise, $7
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::int[], $6::text[]) with ordinality
    as t (key, topic, ticket_id, addressee, addressee_id, body, place) join ticket k on k.id = t.ticket_id
order by t.place
on conflict (key) do nothing

-- name: there_since
select came_at from ticket_visit where ticket_id = $1 and left_at is null

-- name: come
insert into ticket_visit (ticket_id, came_at, person) values ($1, $2, $3) on conflict (ticket_id) where left_at is null do nothing

-- name: leave
update ticket_visit set left_at = greatest($2, came_at) where ticket_id = $1 and left_at is null returning id

-- name: was_there
insert into ticket_visit (ticket_id, came_at, left_at, person) values ($1, $2, $3, $4)

-- name: unmended_twin
-- Another ticket of the same fault that is still somebody's work.
select o.number from ticket t join ticket o on o.lift_id = t.lift_id and o.family = t.family and o.id <> t.id and o.open
where t.id = $1 limit 1

-- name: firm_exists
select 1 from firm where id = $1

-- name: lift_of
select l.firm_id, l.exercise from lift l where l.id = $1 and not l.probe

-- name: tell_fault
-- A fault that a person tells of: nothing joins it.
insert into ticket (lift_id, firm_id, told, severity, opened_at, promised_at, exercise, number)
values ($1, $2, $3, $4, $5, $5::timestamptz + make_interval(secs => $6), $7, '') returning id

-- name: touch
update ticket set version = version + 1 where id = $1

-- name: documents
select document from ticket_document d where d.id = any($2::bigint[]) and in_scope(d.firm_id, d.probe, $1) order by d.id desc

-- name: ids
-- One page, newest first, of the firm's tickets (0: of every firm).
select t.id
from ticket t join lift l on l.id = t.lift_id
where in_scope(t.firm_id, l.probe, $1)
    and ($2::boolean is null or t.open = $2) and ($3::text is null or t.state = $3)
    and ($4::boolean is null or (t.open and t.promised_at < $8) = $4)
    and ($5::integer is null or t.lift_id = $5) and ($6::integer is null or t.firm_id = $6)
    and ($7::bigint is null or t.id < $7)
order by t.id desc limit $9

-- name: log
select kind, at, recorded_at, person, role, reason, before, after from ticket_event where ticket_id = $1 order by id

-- name: running_timers
select kind, due_at, fired_at from ticket_timer where ticket_id = $1 and cancelled_at is null order by due_at, id

-- name: photo_count
select count(*) from ticket_photo where ticket_id = $1

-- name: same_photo
select id from ticket_photo where ticket_id = $1 and sha256 = $2

-- name: add_photo
insert into ticket_photo (ticket_id, media_type, width, height, bytes, sha256, content, person, role, at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id

-- name: photo
select p.media_type, p.content, p.sha256
from ticket_photo p join ticket t on t.id = p.ticket_id join lift l on l.id = t.lift_id
where p.ticket_id = $2 and p.id = $3 and in_scope(t.firm_id, l.probe, $1)
