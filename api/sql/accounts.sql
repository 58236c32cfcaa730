-- Accounts: who there is and how they prove who they are.

-- name: begin_factor
-- Nothing while one is in force.
update person set totp_secret = $2, totp_since = null, totp_step = 0 where id = $1 and totp_since is null returning id

-- name: pending_factor
select totp_secret from person where id = $1 and totp_since is null

-- name: factor_for_update
-- Locked, so that of two uses of one code at the same time the second sees what the first has spent.
select totp_secret, totp_since, totp_step, extract(epoch from clock_timestamp())::float8 as now_s
from person where id = $1 for update

-- name: turn_factor_on
update person set totp_since = clock_timestamp(), totp_step = $2, version = version + 1 where id = $1

-- name: turn_factor_off
update person set totp_secret = null, totp_since = null, totp_step = 0, version = version + 1 where id = $1

-- name: note_step
update person set totp_step = $2 where id = $1

-- name: drop_recovery_codes
delete from recovery_code where person_id = $1

-- name: add_recovery_codes
insert into recovery_code (person_id, code_hash) select $1, code from unnest($2::bytea[]) as t (code)

-- name: spend_recovery_code
update recovery_code set used_at = clock_timestamp() where person_id = $1 and code_hash = $2 and used_at is null returning 1

-- name: recovery_codes_left
select count(*) from recovery_code where person_id = $1 and used_at is null

-- name: has_factor
select totp_since is not null from person where id = $1

-- name: add_login_step
insert into login_step (token_hash, person_id, expires_at) values ($1, $2, clock_timestamp() + make_interval(mins => $3))

-- name: login_step
select s.person_id, p.name from login_step s join person p on p.id = s.person_id
where token_hash = $1 and expires_at > clock_timestamp() and p.disabled_at is null

-- name: end_login_step
delete from login_step where token_hash = $1 or expires_at < clock_timestamp()

-- name: people
-- By name, after $1; one ($2) or all.
select p.id, p.name, p.role, p.firm_id, f.name as firm_name, p.districts, p.created_at, p.disabled_at, p.version,
    p.password_hash is not null as has_password, p.totp_since is not null as second_factor,
    (select max(s.created_at) from session s where s.person_id = p.id) as last_login_at
from person p left join firm f on f.id = p.firm_id
where p.id > $1 and ($2::integer is null or p.id = $2)
order by p.id limit $3

-- name: lock_person
select id from person where id = $1 for update

-- name: lock_admins
-- Two who take the last two admins' rights at the same time wait for each other.
select id from person where role = 'admin' and disabled_at is null order by id for update

-- name: change_person
update person set role = $2, firm_id = $3, districts = $4, version = version + 1 where id = $1

-- name: set_disabled
update person set disabled_at = case when $2 then clock_timestamp() end, version = version + 1 where id = $1

-- name: set_password
update person set password_hash = $2, version = version + 1 where id = $1

-- name: password_hash
select password_hash from person where id = $1

-- name: end_sessions
-- All of a person's but one ($2; null: all), and the links and half logins with them.
with sessions as (
    update session set ended_at = clock_timestamp() where person_id = $1 and ended_at is null and token_hash is distinct from $2
), steps as (
    delete from login_step where person_id = $1
)
update login_link set used_at = clock_timestamp() where person_id = $1 and used_at is null

-- name: note_act
insert into person_act (by_name, person_id, kind, before, after) values ($1, $2, $3, $4, $5)

-- name: acts
select at, by_name, kind, before, after from person_act where person_id = $1 order by id desc limit 200

-- name: known_firm
select 1 from firm where id = $1

-- name: known_districts
select distinct district from lift where district = any($1::text[])

-- name: districts
select distinct district from lift where district <> '' and not probe order by 1

-- name: firms
select id, name from firm order by name
