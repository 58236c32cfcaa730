-- The register while a dispatcher types.

-- name: words
-- What is asked for: perhaps the beginning of a rescue code, the pairs that whatever is found must hold, and a pattern a word.
with said as (select array_remove(string_to_array(lower(normalize($1, nfkc)), ' '), '') as words)
select case when cardinality(words) = 1 and words[1] ~ '^[0-9]{2,6}$' then words[1] end as code,
    (select array_agg(distinct p) from unnest(words) w, unnest(text_pairs(w)) p) as pairs,
    (select array_agg('%' || regexp_replace(w, '([\\%_])', '\\\1', 'g') || '%') from unnest(words) w) as patterns
from said

-- name: lift_ids
-- Whole code first, then codes that begin so, then whatever holds every word. Candidates put in order are $4 at most, answered $5.
-- The three are values and not part of this statement: only so is the planner sure to take the indexes.
with found as (
    select id, 0 as place from lift where rescue_code = $1
    union all
    (select id, 1 from lift where rescue_code between $1 and $1 || '999999' order by rescue_code limit $5)
    union all
    (select id, 2 from lift
     where text_pairs(lift_text(rescue_code, register_code, estate, building, address, name, district)) @> $2::text[]
         and lift_text(rescue_code, register_code, estate, building, address, name, district) like all ($3::text[])
     limit $4)
)
select f.id from (select id, min(place) as place from found group by id) f join lift l using (id)
where not l.probe
order by f.place, l.estate, length(l.building), l.building, length(l.name), l.name, f.id
limit $5

-- name: lift_documents
select l.id, l.kind, l.rescue_code, l.register_code, l.name, l.estate, l.building, l.address, l.district, l.firm_id,
    f.name as firm_name, f.phone as firm_phone, l.user_unit, l.user_unit_phone, l.exercise,
    exists (
        select 1 from device d where d.lift_id = l.id and d.revoked_at is null
        union all
        select 1 from gateway_lift g join device d on d.id = g.device_id where g.lift_id = l.id and d.revoked_at is null
    ) as terminal,
    (select id from complaint c where c.lift_id = l.id and c.state in ('new', 'received', 'assigned')) as complaint_id
from lift l left join firm f on f.id = l.firm_id
where l.id = any($1::integer[])
order by array_position($1::integer[], l.id)

-- name: running_cases
select id, lift_id, kind, state, level, opened_at, acknowledged_by from rescue_case
where lift_id = any($1::integer[]) and state in ('open', 'dispatched', 'on_site')
order by id

-- name: cases_by_address
-- Few at any time: an index holds them alone.
select id, kind, state, address, district, opened_at from rescue_case
where lift_id is null and state in ('open', 'dispatched', 'on_site')
    and lower(normalize(district || ' ' || address, nfkc)) like all ($1::text[])
order by id desc limit $2
