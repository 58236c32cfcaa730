-- What late data changes on alarms. A correction never ends a case.

-- name: late
-- An alarm that nobody had seen. Where a row of this lift and rule is still open, it is one more repeat of it, in its place by time.
insert into alarm as a (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at, detected_at, cleared_at,
    evidence, exercise, raises, witnesses, correction)
select t.lift_id, t.rule_id, t.rule_version, t.severity, t.opens, case when t.cleared_at is null then 'active' else 'cleared' end,
    t.hold_start, t.raised_at, $10, t.cleared_at, t.evidence::jsonb, l.exercise, array[t.raised_at], seen('{}', t.seen_by), 'late'
from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
    $9::text[], $11::text[])
    as t (lift_id, rule_id, rule_version, severity, opens, hold_start, raised_at, cleared_at, evidence, seen_by)
join lift l on l.id = t.lift_id
on conflict (lift_id, rule_id) where open do update
set repeats = a.repeats + 1, correction = 'late', version = a.version + 1,
    raised_at = least(a.raised_at, excluded.raised_at), witnesses = excluded.witnesses || a.witnesses,
    hold_start = case when excluded.raised_at < a.raised_at then excluded.hold_start else a.hold_start end,
    raises = in_time(a.raises || excluded.raised_at),
    condition = case when 'active' in (a.condition, excluded.condition) then 'active' else 'cleared' end,
    cleared_at = case when 'active' in (a.condition, excluded.condition) then null else greatest(a.cleared_at, excluded.cleared_at) end
returning id, lift_id, rule_id, opens, raised_at, repeats, exercise

-- name: contradicted
-- With the late data in its place it had not been an alarm. Cleared where it still was active; the desk goes on being asked.
-- A row that stands for other raises too is only amended.
update alarm a set version = a.version + 1, repeats = greatest(0, a.repeats - 1),
    correction = case when a.repeats > 0 then 'amended' else 'contradicted' end,
    raises = case when a.repeats > 0 then array_remove(a.raises, t.raised_at) else a.raises end,
    raised_at = case when a.repeats > 0 and a.raised_at = t.raised_at then m.next_at else a.raised_at end,
    hold_start = case when a.repeats > 0 and a.raised_at = t.raised_at then m.next_at else a.hold_start end,
    condition = case when m.newest then 'cleared' else a.condition end,
    cleared_at = case when m.newest then coalesce(a.cleared_at, $4) else a.cleared_at end
from unnest($1::int[], $2::text[], $3::timestamptz[]) as t (lift_id, rule_id, raised_at)
join lateral (
    select id, t.raised_at is null or raises[cardinality(raises)] = t.raised_at as newest,
        coalesce((select min(r) from unnest(raises) r where r > t.raised_at), raised_at) as next_at
    from alarm
    where lift_id = t.lift_id and rule_id = t.rule_id
        and (t.raised_at is null or (raised_at <= t.raised_at and (t.raised_at = any(raises) or repeats > 2)))
    order by raised_at desc, id desc limit 1
) m on true
where a.id = m.id
returning a.id, a.lift_id, a.opens

-- name: amended
-- Other times, more severe, over, or active again. Of an earlier raise of the row only its times.
update alarm a set correction = 'amended', version = a.version + 1, witnesses = seen(a.witnesses, t.seen_by),
    raised_at = case when a.raised_at = t.before_at then t.raised_at else a.raised_at end,
    hold_start = case when a.raised_at = t.before_at then t.hold_start else a.hold_start end,
    condition = case when not m.newest then a.condition when t.cleared_at is null then 'active' else 'cleared' end,
    cleared_at = case when m.newest then t.cleared_at else a.cleared_at end,
    severity = case when m.newest then t.severity else a.severity end, opens = case when m.newest then t.opens else a.opens end,
    raises = in_time(array_replace(a.raises, t.before_at, coalesce(t.raised_at, t.before_at)))
from unnest($1::int[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::text[])
    as t (lift_id, rule_id, before_at, severity, opens, hold_start, raised_at, cleared_at, seen_by)
join lateral (
    select id, t.before_at is null or raises[cardinality(raises)] = t.before_at as newest from alarm
    where lift_id = t.lift_id and rule_id = t.rule_id
        and (t.before_at is null or (raised_at <= t.before_at and (t.before_at = any(raises) or repeats > 2)))
    order by raised_at desc, id desc limit 1
) m on true
where a.id = m.id
    and (a.open or t.cleared_at is not null
        or not exists (select 1 from alarm o where o.open and o.lift_id = a.lift_id and o.rule_id = a.rule_id))
returning a.id, a.lift_id, a.rule_id, a.opens, a.raised_at, a.repeats, a.exercise, old.condition as condition_was, a.condition

-- name: open_past_cases
-- An entrapment that was over when it became known: verify by voice. A lift with a running case has somebody looking at it already.
insert into rescue_case (kind, channel, lift_id, alarm_id, opened_at, exercise, reported_by_device, past)
select 'entrapment', 'S04', t.lift_id, t.alarm_id, $3, t.exercise, t.by_device, true
from unnest($1::int[], $2::bigint[], $4::bool[], $5::bool[]) as t (lift_id, alarm_id, exercise, by_device)
on conflict (lift_id, kind) where state in ('open', 'dispatched', 'on_site') do nothing
returning id, lift_id, alarm_id

-- name: contradicted_cases
select id from rescue_case where state in ('open', 'dispatched', 'on_site') and lift_id = any($1::int[])

-- name: note_backfill
-- Records older than what memory can fold again: the job from the store looks at their lift.
insert into backfill (lift_id, first_at, last_at, first_batch, noted_at)
select t.lift_id, t.first_at, t.last_at, $5, $4 from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) as t (lift_id, first_at, last_at)
on conflict (lift_id) do update
set first_at = least(backfill.first_at, excluded.first_at), last_at = greatest(backfill.last_at, excluded.last_at),
    noted_at = excluded.noted_at

-- name: due_backfills
-- Lifts that nothing old has come from for a while: their backlog is in.
select lift_id, first_at, last_at, first_batch, noted_at, looked_from, looked_batch from backfill where noted_at <= $1 order by noted_at limit $2

-- name: unfolded
-- Late records that a replay could not fold, noted since a stretch was.
select batch_no, state from ingest_batch where kind = 'backfill' and state is not null and partition = $1 and batch_no >= $2

-- name: backfill_done
-- What came since stays for the next turn.
delete from backfill where lift_id = $1 and noted_at <= $2

-- name: backfill_goes_on
-- A stretch of it was looked at. The rest waits for its turn, behind the other lifts.
update backfill set last_at = $3, looked_from = $4, looked_batch = $5, noted_at = $6 where lift_id = $1 and noted_at <= $2

-- name: events_of_lift
select batch_no, received, at, ts, seq, boot, incarnation, device_id, lift_id, folded, at_once, code, active
from event where lift_id = $1 and at >= $2 and at <= $3 and folded > 0
