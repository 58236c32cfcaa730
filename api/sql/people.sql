-- name: firm_by_name
select id from firm where name = $1

-- name: add_person
-- No row when the name is taken.
insert into person (name, role, firm_id, password_hash, firm_admin) values ($1, $2, $3, $4, $5)
on conflict (name) do nothing
returning id

-- name: disable_person
-- One statement: a disabled person has no session and no link that still works.
with gone as (
    update person set disabled_at = clock_timestamp() where name = $1 and disabled_at is null returning id
), sessions as (
    update session set ended_at = clock_timestamp() where person_id in (select id from gone) and ended_at is null
), links as (
    update login_link set used_at = clock_timestamp() where person_id in (select id from gone) and used_at is null
)
select id from gone

-- name: add_login_link
insert into login_link (token_hash, person_id, expires_at)
select $2, id, clock_timestamp() + make_interval(mins => $3) from person where name = $1 and disabled_at is null
returning person_id

-- name: lock_firm
-- Keys of one firm are made one after the other, so that its limit holds.
select id from firm where id = $1 for no key update

-- name: keys_in_use
select count(*) from api_key where firm_id = $1 and revoked_at is null

-- name: add_api_key
-- No row when the firm has a key of that name.
insert into api_key (name, key_hash, role, firm_id, created_by) values ($1, $2, $3, $4, $5)
on conflict do nothing
returning id

-- name: api_keys
-- Of one firm, or (0) of all; the hash stays here.
select k.id, k.name, k.role, f.name as firm, k.created_at, k.created_by, k.last_used_at, k.revoked_at, k.revoked_by
from api_key k left join firm f on f.id = k.firm_id
where $1::integer = 0 or k.firm_id = $1
order by k.revoked_at is not null, k.id desc
limit 500

-- name: keys_of_name
select k.id, f.name as firm from api_key k left join firm f on f.id = k.firm_id
where k.name = $1 and k.revoked_at is null and ($2::text is null or f.name = $2)
order by k.id

-- name: revoke_api_key
update api_key set revoked_at = clock_timestamp(), revoked_by = $3
where id = $2 and ($1::integer = 0 or firm_id = $1) and revoked_at is null
returning id

-- name: lock_name
-- Tries of one name are counted one after the other.
select pg_advisory_xact_lock(hashtextextended('login ' || $1::text, 0))

-- name: login_wait_s
-- Seconds until the oldest try that counts has aged out; no row while fewer than $2 tries lie in the window.
select extract(epoch from min(at) + interval '15 minutes' - clock_timestamp())::float8
from (
    select at from login_failure
    where name = $1 and at > clock_timestamp() - interval '15 minutes'
    order by at desc limit $2
) as recent
having count(*) >= $2

-- name: note_login_try
insert into login_failure (name, at) values ($1, clock_timestamp())

-- name: forget_login_tries
-- The right password wipes the slate.
delete from login_failure where name = $1

-- name: person_to_log_in
select id, password_hash from person where name = $1 and disabled_at is null

-- name: login_link_is_good
select 1
from login_link join person on person.id = login_link.person_id
where token_hash = $1 and used_at is null and expires_at > clock_timestamp() and disabled_at is null

-- name: use_login_link
-- The row lock lets exactly one of two simultaneous uses win.
update login_link set used_at = clock_timestamp()
from person
where person.id = login_link.person_id and person.disabled_at is null
  and token_hash = $1 and used_at is null and expires_at > clock_timestamp()
returning person_id

-- name: open_session
-- Of somebody whose shift runs, or begins within the hour, it ends soon after the shift.
insert into session (token_hash, person_id, csrf, expires_at)
values ($1, $2, $3, least(clock_timestamp() + make_interval(hours => $4), (
    select max(until) + make_interval(mins => $5) from desk_shift
    where person_id = $2 and left_at is null and since <= clock_timestamp() + interval '1 hour' and until > clock_timestamp())))

-- name: end_session
update session set ended_at = clock_timestamp() where token_hash = $1 and ended_at is null

-- name: session
select person.id, person.name, person.role, person.firm_id, person.firm_admin, person.districts, session.csrf,
    session.expires_at
from session join person on person.id = session.person_id
where token_hash = $1 and ended_at is null and expires_at > clock_timestamp() and disabled_at is null

-- name: api_key
-- Remembers the use at most once a minute, so that reading stays reading.
with used as (
    update api_key set last_used_at = clock_timestamp()
    where key_hash = $1 and revoked_at is null
      and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
)
select id, name, role, firm_id from api_key where key_hash = $1 and revoked_at is null

-- name: still_good
-- Which readers of the live stream may go on.
select session.token_hash as hash
from session join person on person.id = session.person_id
where token_hash = any($1::bytea[]) and ended_at is null and expires_at > clock_timestamp() and disabled_at is null
union all
select key_hash from api_key where key_hash = any($1::bytea[]) and revoked_at is null

-- name: forget_tries
delete from login_failure where at < clock_timestamp() - interval '1 day'

-- name: forget_links
delete from login_link where expires_at < clock_timestamp() - interval '30 days'

-- name: forget_steps
delete from login_step where expires_at < clock_timestamp()

-- name: forget_sessions
delete from session where expires_at < clock_timestamp() - interval '30 days'

-- name: forget_answers
delete from idempotency where created_at < clock_timestamp() - interval '24 hours'

-- name: lock_answer
-- Two POSTs with one key run one after the other.
select pg_advisory_xact_lock(hashtextextended($1::text || ' ' || $2::text, 1))

-- name: remembered_answer
select request_hash, status, body from idempotency
where principal = $1 and key = $2 and created_at > clock_timestamp() - interval '24 hours'

-- name: remember_answer
insert into idempotency (principal, key, request_hash, status, body) values ($1, $2, $3, $4, $5)
on conflict (principal, key) do update
set request_hash = excluded.request_hash, status = excluded.status, body = excluded.body, created_at = clock_timestamp()
