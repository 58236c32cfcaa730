-- People and rights: whose rows a transaction sees. The policies themselves are `hoistway/store/rights.sql`.

create function scope_word() returns text language sql stable parallel safe as $$
    select split_part(coalesce(current_setting('hoistway.scope', true), ''), ' ', 1)
$$;
comment on function scope_word is 'whole, city, firm or districts; empty: nobody said, and nothing is seen';

create function scope_firm() returns smallint language sql stable parallel safe as $$
    select case scope_word() when 'firm' then split_part(current_setting('hoistway.scope', true), ' ', 2)::smallint end
$$;

create function scope_districts() returns text[] language sql stable parallel safe as $$
    select case scope_word() when 'districts' then array(
        select jsonb_array_elements_text(substr(current_setting('hoistway.scope', true), 11)::jsonb)) end
$$;

-- For the narrow scopes. With their owner's rights, in a language that keeps its plans: a policy costs the planner nothing, and the
-- wide scopes never come here.

create function sees_lift(which integer) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    if scope_word() = 'firm' then
        return exists (select 1 from lift l where l.id = which and l.firm_id = scope_firm() and not l.probe)
            or exists (select 1 from rescue_case c where c.lift_id = which and c.firm_id = scope_firm())
            or exists (
                select 1 from rescue_case c join dispatch_order o on o.case_id = c.id
                where c.lift_id = which and o.firm_id = scope_firm());
    end if;
    return exists (select 1 from lift l where l.id = which and l.district = any(scope_districts()) and not l.probe);
end $$;
comment on function sees_lift is 'of a firm: its lifts, and those of another of which it has a case or was sent to one';

create function sees_alarm(which bigint) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    return (select sees_lift(a.lift_id) from alarm a where a.id = which);
end $$;

create function sees_case(which bigint) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    if scope_word() = 'firm' then
        return exists (
            select 1 from rescue_case c left join lift l on l.id = c.lift_id
            where c.id = which and coalesce(c.firm_id, l.firm_id) = scope_firm() and not coalesce(l.probe, false))
            or exists (select 1 from dispatch_order o where o.case_id = which and o.firm_id = scope_firm());
    end if;
    return (select sees_lift(c.lift_id) from rescue_case c where c.id = which);
end $$;
comment on function sees_case is 'a case stays with the firm that had the contract when it opened, until a person hands it over';

create function sees_ticket(which bigint) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    return (select coalesce(t.firm_id = scope_firm(), false) or (scope_word() = 'districts' and sees_lift(t.lift_id)) from ticket t where t.id = which);
end $$;

create function sees_unit(which integer, firm smallint) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    if scope_word() = 'firm' then
        return firm is not distinct from scope_firm()
            or exists (select 1 from dispatch_order o where o.unit_id = which and sees_case(o.case_id));
    end if;
    return scope_word() = 'districts';
end $$;
comment on function sees_unit is 'of a firm: its own, and who else is sent to its cases; units serve every district';
create index dispatch_order_unit on dispatch_order (unit_id) where unit_id is not null;

create function sees_firm(which smallint) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    if scope_word() = 'firm' then
        return which = scope_firm()
            or exists (select 1 from dispatch_order o where o.firm_id = which and sees_case(o.case_id));
    end if;
    return scope_word() = 'districts';
end $$;

create function own_unit(which integer) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    return scope_word() = 'districts' or exists (select 1 from unit u where u.id = which and u.firm_id = scope_firm());
end $$;

create function sees_incident(which bigint) returns boolean language plpgsql stable parallel safe security definer
set search_path = public, pg_temp as $$
begin
    return scope_word() = 'districts' and coalesce((
        select bool_and(l.district = any(scope_districts())) from area_incident_lift m join lift l on l.id = m.lift_id
        where m.incident_id = which), false);
end $$;
comment on function sees_incident is 'whoever sees some districts sees the incidents that lie in them altogether';

alter view annunciation set (security_invoker = true);
alter view order_document set (security_invoker = true);
alter view ticket_document set (security_invoker = true);
alter view firm_order set (security_invoker = true);
alter view firm_line set (security_invoker = true);
alter view unreachable_contact set (security_invoker = true);

-- People: districts, a second factor, what was done to whom.

alter table person
    add column districts text[] not null default '{}',
    add column version integer not null default 1,
    add column totp_secret bytea,
    add column totp_since timestamptz,
    add column totp_step bigint not null default 0,
    add constraint person_districts_of_the_city check (districts = '{}' or role not in ('maintainer', 'property')),
    add constraint person_totp_has_a_secret check (totp_since is null or totp_secret is not null);
comment on column person.districts is 'sees the lifts of these districts only; empty: of the whole city, as far as the role goes';
comment on column person.totp_secret is 'of the second factor, sealed with a key that is not in the database';
comment on column person.totp_since is 'from then on a code is asked for; null with a secret: shown, and not yet confirmed';
comment on column person.totp_step is 'the newest step of 30 s whose code was used: it and older ones are worth nothing';

create table recovery_code (
    code_hash bytea primary key,
    person_id integer not null references person (id),
    used_at timestamptz
);
comment on table recovery_code is 'stand in for a lost second factor, once each; SHA-256 of 80 random bits';
create index on recovery_code (person_id);

create table login_step (
    token_hash bytea primary key,
    person_id integer not null references person (id),
    expires_at timestamptz not null
);
comment on table login_step is 'the password was right, the code is still to come';

create table person_act (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    by_name text not null,
    person_id integer not null references person (id),
    kind text not null check (kind in ('created', 'changed', 'disabled', 'enabled', 'password', 'link', 'factor-on', 'factor-off')),
    before jsonb not null default '{}',
    after jsonb not null default '{}'
);
comment on table person_act is 'who did what to whose account; append-only, no secret in it';
create index on person_act (person_id, id);
create trigger person_act_append_only before update or delete on person_act for each row execute function refuse_rewrite();

-- Shifts at the desk and what is handed over.

create table desk_shift (
    id bigint generated always as identity primary key,
    person_id integer not null references person (id),
    since timestamptz not null,
    until timestamptz not null,
    left_at timestamptz,
    planned_by text not null,
    check (until > since),
    check (until <= since + interval '24 hours')
);
comment on table desk_shift is 'who is at the desk from when to when; left_at: handed over, before or after its end';
create index on desk_shift (until);
create index on desk_shift (person_id, until);

create table handover (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    leaving_id integer not null references person (id),
    leaving text not null,
    leaving_proof text not null check (leaving_proof in ('password', 'code')),
    coming_id integer not null references person (id),
    coming text not null,
    coming_proof text not null check (coming_proof in ('password', 'code')),
    districts text[] not null default '{}',
    notes text not null default '',
    sheet jsonb not null,
    check (leaving_id <> coming_id)
);
comment on table handover is 'the sheet as it was when both signed it; never changed afterwards';
create trigger handover_append_only before update or delete on handover for each row execute function refuse_rewrite();

create function desk_is_staffed(now timestamptz) returns boolean language sql stable security definer
set search_path = public, pg_temp as $$
    select exists (
        select 1 from session s join person p on p.id = s.person_id
        where s.ended_at is null and s.expires_at > now and p.disabled_at is null and p.role in ('dispatcher', 'supervisor', 'admin')
            and (not exists (select 1 from desk_shift d where d.since <= now and d.until > now - interval '1 day')
                or exists (select 1 from desk_shift d where d.person_id = p.id and d.left_at is null
                    and d.since <= now and d.until + interval '30 minutes' > now)))
$$;
comment on function desk_is_staffed is 'somebody who may act is logged in, and on shift where shifts are kept; sessions are nobody else''s to read';
