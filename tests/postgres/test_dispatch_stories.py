"""Rescues in the dispatcher's words, on a clock that jumps: what everybody does, and what the platform does when they do not."""

from __future__ import annotations

from datetime import timedelta

from dispatch.firing import fire_due, overdue, remember_forgotten
from dispatch.rounds import watch_areas
from hoistway.model import Role
from ingest.changes import ChangeKind
from tests.support import rows
from tests.support.night import Night


async def test_the_quiet_rescue(night: Night) -> None:
    """The firm's team is sent at once, accepts, comes, opens; a person says that nobody is trapped; the case is closed."""
    firm = night.web.firm_id
    team = await night.team(firm)
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(1)
    assert await night.orders(case_id) == [(1, team, "sent")]
    assert await night.told(case_id) == [("order", "unit"), ("trapped", "property"), ("soothe", "lift")]
    assert await night.pending(case_id) == {"acknowledge": 59, "accept": 179, "arrive": 1_799}
    await night.case(case_id, "acknowledge")
    order = await night.last_order(case_id)
    for seconds, move in ((30, "accept"), (60, "set_out"), (500, "arrive")):
        await night.pass_s(seconds)
        await night.order(order, move, Role.MAINTAINER)
    case = await night.read(case_id)
    assert (case["state"], case["level"]) == ("on_site", 1)
    assert case["accepted_at"] < case["arrived_at"]
    assert await night.pending(case_id) == {"release": 1_800}
    await night.pass_s(300)
    released = await night.release(case_id)
    assert released["confirmed_by"] == "dispatcher key"
    assert await night.pending(case_id) == {}
    await night.order(order, "finish", Role.MAINTAINER)
    await night.case(case_id, "moves", move="close")
    assert await night.orders(case_id) == [(1, team, "done")]
    assert await night.log(case_id) == [
        "opened", "order-sent", "acknowledged", "order-accepted", "order-on-the-way", "order-arrived", "release",
        "order-done", "close",
    ]  # fmt: skip


async def test_nobody_accepts(night: Night) -> None:
    """Three minutes: the nearest station. Three more: the 119 step with its list, which keeps asking until 119 is called."""
    firm, near = await night.firm(), await night.station(km=1)
    await night.station(km=3)
    team = await night.team(firm)
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(179)
    assert await night.orders(case_id) == [(1, team, "sent")]
    await night.pass_s(1)
    assert await night.orders(case_id) == [(1, team, "sent"), (2, near, "sent")]
    case = await night.read(case_id)
    assert (case["level"], case["orders"][0]["late_at"] is not None) == (2, True)
    assert case["orders"][1]["reasons"]["metres"] == 1_000
    await night.pass_s(180)
    case = await night.read(case_id)
    assert (case["level"], case["steps"][0]["step"]) == (3, "call-119")
    await night.pass_s(130)
    assert (await night.log(case_id)).count("119-not-called") == 2
    called = await night.case(case_id, "steps/call-119", note="officer 7 at 03:12")
    assert called["orders"][-1]["addressee"] == "119"
    assert called["orders"][-1]["state"] == "accepted"
    assert "call-119" not in await night.pending(case_id)
    assert called["state"] == "dispatched"
    await night.order(called["orders"][0]["id"], "arrive")
    assert (await night.read(case_id))["state"] == "on_site"


async def test_accepted_but_never_arrives(night: Night) -> None:
    """The arrival clock runs from the first dispatch, whoever accepted: level 2 at 30 minutes, level 3 a quarter of an hour later."""
    firm, station = night.web.firm_id, await night.station()
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(100)
    await night.order(await night.last_order(case_id), "accept", Role.MAINTAINER)
    await night.pass_s(1_699)
    assert (await night.read(case_id))["level"] == 1
    await night.pass_s(1)
    assert await night.orders(case_id) == [(1, "firm", "accepted"), (2, station, "sent")]
    await night.order(await night.last_order(case_id), "accept")
    await night.pass_s(900)
    assert (await night.read(case_id))["level"] == 3
    assert (await night.log(case_id)).count("not-arrived") == 2
    await night.pass_s(900)
    assert (await night.log(case_id)).count("not-arrived") == 3


async def test_outside_the_urban_area_there_is_an_hour(night: Night) -> None:
    """The arrival limit is that of the lift's place; in the draft of 2024 it is half of it, and acceptance a minute."""
    firm = await night.firm()
    case_id = await night.trapped(firm_id=firm, urban=False)
    await night.pass_s(0)
    assert (await night.pending(case_id))["arrive"] == 3_600
    strict = await Night.begin(night.web, preset="hangzhou-2024")
    case_id = await strict.trapped(firm_id=firm, urban=False)
    await strict.pass_s(0)
    assert (await strict.pending(case_id))["arrive"] == 1_800
    assert (await strict.pending(case_id))["accept"] == 60


async def test_the_desk_may_confirm_first(night: Night) -> None:
    """In a city that lets the desk ask by voice before anybody is sent, the answer sends at once, and silence sends after the limit."""
    confirming = await Night.begin(night.web, confirm_first_s=45)
    firm = await confirming.firm()
    asked, silent = await confirming.trapped(firm_id=firm), await confirming.trapped(firm_id=firm)
    await confirming.pass_s(20)
    assert await confirming.orders(asked) == await confirming.orders(silent) == []
    await confirming.case(asked, "acknowledge")
    await confirming.pass_s(0)
    assert await confirming.orders(asked) == [(1, "firm", "sent")]
    await confirming.pass_s(24)
    assert await confirming.orders(silent) == []
    await confirming.pass_s(1)
    assert await confirming.orders(silent) == [(1, "firm", "sent")]


async def test_an_uncertain_alarm_waits_for_the_voice_check_a_certain_one_does_not(night: Night) -> None:
    """A rule with a voice check sends after it; an alarm that is sure joins the case and sends at once."""
    firm = await night.firm()
    lift_id = await rows.lift(night.db, firm_id=firm)
    case_id = await night.trapped(lift_id, confirm_s=60)
    await night.pass_s(30)
    assert await night.orders(case_id) == []
    await night.alarm(lift_id, "entrapment-at-landing", "rescue")
    await night.pass_s(0)
    assert await night.orders(case_id) == [(1, "firm", "sent")]


async def test_the_lift_goes_offline_while_someone_is_trapped(night: Night) -> None:
    """The case is marked, goes on and climbs; neither silence nor a car that says it is clear ends it."""
    firm = await night.firm()
    lift_id = await rows.lift(night.db, firm_id=firm)
    case_id = await night.trapped(lift_id)
    await night.pass_s(60)
    await night.alarm(lift_id, "offline", "notice")
    await night.pass_s(200)
    await night.alarm(lift_id, "entrapment-between-floors", "rescue", kind=ChangeKind.CLEAR)
    case = await night.read(case_id)
    assert case["contact_lost_at"]
    assert case["device_says_clear_at"]
    assert (case["state"], case["level"], case["open"]) == ("dispatched", 3, True)
    await night.pass_s(7_200)
    assert (await night.read(case_id))["state"] == "dispatched"


async def test_nobody_at_the_desk(night: Night) -> None:
    """After a minute the supervisor is told; the rescue goes on without the desk."""
    firm = night.web.firm_id
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(60)
    assert "nobody-at-the-desk" in await night.log(case_id)
    assert ("nobody-at-the-desk", "supervisor") in await night.told(case_id)
    order = await night.last_order(case_id)
    await night.order(order, "accept", Role.MAINTAINER)
    await night.order(order, "arrive", Role.MAINTAINER)
    case = await night.read(case_id)
    assert (case["state"], case["acknowledged_by"]) == ("on_site", None)


async def test_the_firm_changes_in_the_middle(night: Night) -> None:
    """A new contract takes no open case: the old firm keeps it until a person hands it over, with a reason."""
    old, new = night.web.firm_id, await night.firm()
    new_team = await night.team(new)
    lift_id = await rows.lift(night.db, firm_id=old)
    case_id = await night.trapped(lift_id)
    await night.pass_s(10)
    await night.db.execute("update lift set firm_id = $2 where id = $1", lift_id, new)
    order = await night.last_order(case_id)
    await night.order(order, "accept", Role.MAINTAINER)
    async with night.web.client(Role.MAINTAINER) as maintainer:
        assert (await maintainer.get(f"/api/v1/cases/{case_id}")).status_code == 200
        handed = await night.case(case_id, "hand-over", firm_id=new, reason="the old firm has left the contract")
        assert (await maintainer.get(f"/api/v1/cases/{case_id}")).status_code == 404
        assert (await maintainer.get(f"/api/v1/orders/{order}")).json()["state"] == "stood_down"
    assert handed["firm"]["id"] == new
    assert await night.orders(case_id) == [(1, "firm", "stood_down"), (1, new_team, "sent")]
    assert ("stand-down", "firm") in await night.told(case_id)
    assert "arrive" in await night.pending(case_id)


async def test_whoever_refuses_is_replaced_at_once(night: Night) -> None:
    """No limit is waited for: the firm's no sends the station, the station's no the next one, and the last no is level 3."""
    firm, near, far = await night.firm(), await night.station(km=1), await night.station(km=2)
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(0)
    for expected in ((2, near, "sent"), (2, far, "sent")):
        await night.order(await night.last_order(case_id), "refuse", reason="both vans are out")
        assert (await night.orders(case_id))[-1] == expected
    await night.order(await night.last_order(case_id), "refuse", reason="no driver")
    case = await night.read(case_id)
    assert (case["level"], case["waits_since"] is not None) == (3, True)
    assert "no-unit" in await night.log(case_id)


async def test_a_crew_that_gives_up_on_site_is_replaced(night: Night) -> None:
    """Somebody was there and could not open: the next level is sent, and somebody must come again."""
    firm, station = await night.firm(), await night.station()
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(0)
    order = await night.last_order(case_id)
    await night.order(order, "arrive")
    await night.order(order, "fail", reason="the brake cannot be lifted")
    assert (await night.orders(case_id))[-1] == (2, station, "sent")
    assert set(await night.pending(case_id)) == {"release", "accept", "arrive-again"}
    await night.pass_s(180)
    assert (await night.read(case_id))["level"] == 3
    await night.order((await night.read(case_id))["orders"][1]["id"], "arrive")
    assert set(await night.pending(case_id)) == {"release"}


async def test_no_unit_is_left(night: Night) -> None:
    """A city without anybody on duty says so at every level, calls the supervisor and stands at 119 at once; a station that
    comes on duty is sent without being asked for."""
    case_id = await night.trapped()
    await night.pass_s(0)
    case = await night.read(case_id)
    assert (case["state"], case["level"], case["waits_since"] is not None) == ("open", 3, True)
    assert await night.log(case_id) == ["opened", "no-unit", "no-unit"]
    assert [told for told in await night.told(case_id) if told[1] == "supervisor"] == [
        ("no-unit-1", "supervisor"), ("no-unit-2", "supervisor"), ("level-3", "supervisor"),
    ]  # fmt: skip
    station = await night.station()
    await night.pass_s(1)
    case = await night.read(case_id)
    assert await night.orders(case_id) == [(2, station, "sent")]
    assert (case["state"], case["waits_since"]) == ("dispatched", None)


async def test_the_desk_overrides_with_a_reason(night: Night) -> None:
    """By hand: a unit of one's choice, the next level, 119 and 120; each with a reason that stays in the log."""
    firm, near, far = await night.firm(), await night.station(km=1), await night.station(km=4)
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(0)
    async with night.web.client(Role.DISPATCHER) as desk:
        listed = await desk.get(f"/api/v1/cases/{case_id}/candidates")
        assert [item["unit_id"] for item in night.web.check("/api/v1/cases/{case_id}/candidates", listed)["items"]] == [
            near,
            far,
        ]
    case = await night.case(case_id, "orders", addressee="unit", unit_id=far, reason="their van has the key")
    assert (case["orders"][-1]["sent_by"], case["orders"][-1]["reasons"]["by_hand"]) == (
        "dispatcher key",
        "their van has the key",
    )
    case = await night.case(case_id, "facts", vulnerable=["child"], injured=1)
    assert (case["vulnerable"], case["injured"]) == (["child"], 1)
    await night.case(case_id, "orders", addressee="120", reason="a child, hurt")
    case = await night.case(case_id, "level", level=3, reason="smoke in the shaft")
    assert case["level"] == 3
    again = await night.say(Role.DISPATCHER, f"cases/{case_id}/level", {"level": 3, "reason": "x"}, case["version"])
    assert again.status_code == 409
    case = await night.case(case_id, "orders", addressee="119", reason="smoke in the shaft")
    assert next(step for step in case["steps"] if step["step"] == "call-119")["person"] == "dispatcher key"


async def test_two_people_on_one_order(night: Night) -> None:
    """The second of two who saw the same version gets 412 with the order as it is now; a move that the table lacks is 409."""
    case_id = await night.trapped(firm_id=night.web.firm_id)
    await night.pass_s(0)
    order = await night.last_order(case_id)
    path = f"orders/{order}/moves"
    assert (await night.say(Role.MAINTAINER, path, {"move": "accept"}, 1)).status_code == 200
    late = await night.say(Role.DISPATCHER, path, {"move": "stand_down", "reason": "x"}, 1)
    problem = night.web.check("/api/v1/orders/{order_id}/moves", late, "post")
    assert (late.status_code, problem["current"]["state"], late.headers["ETag"]) == (412, "accepted", '"2"')
    assert (await night.say(Role.MAINTAINER, path, {"move": "finish"}, 2)).status_code == 409
    assert (await night.say(Role.MAINTAINER, path, {"move": "stand_down", "reason": "x"}, 2)).status_code == 409
    assert (await night.say(Role.MAINTAINER, path, {"move": "refuse"}, 2)).status_code == 422


async def test_a_stranger_s_order_does_not_exist(night: Night) -> None:
    """A maintainer sees and moves the own firm's orders; another's is 404, as one that never was."""
    case_id = await night.trapped(firm_id=await night.firm())
    await night.pass_s(0)
    order = await night.last_order(case_id)
    async with night.web.client(Role.MAINTAINER) as client:
        assert (await client.get(f"/api/v1/orders/{order}")).status_code == 404
        listed = night.web.check("/api/v1/orders", await client.get("/api/v1/orders", params={"case_id": case_id}))
        assert listed["items"] == []
    assert (await night.say(Role.MAINTAINER, f"orders/{order}/moves", {"move": "accept"}, 1)).status_code == 404


async def test_what_a_crew_says_at_the_desk_is_said_on_its_behalf(night: Night) -> None:
    """The dispatcher who enters the crew's word is in the log with the crew; the crew's own word has the crew's person."""
    case_id = await night.trapped(firm_id=night.web.firm_id)
    await night.pass_s(0)
    order = await night.last_order(case_id)
    await night.order(order, "accept")
    await night.order(order, "set_out", Role.MAINTAINER)
    log = {line["kind"]: line for line in (await night.read(case_id))["log"]}
    assert log["order-accepted"]["after"]["on_behalf_of"] == {"unit_id": None, "firm_id": night.web.firm_id}
    assert log["order-accepted"]["person"] == "dispatcher key"
    assert log["order-on-the-way"]["person"] == "maintainer key"
    assert "on_behalf_of" not in log["order-on-the-way"]["after"]


async def test_the_last_unit_is_stood_down(night: Night) -> None:
    """Nobody is on the way any more: said in the log, and a minute later the platform sends somebody again."""
    station = await night.station()
    case_id = await night.trapped(firm_id=await night.firm())
    await night.pass_s(0)
    await night.order(await night.last_order(case_id), "stand_down", reason="wrong address")
    assert "nobody-sent" in await night.log(case_id)
    await night.pass_s(60)
    assert (await night.orders(case_id))[-1] == (2, station, "sent")


async def test_an_unanswered_alarm_call_is_sent_out(night: Night) -> None:
    """A minute without a voice makes it an entrapment, and somebody is sent in the same moment."""
    lift_id = await rows.lift(night.db, firm_id=await night.firm())
    await night.alarm(lift_id, "alarm-button", "alarm-call")
    case_id = await night.value("select id from rescue_case where lift_id = $1", lift_id)
    await night.pass_s(60)
    case = await night.read(case_id)
    assert (case["kind"], case["state"]) == ("entrapment", "dispatched")
    assert await night.orders(case_id) == [(1, "firm", "sent")]


async def test_an_exercise_meets_only_units_of_the_exercise(night: Night) -> None:
    """A drill beside a real night takes no real crew away, and what is told of it carries the mark."""
    firm = await night.firm()
    real, drill = await night.station(km=1), await night.station(km=9, exercise=True)
    lift_id = await rows.lift(night.db, exercise=True)
    drilled = await night.trapped(lift_id)
    trapped = await night.trapped(firm_id=firm)
    await night.pass_s(180)
    assert (await night.orders(drilled))[0] == (2, drill, "sent")
    assert (await night.orders(trapped))[1] == (2, real, "sent")
    marks = await night.db.fetch(
        "select distinct case_id, exercise from outbox where case_id = any($1)", [drilled, trapped]
    )
    assert {(row["case_id"], row["exercise"]) for row in marks} == {(drilled, True), (trapped, False)}


async def test_a_power_cut_of_an_estate(night: Night) -> None:
    """Levels 1 and 2 go together, the vulnerable and the longest trapped first; who waits gets the next station that is free."""
    firm = await night.firm()
    team, stations = await night.team(firm, crews=1), [await night.station(km=1), await night.station(km=2)]
    cases = []
    for _ in range(5):
        cases.append(await night.trapped(firm_id=firm, estate="Dark Garden", building=""))
        night.now += timedelta(seconds=1)
    await night.round()
    await night.db.execute("update rescue_case set vulnerable = '{child}' where id = $1", cases[4])
    await watch_areas(night.db, night.now)
    await night.pass_s(1)
    found = {case_id: await night.orders(case_id) for case_id in cases}
    assert all(orders[0] == (1, team, "sent") for orders in found.values())
    assert [case_id for case_id in cases if len(found[case_id]) == 2] == [cases[0], cases[4]]
    assert found[cases[4]][1] == (2, stations[0], "sent")
    waiting = [await night.read(case_id) for case_id in cases[1:4]]
    assert all(case["waits_since"] and case["level"] == 2 for case in waiting)
    done = await night.last_order(cases[4])
    for move in ("accept", "arrive"):
        await night.order(done, move)
    await night.release(cases[4])
    await night.order(done, "finish")
    await night.pass_s(1)
    assert (await night.orders(cases[1]))[1] == (2, stations[0], "sent")


async def test_the_night_of_600_entrapments(night: Night) -> None:
    """600 within ten seconds: each is sent out, none twice, no station gets more than its crews, and nobody is forgotten."""
    firms = [await night.firm() for _ in range(10)]
    await night.db.execute(
        "insert into unit (name, kind, lon, lat, crews, round_the_clock)"
        " select 'mass station ' || n, 'station', 120.1, 30.2 + n / 1000.0, 2, true from generate_series(1, 40) n"
    )
    await night.db.execute(
        "insert into lift (kind, name, firm_id, lon, lat) select 'lift', 'mass ' || n, ($1::int[])[1 + n % 10], 120.1, 30.2"
        " from generate_series(1, 600) n",
        firms,
    )
    await night.db.execute(
        "with opened as (insert into rescue_case (kind, channel, lift_id, opened_at, exercise)"
        " select 'entrapment', 'S04', id, $1::timestamptz + (id % 10) * interval '1 s', false from lift where name like 'mass %'"
        " returning id, opened_at)"
        " insert into timer (kind, case_id, due_at) select 'send', id, opened_at from opened",
        night.now,
    )
    await night.pass_s(15)
    sent = await night.value("select count(*) from dispatch_order where level = 1 and live and sent_at >= $1", rows.NOW)
    assert sent == 600
    await night.pass_s(180)
    busiest = await night.db.fetch(
        "select count(*) as load from dispatch_order where live and level = 2 group by unit_id order by 1 desc"
    )
    assert (len(busiest), busiest[0]["load"]) == (40, 2)
    waiting = await night.value("select count(*) from rescue_case where waits_since is not null and level = 3 and open")
    assert waiting == 520
    unwatched = await night.value(
        "select count(*) from rescue_case c where open and not exists (select 1 from timer t"
        " where t.case_id = c.id and fired_at is null and cancelled_at is null)"
    )
    assert unwatched == 0
    oldest = await night.value("select max(opened_at) from rescue_case c where open and waits_since is null")
    assert oldest <= rows.NOW + timedelta(seconds=2)


async def test_what_is_late_at_the_start_is_named_with_its_owner(night: Night) -> None:
    """A dispatch that was away for an hour lists every overdue step and who owns it, fires each once, and finds who nobody watches."""
    firm = await night.firm("Late Lifts Ltd")
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(0)
    lost = await rows.case(night.db, await rows.lift(night.db, firm_id=firm))
    night.now += timedelta(hours=1)
    found = {(row["kind"], row["owner"]) for row in await overdue(night.db, night.now)}
    assert found == {("acknowledge", "the desk"), ("accept", "Late Lifts Ltd"), ("arrive", "dispatch")}
    assert await remember_forgotten(night.db, night.now) == [lost]
    fired = []
    while more := await fire_due(night.db, night.now):
        fired += more
    assert sorted(timer.kind for timer in fired if timer.case_id == case_id) == ["accept", "acknowledge", "arrive"]
    assert await night.orders(lost) == [(1, "firm", "sent")]
    assert await fire_due(night.db, night.now) == []
