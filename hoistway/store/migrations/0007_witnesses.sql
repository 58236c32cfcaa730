-- A case says whether the device itself reported that somebody is trapped.

alter table rescue_case add column reported_by_device boolean not null default false;
comment on column rescue_case.reported_by_device is 'an alarm of this case has the device itself as a witness';

create function seen(before text[], seen_by text) returns text[] language sql immutable as $$
    select array(select distinct w from unnest(before || string_to_array(nullif(seen_by, ''), ',')) as w order by w desc)
$$;
comment on function seen is 'the witnesses of an alarm with those that a comma separated list adds; the rule first';
