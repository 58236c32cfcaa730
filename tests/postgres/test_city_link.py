"""What a city's platform hears of a night, and what it does not: stories on a jumping clock with a platform that can be away, stumble and refuse."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatch.citylink.form import shipped_form
from dispatch.citylink.platform import Platform
from dispatch.citylink.queue import end_link, send_again, set_link
from dispatch.citylink.sender import DUTY, Outcome, Sender
from dispatch.duty import Duty
from hoistway.errors import Fenced
from hoistway.limits import CITY_LATE_S
from hoistway.model import Role
from ingest.changes import ChangeKind
from tests.support import rows
from tests.support.city_platform import CLIENT, CityPlatform, city_platform
from tests.support.night import Night

FAULT = "stopped-outside-zone"
CODES = '[[rule]]\nid = "{0}"\ncodes = {{ province = "{1}", shanghai = "{1}" }}\n'


@pytest.fixture
def city() -> Iterator[CityPlatform]:
    with city_platform() as found:
        yield found


class Link:
    """The link of one night: a sender on the night's clock."""

    def __init__(self, night: Night, city: CityPlatform, secrets: Path) -> None:
        self.night, self.city, self.secrets = night, city, secrets
        self.sender = self.new_sender()

    def new_sender(self) -> Sender:
        return Sender(self.night.db, Duty(self.night.db, DUTY), partial(Platform, secrets=self.secrets))

    async def on(self, form: str = "province", **settings: Any) -> None:
        """Turn the link on, and take the duty."""
        given = {"address": self.city.address, "supplier": "HZ01", "token_address": None, "client": None, **settings}
        async with self.night.db.acquire() as connection:
            await set_link(connection, shipped_form(form), now=self.night.now, **given)
        await self.take()

    async def take(self) -> None:
        """The duty, whoever had it."""
        await self.night.db.execute("update duty set expires_at = now() - interval '1 s' where name = $1", DUTY)
        assert await self.sender._duty.take()

    async def round(self) -> Outcome:
        return await self.sender.round(self.night.now)

    async def push(self, seconds: float = 0) -> None:
        """Let time pass and send until nothing is due."""
        await self.night.pass_s(seconds)
        while (await self.round()).settled:
            pass

    def heard(self) -> list[tuple[str, str]]:
        """Order number and status of everything that the platform took."""
        return [(body["order_no"], body["fault_status"]) for body in self.city.taken]

    async def states(self) -> list[tuple[str, str, str | None]]:
        found = await self.night.db.fetch("select step, state, reason from city_record order by id")
        return [(row["step"], row["state"], row["reason"]) for row in found]


@pytest_asyncio.fixture(loop_scope="session")
async def link(night: Night, city: CityPlatform, tmp_path: Path) -> AsyncIterator[Link]:
    """A platform of this night only; nothing of earlier nights is told."""
    await night.db.execute(
        "update alarm set condition = 'cleared', cleared_at = raised_at, chattering = false, operator_state = 'acknowledged'"
    )
    for table in ("city_answer", "city_record", "city_difference", "city_reconciliation", "city_link"):
        await night.db.execute(f"delete from {table}")
    await rows.rule(night.db, FAULT, version="v", text=CODES.format(FAULT, "04"))
    await rows.rule(
        night.db, "entrapment-between-floors", version="v", text=CODES.format("entrapment-between-floors", "11")
    )
    await rows.rule(night.db, "platform-own", version="v", text='[[rule]]\nid = "platform-own"\n')
    await night.db.execute("update rule_version set opens = 'ticket' where rule_id in ($1, 'platform-own')", FAULT)
    found = Link(night, city, tmp_path)
    yield found
    found.sender.close()
    await night.db.execute("update city_link set ended_at = now()")


async def rescued(night: Night, case_id: int) -> None:
    """Accepted, on site, released."""
    order = await night.last_order(case_id)
    await night.pass_s(30)
    await night.order(order, "accept", Role.MAINTAINER)
    await night.pass_s(600)
    await night.order(order, "arrive", Role.MAINTAINER)
    await night.pass_s(120)
    await night.release(case_id)


async def test_a_rescue_is_told_step_by_step(link: Link) -> None:
    """Occurred, responded, arrived, done: each in the transaction of what it tells, each once, in order."""
    night = link.night
    await link.on()
    firm = night.web.firm_id
    await night.team(firm)
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(1)
    await rescued(night, case_id)
    await link.push()
    number = f"HZ01-C{case_id}"
    assert link.heard() == [(number, "01"), (number, "02"), (number, "04"), (number, "00")]
    last = link.city.taken[-1]
    assert last["operation"] == "UPDATE"
    assert last["response_time"] < last["arrival_time"] < last["end_time"]
    answers = await night.db.fetch("select kind, status, text from city_answer order by id")
    assert {tuple(row.values()) for row in answers} == {("accepted", 200, '{"code": 0}')}
    await link.push(3_600)
    assert len(link.heard()) == 4


async def test_the_car_as_it_was_goes_with_it(link: Link) -> None:
    """The Shanghai type has the last sample that counted when it happened; floors by their label."""
    night = link.night
    await rows.move_samples_to_days(night.db)
    await night.db.execute("insert into floor_label (id, label) values (7, '12A') on conflict do nothing")
    await link.on("shanghai")
    lift_id = await rows.lift(night.db)
    batch_no = await rows.batch(night.db)
    for before_s, passenger in ((200, 0), (20, 0), (2, 1)):
        at = night.now - timedelta(seconds=before_s)
        await rows.sample(night.db, lift_id, at, batch_no=batch_no, passenger=passenger, car_position=7, speed=0.0)
    await night.trapped(lift_id)
    await link.push(1)
    (body,) = link.city.taken
    found = {one["paramCode"]: one["paramValue"] for one in body["statusDetails"]}
    assert found == {
        "speed": "0.0",
        "Passenger_Status": "true",
        "Car_Position": "12A",
        "Package_Time": body["statusCollectTime"],
    }
    assert (body["alarmChannel"], body["failureCode"]) == ("S04", "11")


async def test_a_fault_is_told_when_it_comes_and_when_it_goes(link: Link) -> None:
    """Coming again on the same row is told as another; what the platform has no code for is left out; notices are not told."""
    night = link.night
    await link.on()
    lift_id = await rows.lift(night.db)
    await night.alarm(lift_id, FAULT, "ticket")
    await night.alarm(lift_id, "platform-own", "ticket")
    await night.alarm(lift_id, "door-held-open", "notice")
    number = f"HZ01-A{await night.value('select id from alarm where lift_id = $1 and rule_id = $2', lift_id, FAULT)}"
    await night.pass_s(700)
    await night.alarm(lift_id, FAULT, "ticket", kind=ChangeKind.CLEAR)
    await night.pass_s(700)
    await night.alarm(lift_id, FAULT, "ticket")
    await link.push()
    assert link.heard() == [(number, "01"), (number, "00"), (f"{number}-2", "01")]
    assert ("occurred", "left-out", "no-code") in await link.states()


async def test_chattering_is_told_once(link: Link) -> None:
    """Three raises within ten minutes are one alarm, and its coming and going is not the platform's business."""
    night = link.night
    await link.on()
    lift_id = await rows.lift(night.db)
    for _ in range(5):
        await night.alarm(lift_id, FAULT, "ticket")
        await night.pass_s(30)
        await night.alarm(lift_id, FAULT, "ticket", kind=ChangeKind.CLEAR)
        await night.pass_s(30)
    await link.push()
    assert [status for _, status in link.heard()] == ["01", "00", "01", "00", "01"]
    await night.db.execute("update alarm set chattering = false where lift_id = $1", lift_id)
    await link.push()
    assert [status for _, status in link.heard()][-1] == "00"


async def test_a_false_alarm_is_told_as_one(link: Link) -> None:
    """A cancelled case, and one in which nobody was."""
    night = link.night
    await link.on()
    cancelled, empty = await night.trapped(), await night.trapped()
    await night.case(cancelled, "moves", move="cancel", confirmation="nobody inside, by voice", reason="test call")
    await night.case(empty, "moves", move="release", confirmation="nobody inside", release_method="nobody-inside")
    await night.case(empty, "moves", move="close")
    await link.push()
    told = {
        case_id: [status for number, status in link.heard() if number == f"HZ01-C{case_id}"]
        for case_id in (cancelled, empty)
    }
    assert told == {cancelled: ["01", "05"], empty: ["01", "05"]}


async def test_an_alarm_call_is_told_when_it_is_an_entrapment(link: Link) -> None:
    """The button alone is none; nobody answers, and it is one. No code of the button's goes out for it."""
    night = link.night
    await link.on()
    lift_id = await rows.lift(night.db)
    await night.alarm(lift_id, "alarm-button", "alarm-call")
    await link.push(1)
    assert link.heard() == []
    await link.push(60)
    (body,) = link.city.taken
    assert (body["fault_code"], body["fault_status"]) == ("11", "01")


async def test_the_platform_is_away_for_an_hour(link: Link) -> None:
    """Nothing is lost and nothing overtakes: when it is back it hears all, each lift in order, each record once. Meanwhile it is said."""
    night, city = link.night, link.city
    await link.on()
    firm = night.web.firm_id
    await night.team(firm)
    city.away = True
    cases = []
    for _ in range(3):
        case_id = await night.trapped(firm_id=firm)
        await link.push(1)
        await rescued(night, case_id)
        cases.append(case_id)
    await link.push(CITY_LATE_S)
    await night.db.execute("update city_record set created_at = created_at - interval '1 h'")
    row = await night.db.fetchrow("select failures, trouble, rests_until - $1 as rests from city_link", night.now)
    assert row is not None
    assert row["failures"] >= 4
    assert "RemoteDisconnected" in row["trouble"]
    async with night.web.client(Role.AUDITOR) as client:
        notes = (await client.get("/health/ready")).json()["notes"]
        (state,) = night.web.check("/api/v1/city-link", await client.get("/api/v1/city-link"))["items"]
    assert [note["code"] for note in notes] == ["city-link-late"]
    assert (state["late"], state["waiting"]) == (True, 12)
    city.away = False
    await link.push(300)
    await link.push(300)
    for case_id in cases:
        told = [status for number, status in link.heard() if number == f"HZ01-C{case_id}"]
        assert told == ["01", "02", "04", "00"]
    assert len(link.heard()) == 12
    assert await night.value("select trouble from city_link") is None


async def test_a_refused_record_is_seen_mended_and_sent_again(link: Link) -> None:
    """Its later steps wait for it, the lift's other alarms do not; made anew after the mend it goes, and they follow in order."""
    night, city = link.night, link.city
    await link.on()
    case_id = await night.trapped(register_code="33010000002026110001")
    lift_id = await night.value("select lift_id from rescue_case where id = $1", case_id)
    city.says = lambda body: (422, {"message": "无此电梯"}) if body["reg_cod"].endswith("0001") else None
    await link.push(1)
    await night.release(case_id)
    await night.alarm(lift_id, FAULT, "ticket")
    assert link.heard() == []
    await link.push(1)
    assert await link.states() == [
        ("occurred", "refused", "无此电梯"), ("done", "waiting", None), ("occurred", "refused", "无此电梯"),
    ]  # fmt: skip
    await night.db.execute("update lift set register_code = '33010000002026110002' where id = $1", lift_id)
    async with night.web.client(Role.SUPERVISOR) as client:
        answer = await client.get("/api/v1/city-link/records", params={"state": "refused"})
        refused = night.web.check("/api/v1/city-link/records", answer)["items"]
        assert [one["reason"] for one in refused] == ["无此电梯"] * 2
        first = refused[-1]["id"]
        again = await client.post(f"/api/v1/city-link/records/{first}/again")
        assert night.web.check("/api/v1/city-link/records/{record_id}/again", again, "post") == {"ids": [first]}
        assert (await client.post(f"/api/v1/city-link/records/{first}/again")).json() == {"ids": []}
        assert (await client.post("/api/v1/city-link/records/999999/again")).status_code == 404
    await link.push(1)
    number = f"HZ01-C{case_id}"
    assert link.heard() == [(number, "01"), (number, "00")]
    told = await night.db.fetch("select kind, person from city_answer where record_id = $1 order by id", first)
    assert [tuple(row.values()) for row in told] == [("refused", None), ("again", "supervisor key"), ("accepted", None)]


async def test_a_lift_without_its_code_is_incomplete_until_it_has_one(link: Link) -> None:
    """Said, not invented; nothing was sent. Health says it, and the page has the button."""
    night = link.night
    await link.on()
    case_id = await night.trapped(register_code=None)
    await link.push(1)
    assert link.city.raw == []
    assert await link.states() == [("occurred", "incomplete", "reg_cod")]
    async with night.web.client(Role.AUDITOR) as client:
        assert [note["code"] for note in (await client.get("/health/ready")).json()["notes"]] == ["city-link-refused"]
        assert "reg_cod：在电梯登记中补录 register_code" in (await client.get("/city-link")).text
    await night.db.execute(
        "update lift set register_code = '33010000002026110009' where id = (select lift_id from rescue_case where id = $1)",
        case_id,
    )
    async with night.db.acquire() as connection:
        assert len(await send_again(connection, "province", None, person="li", now=night.now)) == 1
    await link.push()
    assert link.heard() == [(f"HZ01-C{case_id}", "01")]


async def test_a_record_that_trips_the_platform_up_holds_its_lift_alone(link: Link) -> None:
    """It is tried for ever; the others go on."""
    night, city = link.night, link.city
    await link.on()
    bad = await night.trapped()
    number = f"HZ01-C{bad}"
    city.says = lambda body: (500, {}) if body["order_no"] == number else None
    good = [await night.trapped() for _ in range(3)]
    await link.push(1)
    await night.release(bad)
    await link.push(600)
    assert {one for one, _ in link.heard()} == {f"HZ01-C{case_id}" for case_id in good}
    city.says = lambda _body: None
    await link.push(600)
    assert link.heard()[-2:] == [(number, "01"), (number, "00")]
    tries = await night.value("select tries from city_record where case_id = $1 and step = 'occurred'", bad)
    assert 2 < tries < 10


async def test_killed_between_sending_and_marking(link: Link) -> None:
    """The next process sends the same bytes again; the platform knows them and takes them once. The old one can mark nothing."""
    night, city = link.night, link.city
    await link.on()
    case_id = await night.trapped()

    class Killed(BaseException):
        """kill -9."""

    async def die(*_arguments: object) -> Any:
        raise Killed

    link.sender._note = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await link.round()
    assert link.heard() == [(f"HZ01-C{case_id}", "01")]
    old, link.sender = link.sender, link.new_sender()
    await link.take()
    with pytest.raises(Fenced):
        await old.round(night.now)
    await link.push(1)
    assert link.heard() == [(f"HZ01-C{case_id}", "01")]
    assert len(city.raw) == 2
    assert city.raw[0] == city.raw[1]
    assert await link.states() == [("occurred", "accepted", None)]
    old.close()


async def test_a_fault_of_ours_with_one_link_holds_up_no_other(link: Link) -> None:
    """It is said on that link, which rests; the other platform hears."""
    night = link.night
    await link.on("shanghai")
    await link.on("province")
    make = link.sender._make

    def broken(one: Any, form: Any) -> Platform:
        if form.name == "province":
            raise KeyError("address")
        return make(one, form)

    link.sender._make = broken
    await night.trapped()
    await link.push(1)
    assert [body["failureCode"] for body in link.city.taken] == ["11"]
    assert await night.value("select trouble from city_link where form = 'province'") == "KeyError: 'address'"


async def test_an_exercise_never_leaves(link: Link) -> None:
    """No record is written for one, and the database takes none."""
    night = link.night
    await link.on()
    lift_id = await rows.lift(night.db, exercise=True)
    case_id = await night.trapped(lift_id)
    await night.alarm(lift_id, FAULT, "ticket")
    await night.release(case_id)
    await link.push(600)
    assert (link.city.raw, await link.states()) == ([], [])
    with pytest.raises(asyncpg.CheckViolationError):
        await night.db.execute(
            "insert into city_record (form, lift_id, case_id, step, at, exercise) values ('province', $1, $2, 'occurred', now(), true)",
            lift_id,
            case_id,
        )


async def test_a_link_hears_first_of_what_is_open(link: Link) -> None:
    """Turned on in the middle of a night; and, off for a while, of what ended meanwhile. Off, nothing is noted."""
    night = link.night
    before = await night.trapped()
    over = await night.trapped()
    await night.release(over)
    assert await link.states() == []
    await link.on()
    await link.push(1)
    assert link.heard() == [(f"HZ01-C{before}", "01")]
    async with night.db.acquire() as connection:
        assert await end_link(connection, "province", night.now)
        assert not await end_link(connection, "province", night.now)
    await night.release(before)
    later = await night.trapped()
    await link.push(1)
    assert len(await link.states()) == 1
    await link.on()
    await link.push(1)
    assert sorted(link.heard()[1:]) == sorted(
        [(f"HZ01-C{before}", "00"), (f"HZ01-C{later}", "01")]
    )  # of two lifts: in any order


async def test_a_token_is_shown(night: Night, link: Link) -> None:
    """OAuth with the secret of a file; a wrong secret makes the link rest, not the record refused."""
    with city_platform(secret="good") as city:
        link.city = city
        (link.secrets / "province").write_text("wrong\n", "utf-8")
        await link.on(token_address=city.token_address, client=CLIENT)
        case_id = await night.trapped()
        await link.push(1)
        assert await link.states() == [("occurred", "waiting", None)]
        assert "HTTP 401 without a token" in await night.value("select trouble from city_link")
        (link.secrets / "province").write_text("good\n", "utf-8")
        await link.push(10)
        assert link.heard() == [(f"HZ01-C{case_id}", "01")]
        city.good_tokens.clear()
        await night.release(case_id)
        await link.push(1)
        assert (link.heard()[-1], city.tokens) == ((f"HZ01-C{case_id}", "00"), 2)


async def test_both_platforms_hear_each_in_its_form(link: Link) -> None:
    """One that refuses holds up nobody else's."""
    night = link.night
    await link.on("shanghai", address=f"{link.city.address}?city")
    await link.on("province")
    link.city.says = lambda body: (400, {"message": "no"}) if "alarmId" in body else None
    case_id = await night.trapped()
    await link.push(1)
    assert link.heard() == [(f"HZ01-C{case_id}", "01")]
    found = await night.db.fetch("select form, state from city_record order by form")
    assert [tuple(row.values()) for row in found] == [("province", "accepted"), ("shanghai", "refused")]
    assert json.loads(link.city.raw[1])["alarmId"] == f"HZ01-C{case_id}"
