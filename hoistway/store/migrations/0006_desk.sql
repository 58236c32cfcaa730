-- The operator's side of alarms after ISA-18.2: shelving, out of service, chattering, floods, area incidents.

alter table lift add column feeder text not null default '';
comment on column lift.feeder is 'the power feeder that the lift hangs on; empty: not known';

alter table alarm
    add column shelved_until timestamptz,
    add column shelved_by text,
    add column shelve_reason text,
    add column chattering boolean not null default false,
    add column raises timestamptz[] not null default '{}',
    add column witnesses text[] not null default '{}' check (witnesses <@ array['rule', 'device']),
    add column correction text check (correction in ('late', 'amended', 'contradicted')),
    add constraint alarm_shelved_by_a_person check (
        (operator_state = 'shelved') = (shelved_until is not null)
        and (shelved_until is null) = (shelved_by is null)
        and (shelved_until is null) = (shelve_reason is null)),
    add constraint alarm_of_a_person_is_never_shelved
        check (operator_state <> 'shelved' or opens not in ('rescue', 'alarm-call'));
comment on column alarm.raises is 'the newest three raises of this lift and rule, oldest first, carried over from row to row';
comment on column alarm.witnesses is 'who saw it: the rule, the device itself';
comment on column alarm.correction is 'what later data said: it came late, it was amended, it was contradicted';
create index alarm_of_rule on alarm (lift_id, rule_id, id);
create index alarm_detected on alarm (detected_at);
create index alarm_shelved on alarm (shelved_until) where operator_state = 'shelved';
create index alarm_chattering on alarm (id) where chattering;

alter table alarm_event drop constraint alarm_event_kind_check;
alter table alarm_event add constraint alarm_event_kind_check check (kind in (
    'raised', 'repeated', 'promoted', 'cleared', 'acknowledged', 'commented', 'shelved', 'unshelved', 'chattering',
    'escalated', 'late', 'amended', 'contradicted', 'witness', 'out-of-service', 'in-service'));

create function more_severe(severity text, opens text, before_severity text, before_opens text) returns boolean
language sql immutable as $$
    select array_position(array['notice', 'minor', 'major', 'critical'], severity)
            > array_position(array['notice', 'minor', 'major', 'critical'], before_severity)
        or opens in ('rescue', 'alarm-call') and before_opens not in ('rescue', 'alarm-call')
$$;

create function ask_again() returns trigger language plpgsql as $$
begin
    new.operator_state := 'unacknowledged';
    new.acknowledged_at := null;
    new.acknowledged_by := null;
    new.shelved_until := null;
    new.shelved_by := null;
    new.shelve_reason := null;
    return new;
end $$;
comment on function ask_again is 'ISA-18.2: what grew more severe asks the desk again, acknowledged or shelved, whoever wrote it';
create trigger alarm_asks_again before update of severity, opens on alarm for each row
    when (old.operator_state <> 'unacknowledged'
        and more_severe(new.severity, new.opens, old.severity, old.opens))
    execute function ask_again();

create function may_hold_person(rule text) returns boolean language sql stable as $$
    select exists (select 1 from rule_version where rule_id = rule and opens in ('rescue', 'alarm-call'))
$$;
comment on function may_hold_person is 'whether any version of the rule opens a rescue or an alarm call';

create table out_of_service (
    id bigint generated always as identity primary key,
    lift_id integer not null references lift (id),
    rule_id text not null,
    reason text not null check (reason ~ '\S'),
    since timestamptz not null,
    until timestamptz check (until > since),
    person text not null,
    ended_at timestamptz check (ended_at >= since),
    ended_by text,
    end_reason text,
    check (ended_by is null or ended_at is not null)
);
comment on table out_of_service is 'a person takes a rule of a lift out of service: its alarms are recorded and shown apart';
comment on column out_of_service.ended_by is 'null with ended_at: the time was over';
create unique index out_of_service_once on out_of_service (lift_id, rule_id) where ended_at is null;
create index on out_of_service (lift_id, rule_id, since);

create function refuse_person_rule() returns trigger language plpgsql as $$
begin
    if may_hold_person(new.rule_id) then
        raise exception 'rule % may stand for a trapped person', new.rule_id using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger out_of_service_no_person before insert or update of rule_id on out_of_service
    for each row execute function refuse_person_rule();

create view annunciation as
select a.id, a.lift_id, a.rule_id, a.severity, a.exercise, a.detected_at as at
from alarm a
where a.severity <> 'notice'
    and not exists (
        select 1 from out_of_service o
        where o.lift_id = a.lift_id and o.rule_id = a.rule_id and o.since <= a.detected_at
            and coalesce(o.ended_at, 'infinity') > a.detected_at and a.opens not in ('rescue', 'alarm-call'));
comment on view annunciation is 'what asked the desk: alarms that are no notices, of rules in service; repeats of a row count once';

create table alarm_flood (
    id bigint generated always as identity primary key,
    exercise boolean not null,
    positions smallint not null check (positions > 0),
    began_at timestamptz not null,
    ended_at timestamptz check (ended_at >= began_at),
    peak integer not null check (peak >= 0),
    version integer not null default 1
);
comment on table alarm_flood is 'ISA-18.2: more alarms than an operator can handle';
comment on column alarm_flood.peak is 'most alarms within 10 min, all positions together';
create unique index alarm_flood_one on alarm_flood (exercise) where ended_at is null;

create table area_incident (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('building', 'estate', 'feeder', 'district')),
    name text not null check (name <> ''),
    cause text not null check (cause in ('power-lost', 'offline', 'entrapment', 'mixed')),
    opened_at timestamptz not null,
    last_joined_at timestamptz not null,
    ended_at timestamptz,
    active_lifts integer not null default 0,
    exercise boolean not null,
    version integer not null default 1
);
comment on table area_incident is 'many power-lost, offline or entrapment alarms of one area within a short time';
comment on column area_incident.active_lifts is 'lifts of it with an active alarm, as of the last round of dispatch';
create unique index area_incident_one_open on area_incident (kind, name, exercise) where ended_at is null;
create index on area_incident (opened_at);

create table area_incident_lift (
    incident_id bigint not null references area_incident (id),
    alarm_id bigint not null references alarm (id),
    lift_id integer not null references lift (id),
    rule_id text not null,
    joined_at timestamptz not null,
    primary key (incident_id, alarm_id)
);
comment on table area_incident_lift is 'the alarms of an area incident, by lift; one that joined stays listed';
create index on area_incident_lift (alarm_id);

alter table change drop constraint change_kind_check;
alter table change add constraint change_kind_check check (kind in ('alarm', 'case', 'quarantine', 'incident', 'flood'));
create function note_city_change() returns trigger language plpgsql as $$
begin
    insert into change (kind, object_id) values (tg_argv[0], new.id);
    return null;
end $$;
create trigger incident_change after insert or update on area_incident
    for each row execute function note_city_change('incident');
create trigger flood_change after insert or update on alarm_flood
    for each row execute function note_city_change('flood');

create function desk_positions() returns integer language sql stable as $$
    select coalesce((
        select case jsonb_typeof(value) when 'number' then greatest(1, least(1000, (value #>> '{}')::numeric))::integer end
        from setting where name = 'desk_positions'), 1)
$$;
comment on function desk_positions is 'how many operator positions share the alarms; 1 when the setting cannot be used';

insert into setting (name, value) values
    ('desk_positions', '1'),
    ('area_building', '{"lifts": 5, "within_s": 120, "source": "hoistway"}'),
    ('area_estate', '{"lifts": 5, "within_s": 120, "source": "hoistway"}'),
    ('area_feeder', '{"lifts": 5, "within_s": 120, "source": "hoistway"}'),
    ('area_district', '{"lifts": 20, "within_s": 120, "source": "hoistway"}');
