-- Overload, as the desk and the api may know it.

-- name: overload_ends
-- Whatever another process left open, and this one's that is over.
update overload set ended_at = last_at where partition = $1 and ended_at is null and began_at is distinct from $2

-- name: overload_is
-- An overload began or goes on.
insert into overload (partition, began_at, last_at, coalesced) values ($1, $2, $3, $4)
on conflict (partition, began_at) do update set last_at = excluded.last_at, coalesced = excluded.coalesced

-- name: overload_trim
delete from overload where partition = $1 and began_at < (
    select began_at from overload where partition = $1 order by began_at desc offset $2 limit 1
)
