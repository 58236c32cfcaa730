"""Calls in the dispatcher's words, on a clock that jumps: what they become, what follows, and what is forgotten in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from dispatch.intake.upkeep import intake_round
from hoistway.model import Role
from tests.support import rows
from tests.support.night import Night

CALLS = "/api/v1/calls"


async def call(night: Night, kind: str, role: Role = Role.DISPATCHER, *, status: int = 201, **body: Any) -> Any:
    """A call that is taken now; answers its document, or the problem."""
    async with night.web.client(role) as client:
        answer = await client.post(CALLS, json={"kind": kind, **body})
    assert answer.status_code == status, answer.text
    return night.web.check(CALLS, answer, "post") if status == 201 else answer.json()


async def get(night: Night, path: str, role: Role = Role.DISPATCHER, **query: Any) -> httpx.Response:
    async with night.web.client(role) as client:
        return await client.get(f"/api/v1/{path}", params=query)


async def found(night: Night, words: str) -> Any:
    return night.web.check("/api/v1/intake/lifts", await get(night, "intake/lifts", q=words))


async def test_two_calls_and_one_alarm_about_one_lift(night: Night) -> None:
    """One case: the first call opens it and the firm is sent, the alarm and the second call join it, and nobody is sent twice."""
    firm = night.web.firm_id
    lift_id = await rows.lift(night.db, firm_id=firm)
    first = await call(night, "entrapment", lift_id=lift_id, text="two people", trapped=2)
    case_id = first["case_id"]
    assert (first["became"], first["person"]) == ("new-case", "dispatcher key")
    await night.pass_s(0)
    assert await night.orders(case_id) == [(1, "firm", "sent")]
    await night.alarm(lift_id, "entrapment-between-floors", "rescue")
    second = await call(night, "entrapment", channel="S02", lift_id=lift_id, trapped=3, vulnerable=["child"])
    assert (second["became"], second["case_id"]) == ("joined-case", case_id)
    await night.pass_s(1)
    case = await night.read(case_id)
    assert (case["channel"], case["trapped"], case["vulnerable"], case["calls"]) == ("S01", 3, ["child"], 2)
    assert case["acknowledged_by"] == "dispatcher key"
    assert len(case["orders"]) == 1
    assert await night.log(case_id) == ["opened", "order-sent", "alarm-joined", "call-joined"]
    assert [item["id"] for item in (await get(night, "calls", case_id=case_id)).json()["items"]] == [
        second["id"],
        first["id"],
    ]


async def test_calls_at_the_same_moment_open_one_case(night: Night) -> None:
    """Six calls about one lift at once: one opens the case, the others join it."""
    lift_id = await rows.lift(night.db)
    taken = await asyncio.gather(*(call(night, "entrapment", lift_id=lift_id) for _ in range(6)))
    assert sorted(item["became"] for item in taken) == ["joined-case"] * 5 + ["new-case"]
    assert len({item["case_id"] for item in taken}) == 1


async def test_a_call_that_is_sent_twice_is_taken_once(night: Night) -> None:
    """The same Idempotency-Key: one call, one case, the same answer, and no caller in what is remembered."""
    lift_id = await rows.lift(night.db)
    body = {"kind": "fault", "lift_id": lift_id, "caller": {"name": "Li Hua", "phone": "13800000000"}}
    async with night.web.client(Role.DISPATCHER) as client:
        answers = [await client.post(CALLS, json=body, headers={"Idempotency-Key": "call-1"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert await night.value("select count(*) from call where lift_id = $1", lift_id) == 1
    kept = await night.value("select body from idempotency where key = 'call-1'")
    assert b"Li Hua" not in kept
    assert b"13800000000" not in kept


async def test_a_lift_without_a_terminal(night: Night) -> None:
    """A case by address goes to the nearest station at once; once the lift is linked its firm is sent too, and sees the case."""
    firm, near = night.web.firm_id, await night.station(km=1)
    await night.station(km=9)
    lift_id = await rows.lift(night.db, firm_id=firm, name="old lift", district="余杭区")
    place = {"address": "良渚街道 8 号 老楼", "district": "余杭区", "lon": 120.1, "lat": 30.2}
    taken = await call(night, "entrapment", **place)
    case_id = taken["case_id"]
    await night.pass_s(0)
    case = await night.read(case_id)
    assert (case["lift_id"], case["lift"]["name"], case["level"]) == (None, "良渚街道 8 号 老楼", 2)
    assert await night.orders(case_id) == [(2, near, "sent")]
    seen = await found(night, "良渚 老楼")
    assert [item["id"] for item in seen["cases"]] == [case_id]
    again = await call(night, "entrapment", case_id=case_id)
    assert (again["became"], again["lift_id"]) == ("joined-case", None)
    async with night.web.client(Role.MAINTAINER) as maintainer:
        assert (await maintainer.get(f"/api/v1/cases/{case_id}")).status_code == 404
        linked = await night.case(case_id, "lift", lift_id=lift_id)
        assert (linked["lift_id"], linked["lift"]["name"], linked["firm"]["id"]) == (lift_id, "old lift", firm)
        assert (await maintainer.get(f"/api/v1/cases/{case_id}")).status_code == 200
    assert await night.orders(case_id) == [(2, near, "sent"), (1, "firm", "sent")]
    assert "lift-linked" in await night.log(case_id)
    assert (await get(night, f"calls/{taken['id']}")).json()["lift_id"] == lift_id
    third = await call(night, "entrapment", lift_id=lift_id)
    assert (third["became"], third["case_id"]) == ("joined-case", case_id)


async def test_a_link_is_refused_where_it_would_mix_two_cases(night: Night) -> None:
    """A second link, a lift that has a running case of the kind, a stale version and a lift of the exercise are all refused."""
    busy, lift_id = await rows.lift(night.db), await rows.lift(night.db)
    drill = await rows.lift(night.db, exercise=True)
    other = (await call(night, "fault", lift_id=busy))["case_id"]
    case_id = (await call(night, "fault", address="somewhere 1"))["case_id"]
    version = await night.value("select version from rescue_case where id = $1", case_id)

    async def link(number: int, seen: int = version) -> httpx.Response:
        return await night.say(Role.DISPATCHER, f"cases/{case_id}/lift", {"lift_id": number}, seen)

    refused = await link(busy)
    assert refused.status_code == 409
    assert f"case {other}" in refused.json()["detail"]
    assert (await link(drill)).status_code == 409
    assert (await link(999_999)).status_code == 422
    stale = await link(lift_id, version + 1)
    assert (stale.status_code, stale.json()["current"]["id"]) == (412, case_id)
    assert (await link(lift_id)).status_code == 200
    assert (await link(lift_id, version + 1)).status_code == 409


async def test_a_call_raises_a_fault_case_to_an_entrapment(night: Night) -> None:
    """The firm was sent to mend: now somebody is trapped. Same case, the crew is told, its clocks begin, and it climbs."""
    firm, station = night.web.firm_id, await night.station()
    team = await night.team(firm)
    lift_id = await rows.lift(night.db, firm_id=firm)
    case_id = (await call(night, "fault", lift_id=lift_id, text="doors do not open"))["case_id"]
    await night.pass_s(0)
    assert await night.orders(case_id) == [(1, team, "sent")]
    assert await night.pending(case_id) == {"accept": 180}
    await night.pass_s(3_600)
    case = await night.read(case_id)
    assert (case["kind"], case["level"], case["timers"][-1]["kind"]) == ("fault", 1, "accept")
    assert ("not-accepted", "supervisor") in await night.told(case_id)
    raised = await call(night, "entrapment", lift_id=lift_id, trapped=1)
    assert (raised["became"], raised["case_id"]) == ("raised-case", case_id)
    assert await night.pending(case_id) == {"accept": 180, "arrive": 1_800}
    assert await night.orders(case_id) == [(1, team, "sent")]
    assert ("raised", "unit") in await night.told(case_id)
    await night.pass_s(180)
    assert await night.orders(case_id) == [(1, team, "sent"), (2, station, "sent")]
    case = await night.read(case_id)
    assert (case["kind"], case["trapped"], case["calls"]) == ("entrapment", 1, 2)
    assert "raised-to-entrapment" in await night.log(case_id)


async def test_a_fault_whose_firm_refuses_goes_to_the_supervisor_and_nowhere_else(night: Night) -> None:
    """No station and no 119 are sent to a fault; the level cannot be raised by hand, and no arrival clock runs."""
    await night.station()
    lift_id = await rows.lift(night.db, firm_id=night.web.firm_id)
    case_id = (await call(night, "fault", lift_id=lift_id))["case_id"]
    await night.pass_s(0)
    await night.order(await night.last_order(case_id), "refuse", reason="no parts")
    await night.pass_s(7_200)
    case = await night.read(case_id)
    assert (case["level"], [order["state"] for order in case["orders"]]) == (1, ["refused"])
    assert ("order-lost", "supervisor") in await night.told(case_id)
    raised = await night.say(Role.DISPATCHER, f"cases/{case_id}/level", {"level": 2, "reason": "far"}, case["version"])
    assert raised.status_code == 409


async def test_a_call_through_the_mini_program_waits_for_somebody_at_the_desk(night: Night) -> None:
    """Nobody has heard it: somebody is sent, and after a minute without anybody at the desk the supervisor is told."""
    lift_id = await rows.lift(night.db, firm_id=night.web.firm_id)
    case_id = (await call(night, "entrapment", channel="S05", lift_id=lift_id))["case_id"]
    await night.pass_s(60)
    case = await night.read(case_id)
    assert (case["acknowledged_by"], len(case["orders"])) == (None, 1)
    assert ("nobody-at-the-desk", "supervisor") in await night.told(case_id)
    await call(night, "entrapment", lift_id=lift_id)
    assert (await night.read(case_id))["acknowledged_by"] == "dispatcher key"


async def test_a_call_wakes_a_case_of_the_past(night: Night) -> None:
    """Late data said that it was over; a call says that it holds now: it runs like any other."""
    lift_id = await rows.lift(night.db, firm_id=night.web.firm_id)
    case_id = await rows.case(night.db, lift_id, past=True)
    taken = await call(night, "entrapment", lift_id=lift_id)
    await night.pass_s(0)
    case = await night.read(case_id)
    assert (taken["case_id"], case["past"], len(case["orders"])) == (case_id, False, 1)


async def test_a_complaint_nobody_answers(night: Night) -> None:
    """Not received within a day, not answered within five: the supervisor is told, and every day again, until it is answered."""
    lift_id, firm = await rows.lift(night.db), await night.firm()
    taken = await call(night, "complaint", lift_id=lift_id, text="noisy at night")
    number = taken["complaint_id"]
    joined = await call(night, "complaint", lift_id=lift_id, text="noisy here too")
    assert (joined["became"], joined["complaint_id"]) == ("joined-complaint", number)

    async def told() -> list[str]:
        found = await night.db.fetch("select topic from outbox where complaint_id = $1 order by id", number)
        return [row["topic"] for row in found]

    async def days(count: float) -> None:
        night.now += timedelta(days=count)
        await intake_round(night.db, night.now)
        await intake_round(night.db, night.now)

    await days(0.99)
    assert await told() == []
    await days(0.02)
    assert await told() == ["complaint-not-received"]
    await move(night, number, "receive")
    await move(night, number, "assign", words="measure and mend", firm_id=firm)
    await days(3)
    assert await told() == ["complaint-not-received", "complaint"]
    await days(1)
    await days(1)
    assert (await told())[2:] == ["complaint-not-answered"] * 2
    shown = (await get(night, "complaints", late=True)).json()["items"]
    assert number in [item["id"] for item in shown]
    await move(night, number, "answer", words="guide shoes replaced, told by telephone")
    closed = await move(night, number, "close")
    assert (closed["state"], closed["calls"], closed["timers"]) == ("closed", 2, [])
    await days(30)
    assert len(await told()) == 4
    detail = (await get(night, f"complaints/{number}")).json()
    assert [line["kind"] for line in detail["log"]] == [
        "opened", "call-joined", "not-received", "receive", "assign", "not-answered", "not-answered", "answer", "close",
    ]  # fmt: skip
    fresh = await call(night, "complaint", lift_id=lift_id, text="noisy again")
    assert fresh["became"] == "new-complaint"


async def move(night: Night, number: int, name: str, *, status: int = 200, **body: Any) -> Any:
    """A move of a complaint as it is now."""
    version = await night.value("select version from complaint where id = $1", number)
    answer = await night.say(Role.SUPERVISOR, f"complaints/{number}/moves", {"move": name, **body}, version)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_two_people_on_one_complaint(night: Night) -> None:
    """The second gets 412 with the complaint as it is; a move that is not allowed is 409, one without words or firm 422."""
    number = (await call(night, "complaint", address="somewhere 2", text="dark car"))["complaint_id"]
    assert (await night.say(Role.DISPATCHER, f"complaints/{number}/moves", {"move": "receive"}, 1)).status_code == 200
    late = await night.say(Role.DISPATCHER, f"complaints/{number}/moves", {"move": "receive"}, 1)
    assert (late.status_code, late.json()["current"]["state"]) == (412, "received")
    await move(night, number, "close", status=409)
    await move(night, number, "assign", status=422, words="look")
    await move(night, number, "answer", status=422)
    await move(night, number, "assign", status=422, words="look", firm_id=30_000)
    await move(night, number, "polish", status=422)


async def test_the_caller_s_data_is_erased(night: Night) -> None:
    """Name and number are for dispatcher and supervisor; every look is written down; thirty days on they are gone, and counted."""
    lift_id = await rows.lift(night.db)
    taken = await call(
        night,
        "question",
        lift_id=lift_id,
        text="when is it checked?",
        caller={"name": "王芳", "phone": "138 0000 0000"},
    )
    number, path = taken["id"], f"calls/{taken['id']}/caller"
    assert taken["caller"] == "kept"
    for role in (Role.ADMIN, Role.AUDITOR, Role.TESTER, Role.MAINTAINER):
        assert (await get(night, path, role)).status_code == 403
    seen = (await get(night, path, Role.SUPERVISOR)).json()
    assert (seen["name"], seen["phone"], seen["erased_at"]) == ("王芳", "138 0000 0000", None)
    await get(night, path)
    looks = (await get(night, f"calls/{number}/looks", Role.AUDITOR)).json()["items"]
    assert [look["person"] for look in looks] == ["dispatcher key", "supervisor key"]
    held = await call(night, "entrapment", lift_id=lift_id, caller={"phone": "139"})
    night.now += timedelta(days=29, hours=23)
    await intake_round(night.db, night.now)
    assert (await get(night, path)).json()["name"] == "王芳"
    night.now += timedelta(hours=1)
    await intake_round(night.db, night.now)
    gone = (await get(night, path)).json()
    assert (gone["name"], gone["phone"]) == ("", "")
    assert gone["erased_at"] is not None
    assert (await get(night, f"calls/{number}")).json()["caller"] == "erased"
    assert len((await get(night, f"calls/{number}/looks", Role.AUDITOR)).json()["items"]) == 3
    assert (await get(night, f"calls/{held['id']}/caller")).json()["phone"] == "139"  # its case is open
    await night.case(held["case_id"], "moves", move="cancel", confirmation="nobody inside", reason="false")
    await intake_round(night.db, night.now)
    assert (await get(night, f"calls/{held['id']}/caller")).json()["phone"] == ""


async def test_the_time_until_callers_are_erased_is_a_setting(night: Night) -> None:
    """A city may forget after a day; what cannot be used of the setting does not count."""
    taken = await call(night, "question", text="?", caller={"name": "A"})
    setting = {"caller_days": 1, "answer_s": "soon", "nonsense": 3}
    await night.db.execute("update setting set value = $1 where name = 'intake_limits'", setting)
    night.now += timedelta(days=1)
    await intake_round(night.db, night.now)
    assert (await get(night, f"calls/{taken['id']}")).json()["caller"] == "erased"
    await night.db.execute("update setting set value = '{}' where name = 'intake_limits'")


async def test_what_a_call_must_say(night: Night) -> None:
    """Each body that cannot be used is refused with the field and what was expected, and nothing is kept of it."""
    lift_id, before = await rows.lift(night.db), await night.value("select count(*) from call")
    case_id = (await call(night, "entrapment", lift_id=lift_id))["case_id"]
    wrong: list[tuple[str, str, dict[str, Any]]] = [
        ("entrapment", "/address", {}),
        ("complaint", "/text", {"lift_id": lift_id}),
        ("false-call", "/text", {"text": "  "}),
        ("entrapment", "/lift_id", {"lift_id": 999_999}),
        ("entrapment", "/case_id", {"case_id": 999_999}),
        ("entrapment", "/case_id", {"case_id": case_id, "lift_id": lift_id}),
        ("complaint", "/case_id", {"case_id": case_id, "text": "x"}),
        ("entrapment", "/lon", {"address": "x", "lon": 120.0}),
        ("entrapment", "/exercise", {"lift_id": lift_id, "exercise": True}),
        ("entrapment", "/channel", {"lift_id": lift_id, "channel": "S04"}),
        ("entrapment", "/caller/phone", {"lift_id": lift_id, "caller": {"phone": "call me"}}),
    ]
    for kind, pointer, body in wrong:
        problem = await call(night, kind, status=422, **body)
        assert [error["pointer"] for error in problem["errors"]] == [pointer], problem
    refused = await call(night, "fault", status=409, case_id=case_id)
    assert f"case {case_id}" in refused["detail"]
    assert await night.value("select count(*) from call") == before + 1


async def test_a_lift_is_found_while_typing(night: Night) -> None:
    """By rescue code, digits of it, register code, address, estate, building and any fragment of them, in any order and width."""
    firm = await night.firm("Swift Lifts")
    lift_id = await rows.lift(
        night.db, firm_id=firm, rescue_code="907731", register_code="31103301069988776655", name="2号梯", estate="翡翠花园",
        building="12幢", address="文三路 90 号", district="西湖区",
    )  # fmt: skip
    await rows.lift(
        night.db, rescue_code="907732", register_code="31103300000000000000", estate="翡翠花园", building="3幢", name="A%_b\\ lift",
    )  # fmt: skip
    await rows.device(night.db, lift_id)
    case_id = (await call(night, "fault", lift_id=lift_id))["case_id"]
    for words in ("907731", "77 翡翠 12", "998877", "文三路 翡翠", "花园 12幢", "９０７７３１", "西湖 2号"):
        first = (await found(night, words))["items"][0]
        assert first["id"] == lift_id, words
    assert (first["firm"]["name"], first["terminal"], first["running_cases"][0]["id"]) == ("Swift Lifts", True, case_id)
    becomes = {kind: value["became"] for kind, value in first["becomes"].items()}
    assert becomes == {
        "entrapment": "raised-case", "fault": "joined-case", "complaint": "new-complaint", "question": "noted",
        "false-call": "noted",
    }  # fmt: skip
    assert [item["rescue_code"] for item in (await found(night, "9077"))["items"]] == ["907732", "907731"]
    assert [item["name"] for item in (await found(night, "A%_b\\"))["items"]] == ["A%_b\\ lift"]
    for nothing in ("%%", "a_b", "翡翠 99幢", "  ", "号号"):
        assert (await found(night, nothing))["items"] == [], nothing
