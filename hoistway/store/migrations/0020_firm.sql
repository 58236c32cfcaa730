-- The firm's side: what a crew says of its order, how one gets to a lift, and who made a key.

create table order_report (
    order_id bigint primary key references dispatch_order (id),
    lon double precision check (lon between -180 and 180),
    lat double precision check (lat between -90 and 90),
    metres integer check (metres >= 0),
    released_at timestamptz,
    released_by text check (released_by ~ '\S'),
    release_method text
        check (release_method in ('levelled', 'forced', 'hand-winding', 'balance-weight', 'by-themselves', 'nobody-inside', 'other')),
    trapped integer check (trapped between 0 and 1000),
    injured integer check (injured between 0 and 1000),
    note text check (length(note) <= 2000),
    cause smallint check (cause between 100 and 799),
    remark text check (length(remark) <= 2000),
    check ((lon is null) = (lat is null)),
    check (metres is null or lon is not null),
    check ((released_at is null) = (released_by is null) and (released_at is null) = (release_method is null)
        and (released_at is null) = (trapped is null) and (released_at is null) = (injured is null))
);
comment on table order_report is 'what a crew has said of its order beside its moves; the case ends by the desk''s word only';
comment on column order_report.metres is 'from the lift to where the crew was when it said that it had arrived';
comment on column order_report.trapped is 'people who were in the car';
comment on column order_report.cause is 'a code of dispatch/tickets/causes.toml; remark: what was done';

create or replace view order_document as
select o.id, o.case_id, o.firm_id, jsonb_build_object(
    'id', o.id, 'case_id', o.case_id, 'level', o.level, 'addressee', o.addressee, 'state', o.state, 'live', o.live,
    'unit', case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name, 'kind', u.kind, 'phone', u.phone) end,
    'firm', case when f.id is not null then jsonb_build_object('id', f.id, 'name', f.name, 'phone', f.phone) end,
    'sent_at', rfc3339(o.sent_at), 'accepted_at', rfc3339(o.accepted_at), 'set_out_at', rfc3339(o.set_out_at),
    'arrived_at', rfc3339(o.arrived_at), 'ended_at', rfc3339(o.ended_at), 'late_at', rfc3339(o.late_at),
    'sent_by', o.sent_by, 'reasons', o.reasons, 'exercise', o.exercise, 'version', o.version,
    'report', case when r.order_id is not null then jsonb_build_object('lon', r.lon, 'lat', r.lat, 'metres', r.metres,
        'released_at', rfc3339(r.released_at), 'released_by', r.released_by, 'release_method', r.release_method,
        'trapped', r.trapped, 'injured', r.injured, 'note', r.note, 'cause', r.cause, 'remark', r.remark) end) as document
from dispatch_order o
left join unit u on u.id = o.unit_id
left join firm f on f.id = o.firm_id
left join order_report r on r.order_id = o.id;

create table lift_access (
    lift_id integer primary key references lift (id),
    gate_code text not null default '' check (length(gate_code) <= 200),
    keys text not null default '' check (length(keys) <= 200),
    machine_room text not null default '' check (length(machine_room) <= 200),
    guard text not null default '' check (length(guard) <= 200),
    guard_phone text not null default '' check (length(guard_phone) <= 40),
    updated_at timestamptz not null,
    updated_by text not null check (updated_by ~ '\S'),
    version integer not null default 1
);
comment on table lift_access is 'how one gets to a lift at night; for the desk, its firm, and who has an order for it';
comment on column lift_access.keys is 'where the keys are';
comment on column lift_access.machine_room is 'where the machine room is and how one gets in';
comment on column lift_access.guard is 'who is there at night';

create view firm_order as
select o.id, o.case_id, o.firm_id, o.level, o.addressee, o.state, o.live, o.version, o.exercise, o.sent_at, o.accepted_at, o.set_out_at,
    o.arrived_at, o.ended_at, o.late_at, o.unit_id, u.name as unit, c.kind, c.state as case_state, c.opened_at, c.trapped, c.injured,
    c.vulnerable, c.past, c.device_says_clear_at, c.contact_lost_at, c.released_at as case_released_at,
    l.id as lift_id, l.kind as lift_kind, l.name, l.estate, l.building, l.address, l.district, l.rescue_code, l.lon, l.lat, l.floors,
    l.firm_id = o.firm_id as own_lift, l.user_unit, l.user_unit_phone, l.emergency_phone,
    a.gate_code, a.keys, a.machine_room, a.guard, a.guard_phone,
    r.metres, r.released_at, r.released_by, r.release_method, r.trapped as found, r.injured as hurt, r.note, r.cause, r.remark,
    t.kinds as timer_kinds, t.due as timer_due, h.seq as seen
from dispatch_order o
join rescue_case c on c.id = o.case_id
join lift l on l.id = c.lift_id
left join unit u on u.id = o.unit_id
left join lift_access a on a.lift_id = l.id and o.live
left join order_report r on r.order_id = o.id
left join case_head h on h.case_id = c.id
left join lateral (
    select array_agg(kind order by due_at, id) as kinds, array_agg(due_at order by due_at, id) as due
    from timer
    where case_id = c.id and fired_at is null and cancelled_at is null and (order_id is null or order_id = o.id)
) t on o.live;
comment on view firm_order is 'an order as its crew sees it; how one gets in is told while somebody has to go there';
create view firm_line as
select o.firm_id, o.id as reader_order_id, e.case_id, e.seq, e.at, e.kind, e.person, e.role, e.reason, (e.after ->> 'order_id')::bigint as order_id
from dispatch_order o join case_event e on e.case_id = o.case_id;
comment on view firm_line is 'lines of a case''s log, by the order whose crew reads them; which of them it may read is the reader''s to ask';
create index dispatch_order_live on dispatch_order (firm_id) where live;

alter table person add column firm_admin boolean not null default false;
alter table person add constraint person_firm_admin check (not firm_admin or role = 'maintainer');
comment on column person.firm_admin is 'may make and revoke the firm''s keys, and change its duty number';

alter table api_key add column created_by text, add column revoked_by text;
alter table api_key drop constraint api_key_name_key;
alter table api_key add constraint api_key_name unique nulls not distinct (firm_id, name);
comment on constraint api_key_name on api_key is 'a firm''s names are its own: a taken one tells nothing of another firm';
