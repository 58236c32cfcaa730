-- Row-level security of what the api reads. Run by `hoistway.store.rights` after every migration that changes anything of it.
-- The two wide scopes are told by one comparison, because the planner sees these conditions in every query; the rest is behind functions.
-- Each table of the list has one policy for the api, by the scope of its transaction, and one that lets the other parts see all rows.

do $$
declare
    wide constant text := $p$current_setting('hoistway.scope', true) in ('whole', 'city')$p$;
    wanted record;
    narrow text;
begin
    for wanted in select * from (values /* tables */) as t (name, rows) loop
        narrow := case wanted.rows
            when 'lift' then 'not probe and (coalesce(firm_id = scope_firm(), false) or sees_lift(id))'
            when 'of_lift' then 'sees_lift(lift_id)'
            when 'device' then
                'sees_lift(lift_id) or exists (select 1 from gateway_lift g where g.device_id = device.id)'
            when 'of_alarm' then 'sees_alarm(alarm_id)'
            when 'rescue_case' then 'sees_case(id)'
            when 'of_case' then 'sees_case(case_id)'
            when 'dispatch_order' then 'coalesce(firm_id = scope_firm(), false) or sees_case(case_id)'
            when 'of_order' then 'exists (select 1 from dispatch_order o where o.id = order_id)'
            when 'ticket' then
                $p$coalesce(firm_id = scope_firm(), false) or scope_word() = 'districts' and sees_lift(lift_id)$p$
            when 'of_ticket' then 'sees_ticket(ticket_id)'
            when 'desk' then $p$scope_word() = 'districts'$p$
            when 'unit' then 'sees_unit(id, firm_id)'
            when 'of_unit' then 'own_unit(unit_id)'
            when 'firm' then 'sees_firm(id)'
            when 'incident' then 'sees_incident(id)'
            when 'handover' then
                $p$scope_word() = 'districts' and districts <> '{}' and scope_districts() @> districts$p$
            when 'city' then 'false'
        end;
        if narrow is null then
            raise exception 'table %: there is no policy %', wanted.name, wanted.rows;
        end if;
        if wanted.rows = 'lift' then  -- the one place where the city does not see the probe
            narrow := format(
                $p$case current_setting('hoistway.scope', true) when 'whole' then true when 'city' then not probe else %s end$p$, narrow);
        else
            narrow := format('%s or %s', wide, narrow);
        end if;
        execute format('alter table %I enable row level security, force row level security', wanted.name);
        execute format('drop policy if exists scope on %I', wanted.name);
        execute format('create policy scope on %I to hoistway_api using (%s)', wanted.name, narrow);
        execute format('drop policy if exists parts on %I', wanted.name);
        execute format(
            'create policy parts on %I to hoistway_ingest, hoistway_dispatch, %I using (true)', wanted.name, current_user);
    end loop;
end $$
