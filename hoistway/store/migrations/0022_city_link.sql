-- The city link: what a city's or province's platform is told, step by step, and the daily comparison of both lists.

create table city_link (
    form text primary key check (form ~ '^[a-z][a-z0-9-]{0,39}$'),
    address text not null check (address ~ '^https?://\S+$'),
    supplier text not null check (supplier ~ '^[A-Za-z0-9]{1,20}$'),
    token_address text check (token_address ~ '^https?://\S+$'),
    client text check (client ~ '\S'),
    steps text[] not null check (cardinality(steps) > 0),
    since timestamptz not null,
    ended_at timestamptz,
    rests_until timestamptz,
    failures integer not null default 0 check (failures >= 0),
    trouble text,
    trouble_since timestamptz,
    check ((token_address is null) = (client is null)),
    check ((trouble is null) = (trouble_since is null))
);
comment on table city_link is 'a platform that is told of cases and alarms, in one form; no row or ended_at: nothing is noted for it';
comment on column city_link.supplier is 'our code at the platform: the first part of every id';
comment on column city_link.token_address is 'where a token is fetched (OAuth 2.0, client credentials); the secret is in a file';
comment on column city_link.steps is 'the steps that the form can tell';
comment on column city_link.rests_until is 'the platform did not answer: nothing is tried before';

create table city_record (
    id bigint generated always as identity primary key,
    form text not null references city_link (form),
    lift_id integer not null references lift (id),
    case_id bigint references rescue_case (id),
    alarm_id bigint references alarm (id),
    turn integer not null default 0 check (turn >= 0),
    step text not null check (step in ('occurred', 'responded', 'arrived', 'done', 'false')),
    at timestamptz not null,
    exercise boolean not null check (not exercise),
    state text not null default 'waiting' check (state in ('waiting', 'accepted', 'refused', 'incomplete', 'left-out')),
    body text check (body <> ''),
    tries integer not null default 0 check (tries >= 0),
    tried_at timestamptz,
    retry_at timestamptz,
    settled_at timestamptz,
    reason text,
    created_at timestamptz not null default clock_timestamp(),
    check (num_nonnulls(case_id, alarm_id) = 1),
    check ((state = 'waiting') = (settled_at is null)),
    check (state not in ('refused', 'incomplete', 'left-out') or reason is not null),
    unique nulls not distinct (form, case_id, alarm_id, turn, step)
);
comment on table city_record is 'one step of a case or alarm that a platform is told; written in the transaction of what it tells';
comment on column city_record.turn is 'an alarm that comes again on its row is told again';
comment on column city_record.at is 'when the step happened';
comment on column city_record.exercise is 'an exercise never leaves';
comment on column city_record.body is 'JSON as it was sent first; sent again to the byte until somebody asks for a new one';
comment on column city_record.reason is 'refused: the platform''s words; incomplete: what is missing; left-out: why it is not told';
create index city_record_waiting on city_record (form, lift_id, id) where state = 'waiting';
create index city_record_open on city_record (form, id) where state in ('refused', 'incomplete');
create index city_record_at on city_record (form, at) where step = 'occurred';
create index city_record_case on city_record (case_id);
create index city_record_alarm on city_record (alarm_id);
create index city_record_settled on city_record (settled_at);

create table city_answer (
    id bigint generated always as identity primary key,
    record_id bigint not null references city_record (id) on delete cascade,
    at timestamptz not null,
    kind text not null check (kind in ('accepted', 'refused', 'incomplete', 'again')),
    status smallint,
    text text not null default '',
    person text,
    check ((kind = 'again') = (person is not null))
);
comment on table city_answer is 'what the platform said of a record, and who asked to send it again; a line is never changed, and goes with its record';
create index on city_answer (record_id, id);

create trigger city_answer_never_changed before update on city_answer for each row execute function refuse_rewrite();

create function city_tell_case(c rescue_case) returns void language sql as $$
    insert into city_record (form, lift_id, case_id, step, at, exercise)
    select l.form, c.lift_id, c.id, s.step, s.at, c.exercise
    from city_link l
    cross join lateral (values
        (1, 'occurred', coalesce((select raised_at from alarm where id = c.alarm_id and c.channel = 'S04'), c.opened_at)),
        (2, 'responded', c.accepted_at),
        (3, 'arrived', c.arrived_at),
        (4, case when c.state = 'cancelled' or c.release_method = 'nobody-inside' then 'false' else 'done' end,
            case when c.state in ('released', 'closed', 'cancelled') then coalesce(c.released_at, c.closed_at) end)
    ) as s (place, step, at)
    where l.ended_at is null and s.step = any(l.steps) and s.at is not null
        and not (s.place = 4 and exists (
            select 1 from city_record o where o.form = l.form and o.case_id = c.id and o.step in ('done', 'false')))
    order by l.form, s.place
    on conflict do nothing
$$;
comment on function city_tell_case is 'notes every step of an entrapment that is not noted yet; the caller has seen that it is no exercise';

create function city_case() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select 1 from city_link where ended_at is null) then
        perform city_tell_case(new);
    end if;
    return null;
end $$;
comment on function city_case is 'with the owner''s rights: whoever may move a case need not be able to write what is told';
create trigger case_told_to_city_new after insert on rescue_case for each row
    when (new.kind = 'entrapment' and not new.exercise and new.lift_id is not null)
    execute function city_case();
create trigger case_told_to_city after update on rescue_case for each row
    when (new.kind = 'entrapment' and not new.exercise and new.lift_id is not null
        and (new.kind, new.state, new.lift_id, new.accepted_at is null, new.arrived_at is null)
            is distinct from (old.kind, old.state, old.lift_id, old.accepted_at is null, old.arrived_at is null))
    execute function city_case();

create function city_stands(a alarm) returns boolean language sql immutable as $$
    select (a.condition = 'active' or a.chattering) and a.opens = 'ticket' and a.severity <> 'notice'
$$;
comment on function city_stands is 'a fault that a platform may be told of; while an alarm chatters its coming and going is not told';

create function city_tell_alarm(a alarm, fresh boolean, over boolean, wrong boolean, one_form text default null) returns void language sql as $$
    insert into city_record (form, lift_id, alarm_id, turn, step, at, exercise)
    select l.form, a.lift_id, a.id, t.turn, s.step, coalesce(s.at, clock_timestamp()), a.exercise
    from city_link l
    cross join lateral (
        select coalesce(max(o.turn), -1) + (fresh or max(o.turn) is null)::integer as turn
        from city_record o where o.form = l.form and o.alarm_id = a.id
    ) t
    cross join lateral (values
        (1, 'occurred', coalesce(a.raises[cardinality(a.raises)], a.raised_at), fresh),
        (2, 'done', a.cleared_at, over and not wrong),
        (3, 'false', a.cleared_at, wrong)
    ) as s (place, step, at, so)
    where l.ended_at is null and l.form = coalesce(one_form, l.form) and s.step = any(l.steps) and s.so
        and (fresh or exists (select 1 from city_record o where o.form = l.form and o.alarm_id = a.id))
    order by l.form, s.place
    on conflict do nothing
$$;
comment on function city_tell_alarm is 'fresh: it stands now and did not before; over: it stands no more; wrong: late data contradicts it; one_form: for one link';

create function city_alarm() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    stands boolean;
    stood boolean;
begin
    if not exists (select 1 from city_link where ended_at is null) then
        return null;
    end if;
    stands := city_stands(new);
    if tg_op = 'INSERT' then
        perform city_tell_alarm(new, true, not stands, false);
        return null;
    end if;
    stood := city_stands(old);
    if stands <> stood or new.correction = 'contradicted' and old.correction is distinct from 'contradicted' then
        perform city_tell_alarm(new, stands and not stood, stood and not stands, coalesce(new.correction = 'contradicted', false));
    end if;
    return null;
end $$;
create trigger alarm_told_to_city_new after insert on alarm for each row
    when (new.opens = 'ticket' and new.severity <> 'notice' and not new.exercise) execute function city_alarm();
create trigger alarm_told_to_city after update on alarm for each row
    when ('ticket' in (new.opens, old.opens) and not new.exercise
        and (new.condition, new.chattering, new.opens, new.severity, new.correction)
            is distinct from (old.condition, old.chattering, old.opens, old.severity, old.correction))
    execute function city_alarm();

create table city_reconciliation (
    id bigint generated always as identity primary key,
    form text not null references city_link (form),
    day date not null,
    made_at timestamptz not null,
    person text,
    source text not null,
    ours integer not null check (ours >= 0),
    theirs integer not null check (theirs >= 0),
    agreed integer not null check (agreed >= 0),
    differences integer not null check (differences >= 0),
    outside integer not null default 0 check (outside >= 0)
);
comment on table city_reconciliation is 'our list of a day compared with the platform''s';
comment on column city_reconciliation.source is 'the name of their file';
comment on column city_reconciliation.outside is 'lines of their file that are of another day';
create index on city_reconciliation (form, day, id);

create table city_difference (
    reconciliation_id bigint not null references city_reconciliation (id),
    place integer not null,
    reasons text[] not null
        check (cardinality(reasons) > 0 and reasons <@ array['only-ours', 'only-theirs', 'time-differs', 'kind-differs', 'duplicate']),
    lift text not null,
    our_id text,
    our_at timestamptz,
    our_code text,
    our_state text,
    their_id text,
    their_at timestamptz,
    their_code text,
    primary key (reconciliation_id, place),
    check (our_at is not null or their_at is not null)
);
comment on table city_difference is 'one difference of a reconciliation; beyond the limit they are counted only';
comment on column city_difference.lift is 'registration code as the lists have it';
comment on column city_difference.our_state is 'what became of our record: the reason why they may not have it';
