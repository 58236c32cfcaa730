-- The rules that are live, and what they were.

-- name: live_rules
-- With who published the text first.
select v.rule_id, v.version, v.title_zh, v.title_en, v.severity, v.opens, v.live, v.live_from, p.author, p.number, p.comment,
    p.published_at
from rule_version v
left join lateral (
    select s.author, s.number, s.comment, s.published_at
    from rule_set_rule f join rule_set s on s.number = f.rule_set
    where f.rule_id = v.rule_id and f.version = v.version order by s.number limit 1
) p on true
where v.live order by v.rule_id

-- name: rule_versions
-- Newest first.
select v.rule_id, v.version, v.title_zh, v.title_en, v.severity, v.opens, v.live, v.live_from, v.text, p.author, p.number,
    p.comment, p.published_at
from rule_version v
left join lateral (
    select s.author, s.number, s.comment, s.published_at
    from rule_set_rule f join rule_set s on s.number = f.rule_set
    where f.rule_id = v.rule_id and f.version = v.version order by s.number limit 1
) p on true
where v.rule_id = $1
order by v.live desc, p.number desc nulls last, v.live_from desc
