-- Alarms, rescue cases, their histories and timers, and the feed that consoles follow.

create table rule_version (
    rule_id text not null,
    version text not null,
    text text not null,
    title_zh text not null,
    title_en text not null,
    severity text not null,
    opens text not null,
    live_from timestamptz not null default now(),
    live boolean not null default true,
    primary key (rule_id, version)
);
comment on table rule_version is 'every rule text that was ever live; version = first 12 hex digits of its SHA-256';

create table alarm (
    id bigint generated always as identity primary key,
    lift_id integer not null references lift (id),
    rule_id text not null,
    rule_version text not null,
    severity text not null check (severity in ('critical', 'major', 'minor', 'notice')),
    opens text not null check (opens in ('rescue', 'alarm-call', 'ticket', 'notice')),
    condition text not null check (condition in ('active', 'cleared')),
    operator_state text not null default 'unacknowledged'
        check (operator_state in ('unacknowledged', 'acknowledged', 'shelved')),
    hold_start timestamptz not null,
    raised_at timestamptz not null,
    detected_at timestamptz not null,
    cleared_at timestamptz,
    repeats integer not null default 0,
    acknowledged_at timestamptz,
    acknowledged_by text,
    evidence jsonb not null default '{}',
    exercise boolean not null,
    version integer not null default 1,
    open boolean generated always as (condition = 'active' or operator_state <> 'acknowledged') stored,
    committed_at timestamptz not null default clock_timestamp()
);
comment on table alarm is 'condition = what the lift is; operator_state = what the desk has done about it';
comment on column alarm.raised_at is 'corrected device time at which the hold was complete';
comment on column alarm.detected_at is 'server clock of the batch or tick that found it';
create unique index alarm_one_open on alarm (lift_id, rule_id) where open;
create index on alarm (lift_id, raised_at);
create index on alarm (id) where open;

create table alarm_event (
    id bigint generated always as identity primary key,
    alarm_id bigint not null references alarm (id),
    kind text not null check (kind in ('raised', 'repeated', 'promoted', 'cleared', 'acknowledged', 'commented')),
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    person text,
    role text,
    detail jsonb not null default '{}'
);
comment on table alarm_event is 'history of an alarm; never updated, never deleted';
create index on alarm_event (alarm_id, id);

create table rescue_case (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('entrapment', 'alarm-call')),
    channel text not null check (channel in ('S01', 'S02', 'S03', 'S04', 'S05')),
    lift_id integer not null references lift (id),
    state text not null default 'open'
        check (state in ('open', 'dispatched', 'on_site', 'released', 'closed', 'cancelled')),
    level smallint not null default 1 check (level between 1 and 3),
    alarm_id bigint references alarm (id),
    opened_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    dispatched_at timestamptz,
    arrived_at timestamptz,
    released_at timestamptz,
    closed_at timestamptz,
    trapped integer check (trapped >= 0),
    confirmed_by text,
    confirmation text,
    device_says_clear_at timestamptz,
    contact_lost_at timestamptz,
    exercise boolean not null,
    version integer not null default 1,
    open boolean generated always as (state not in ('closed', 'cancelled')) stored,
    committed_at timestamptz not null default clock_timestamp(),
    check (state not in ('released', 'closed', 'cancelled') or (confirmed_by is not null and confirmation is not null))
);
comment on table rescue_case is 'the emergency; ends only by a named person, never by silence, a device, a timer or late data';
create unique index rescue_case_one_running on rescue_case (lift_id, kind)
    where state in ('open', 'dispatched', 'on_site');
comment on index rescue_case_one_running is 'whoever is trapped after a release is a case of their own';
create index on rescue_case (lift_id, opened_at);

create table case_event (
    id bigint generated always as identity primary key,
    case_id bigint not null references rescue_case (id),
    kind text not null,
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    person text,
    role text,
    reason text,
    before jsonb not null default '{}',
    after jsonb not null default '{}'
);
comment on table case_event is 'append-only log of a case: person, role, time, reason, before and after';
create index on case_event (case_id, id);

create table timer (
    id bigint generated always as identity primary key,
    kind text not null,
    case_id bigint not null references rescue_case (id),
    due_at timestamptz not null,
    fired_at timestamptz,
    cancelled_at timestamptz,
    unique (kind, case_id)
);
comment on table timer is 'a step that must not be forgotten; commits with the state it guards';
create index timer_due on timer (due_at) where fired_at is null and cancelled_at is null;

create table change (
    id bigint generated always as identity,
    xid xid8 not null default pg_current_xact_id(),
    kind text not null check (kind in ('alarm', 'case', 'quarantine')),
    object_id bigint not null,
    lift_id integer,
    at timestamptz not null default clock_timestamp(),
    primary key (xid, id)
);
comment on table change is 'the feed of the consoles: ids only, read below the snapshot''s oldest transaction in (xid, id) order';
create index on change (at);

create function note_change() returns trigger language plpgsql as $$
begin
    insert into change (kind, object_id, lift_id) values (tg_argv[0], new.id, new.lift_id);
    return null;
end $$;
create trigger alarm_change after insert or update on alarm for each row execute function note_change('alarm');
create trigger case_change after insert or update on rescue_case for each row execute function note_change('case');

create function note_owner_change() returns trigger language plpgsql as $$
begin
    insert into change (kind, object_id, lift_id) select 'alarm', id, lift_id from alarm where lift_id = new.id and open;
    insert into change (kind, object_id, lift_id) select 'case', id, lift_id from rescue_case where lift_id = new.id and open;
    return null;
end $$;
create trigger lift_owner_change after update of firm_id on lift for each row
    when (old.firm_id is distinct from new.firm_id) execute function note_owner_change();
comment on function note_owner_change is 'the new firm''s readers, also those that are away, hear of what is open on the lift';

create function refuse_rewrite() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'integrity_constraint_violation';
end $$;
create trigger alarm_event_append_only before update or delete on alarm_event
    for each row execute function refuse_rewrite();
create trigger case_event_append_only before update or delete on case_event
    for each row execute function refuse_rewrite();
