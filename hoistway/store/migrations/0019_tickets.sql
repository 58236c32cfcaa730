-- Tickets: one fault for the contract firm to mend; their visits, photos, log and timers. Maintenance orders that hold tickets back.

create table ticket (
    id bigint generated always as identity primary key,
    number text not null unique,
    lift_id integer not null references lift (id),
    firm_id smallint references firm (id),
    family text,
    rule_id text,
    rule_version text,
    told text check (told ~ '\S'),
    severity text not null check (severity in ('critical', 'major', 'minor', 'notice')),
    state text not null default 'new'
        check (state in ('new', 'accepted', 'working', 'done', 'verified', 'reopened', 'cancelled')),
    opened_at timestamptz not null,
    promised_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by text,
    started_at timestamptz,
    done_at timestamptz,
    done_by text,
    verified_at timestamptz,
    verified_by text,
    overdue_at timestamptz,
    climbed smallint not null default 0 check (climbed between 0 and 2),
    repeats integer not null default 0 check (repeats >= 0),
    last_joined_at timestamptz,
    reopened integer not null default 0 check (reopened >= 0),
    cause smallint check (cause between 100 and 799),
    work text,
    parts jsonb not null default '[]',
    exercise boolean not null,
    version integer not null default 1,
    open boolean generated always as (state in ('new', 'accepted', 'working', 'reopened')) stored,
    committed_at timestamptz not null default clock_timestamp(),
    check ((family is null) = (rule_id is null)),
    check (rule_id is not null or told is not null),
    check (state not in ('done', 'verified') or (done_at is not null and done_by is not null and cause is not null)),
    check (state <> 'verified' or (verified_at is not null and verified_by is not null))
);
comment on table ticket is 'one fault for the contract firm to mend; done by a person with a cause, verified by another';
comment on column ticket.firm_id is 'the contract firm when it opened; only a person hands it to another';
comment on column ticket.family is 'faults of one lift that one visit mends; null: told by a person, joins nothing';
comment on column ticket.promised_at is 'when it is to be done: from the opening, or the reopening, by severity';
comment on column ticket.overdue_at is 'when the promised time passed undone; climbed: 1 the firm was told, 2 the supervisor too';
comment on column ticket.repeats is 'raises of the fault that joined it';
comment on column ticket.reopened is 'how often it was done and was not';
create unique index ticket_one_open on ticket (lift_id, family) where state in ('new', 'accepted', 'working', 'reopened');
create index on ticket (lift_id, id);
create index on ticket (firm_id, id);
create index ticket_open on ticket (id) where open;
create index ticket_mended on ticket (lift_id, done_at) where state in ('done', 'verified');

create function number_ticket() returns trigger language plpgsql as $$
begin
    new.number := case when new.exercise then 'X' else 'T' end || to_char(new.opened_at at time zone 'UTC', 'YYYY') || '-'
        || lpad(new.id::text, greatest(6, length(new.id::text)), '0');
    return new;
end $$;
create trigger ticket_number before insert on ticket for each row execute function number_ticket();
create trigger ticket_keeps_firm before insert on ticket for each row execute function keep_firm();

create table ticket_alarm (
    ticket_id bigint not null references ticket (id),
    alarm_id bigint not null references alarm (id),
    joined_at timestamptz not null,
    primary key (ticket_id, alarm_id)
);
comment on table ticket_alarm is 'the alarms that a ticket stands for';
create index on ticket_alarm (alarm_id);

create table ticket_visit (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references ticket (id),
    came_at timestamptz not null,
    left_at timestamptz check (left_at >= came_at),
    person text not null
);
comment on table ticket_visit is 'when somebody was there to mend it; left_at null: still is';
create index on ticket_visit (ticket_id, id);
create unique index ticket_visit_one on ticket_visit (ticket_id) where left_at is null;

create table ticket_photo (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references ticket (id),
    media_type text not null check (media_type in ('image/jpeg', 'image/png', 'image/webp')),
    width integer not null check (width > 0),
    height integer not null check (height > 0),
    bytes integer not null check (bytes > 0),
    sha256 bytea not null,
    content bytea not null,
    person text not null,
    role text not null,
    at timestamptz not null,
    unique (ticket_id, sha256)
);
comment on table ticket_photo is 'photos without their metadata: no place, no time, no camera';
alter table ticket_photo alter column content set storage external;

create table ticket_event (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references ticket (id),
    kind text not null,
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    person text,
    role text,
    reason text,
    before jsonb not null default '{}',
    after jsonb not null default '{}'
);
comment on table ticket_event is 'append-only log of a ticket: person, role, time, reason, before and after';
create index on ticket_event (ticket_id, id);
create trigger ticket_event_append_only before update or delete on ticket_event
    for each row execute function refuse_rewrite();

create table ticket_timer (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('accept', 'accept-again', 'promise', 'climb', 'verify')),
    ticket_id bigint not null references ticket (id),
    due_at timestamptz not null,
    fired_at timestamptz,
    cancelled_at timestamptz,
    unique (ticket_id, kind)
);
comment on table ticket_timer is 'a step of a ticket that must not be forgotten; commits with the state it guards';
create index ticket_timer_due on ticket_timer (due_at) where fired_at is null and cancelled_at is null;

create table maintenance_order (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('visit', 'inspection')),
    lift_id integer not null references lift (id),
    firm_id smallint references firm (id),
    since timestamptz not null,
    until timestamptz not null check (until > since),
    note text not null default '',
    person text not null,
    role text not null,
    made_at timestamptz not null,
    ended_at timestamptz,
    ended_by text,
    end_reason text,
    settled_at timestamptz,
    exercise boolean not null,
    version integer not null default 1,
    check ((ended_at is null) = (ended_by is null)),
    check (settled_at is null or settled_at >= least(until, ended_at))
);
comment on table maintenance_order is 'a planned visit or inspection: faults of its lift open no ticket while it lasts; rescues and alarm calls are not touched';
comment on column maintenance_order.ended_at is 'a person ended it before its time';
comment on column maintenance_order.settled_at is 'when what still held at its end got its ticket';
create trigger maintenance_order_keeps_firm before insert on maintenance_order for each row execute function keep_firm();
create index maintenance_order_unsettled on maintenance_order (lift_id) where settled_at is null;
create index on maintenance_order (lift_id, until);
create index on maintenance_order (firm_id, id);

create table shielded_fault (
    order_id bigint not null references maintenance_order (id),
    alarm_id bigint not null references alarm (id),
    severity text not null,
    at timestamptz not null,
    ticket_id bigint references ticket (id),
    primary key (order_id, alarm_id)
);
comment on table shielded_fault is 'alarms that opened no ticket because of a maintenance order; ticket_id: the one that it got when the order ended';
create index on shielded_fault (alarm_id);

alter table outbox alter column case_id drop not null;
alter table outbox add column ticket_id bigint references ticket (id);
alter table outbox add constraint outbox_about_one check (case_id is null or ticket_id is null);
create index on outbox (ticket_id) where ticket_id is not null;

create view ticket_document as
select t.id, t.lift_id, t.firm_id, l.probe, jsonb_build_object(
    'id', t.id, 'number', t.number, 'lift_id', t.lift_id, 'state', t.state, 'open', t.open, 'severity', t.severity,
    'lift', jsonb_build_object('name', l.name, 'rescue_code', l.rescue_code, 'estate', l.estate, 'building', l.building,
        'address', l.address, 'district', l.district, 'kind', l.kind),
    'firm', case when f.id is not null then jsonb_build_object('id', f.id, 'name', f.name) end,
    'rule_id', t.rule_id, 'told', t.told,
    'title', jsonb_build_object('zh', coalesce(r.title_zh, t.told, t.rule_id), 'en', coalesce(r.title_en, t.told, t.rule_id)),
    'opened_at', rfc3339(t.opened_at), 'promised_at', rfc3339(t.promised_at), 'overdue_at', rfc3339(t.overdue_at),
    'climbed', t.climbed, 'accepted_at', rfc3339(t.accepted_at), 'accepted_by', t.accepted_by,
    'started_at', rfc3339(t.started_at), 'done_at', rfc3339(t.done_at), 'done_by', t.done_by,
    'verified_at', rfc3339(t.verified_at), 'verified_by', t.verified_by, 'repeats', t.repeats,
    'last_joined_at', rfc3339(t.last_joined_at), 'reopened', t.reopened, 'cause', t.cause, 'work', t.work, 'parts', t.parts,
    'active', a.active, 'alarm_ids', a.ids, 'visits', v.visits, 'photos', p.photos, 'exercise', t.exercise, 'version', t.version
    ) as document
from ticket t
join lift l on l.id = t.lift_id
left join firm f on f.id = t.firm_id
left join rule_version r on r.rule_id = t.rule_id and r.version = t.rule_version
cross join lateral (
    select exists (
            select 1 from ticket_alarm j join alarm m on m.id = j.alarm_id where j.ticket_id = t.id and m.condition = 'active'
        ) as active, coalesce(jsonb_agg(n.alarm_id order by n.alarm_id desc), '[]') as ids
    from (select alarm_id from ticket_alarm where ticket_id = t.id order by alarm_id desc limit 100) n
) a
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('came_at', rfc3339(came_at), 'left_at', rfc3339(left_at), 'person', person)
        order by id), '[]') as visits
    from ticket_visit where ticket_id = t.id
) v
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'media_type', media_type, 'width', width, 'height', height,
        'bytes', bytes, 'person', person, 'at', rfc3339(at)) order by id), '[]') as photos
    from ticket_photo where ticket_id = t.id
) p;
comment on view ticket_document is 'a ticket as every reader sees it';

insert into setting (name, value) values ('ticket_limits', '{}');
