-- Rule sets, their texts and what became of them.

-- name: lock
-- One publication at a time: two would take the same number.
select pg_advisory_xact_lock(hashtext('hoistway rule set'))

-- name: newest
-- The set that counts: the newest that can run.
select max(number) from rule_set where state <> 'refused'

-- name: rule_set
select number, published_at, author, comment, restores, state from rule_set where number = $1

-- name: entries
select r.rule_id, r.version, r.mode, r.own, v.text
from rule_set_rule r join rule_version v using (rule_id, version)
where r.rule_set = $1 order by r.mode, r.position

-- name: add_versions
-- A text is kept once; publishing it does not yet make it live.
insert into rule_version (rule_id, version, text, title_zh, title_en, severity, opens, live)
select t.*, false from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as t
on conflict (rule_id, version) do nothing

-- name: add_set
insert into rule_set (number, author, comment, restores)
select coalesce(max(number), 0) + 1, $1, $2, $3 from rule_set returning number

-- name: add_entries
insert into rule_set_rule (rule_set, mode, position, rule_id, version, own)
select $1, t.mode, t.position, t.rule_id, t.version, t.own
from unnest($2::text[], $3::smallint[], $4::text[], $5::text[], $6::bool[]) as t (mode, position, rule_id, version, own)

-- name: refuse
update rule_set set state = 'refused', reason = $2 where number = $1 and state = 'published'

-- name: replace_live
-- The one live set ends before the next begins: the database holds at most one.
update rule_set set state = 'replaced' where state = 'live' and number <> $1

-- name: go_live
update rule_set set state = 'live', live_at = coalesce(live_at, $2) where number = $1

-- name: live_versions
-- Which texts make alarms from now on.
update rule_version v
set live = s.rule_id is not null, live_from = case when s.rule_id is null or v.live then v.live_from else $2 end
from rule_version o left join rule_set_rule s
    on s.rule_set = $1 and s.mode = 'live' and s.rule_id = o.rule_id and s.version = o.version
where o.rule_id = v.rule_id and o.version = v.version and v.live <> (s.rule_id is not null)

-- name: sets
-- One page of sets, newest first, with how many rules they have.
select s.number, s.published_at, s.author, s.comment, s.restores, s.state, s.live_at, s.reason,
    count(*) filter (where r.mode = 'live') as rules, count(*) filter (where r.mode = 'shadow') as shadow_rules
from rule_set s left join rule_set_rule r on r.rule_set = s.number
where $1::integer is null or s.number < $1
group by s.number order by s.number desc limit $2

-- name: authors
-- Who first published each text of a set, and when.
select distinct on (r.mode, r.rule_id) r.mode, r.rule_id, r.version, s.number, s.author, s.published_at, s.comment
from rule_set_rule r
join rule_set_rule f on f.rule_id = r.rule_id and f.version = r.version
join rule_set s on s.number = f.rule_set
where r.rule_set = $1 order by r.mode, r.rule_id, s.number

-- name: shadow_counts
-- What the rules in shadow of a set said so far.
select r.rule_id, r.version,
    count(*) filter (where t.kind = 'raise') as raises,
    count(*) filter (where t.kind = 'clear') as clears,
    count(distinct t.lift_id) as lifts, max(t.at) filter (where t.kind = 'raise') as last_raised_at
from rule_set_rule r left join shadow_transition t on t.rule_id = r.rule_id and t.version = r.version
where r.rule_set = $1 and r.mode = 'shadow' group by r.rule_id, r.version order by r.rule_id
