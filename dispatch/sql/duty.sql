-- Who may act. Expiry is by the database's clock.

-- name: take
-- Only when nobody holds it or its time is over; the epoch rises, so that who held it before can no longer write.
insert into duty (name, epoch, holder, expires_at)
values ($1, 1, $2, clock_timestamp() + make_interval(secs => $3))
on conflict (name) do update
set epoch = duty.epoch + 1, holder = excluded.holder, expires_at = excluded.expires_at
where duty.expires_at <= clock_timestamp()
returning epoch

-- name: renew
update duty set expires_at = clock_timestamp() + make_interval(secs => $3) where name = $1 and epoch = $2 returning epoch

-- name: hold
-- First statement of every transaction of the duty. A process that stands still in the middle loses its transaction soon.
select set_config('idle_in_transaction_session_timeout', '2s', true) from (
    select 1 from duty where name = $1 and epoch = $2 for share
) as held

-- name: give_up
update duty set expires_at = clock_timestamp() where name = $1 and epoch = $2
