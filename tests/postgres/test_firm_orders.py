"""A firm's people on their pages: a rescue from the order to the report, what another page had done meanwhile, and what nobody else sees."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api import people
from hoistway.model import Role
from tests.support import rows
from tests.support.firm import Page, Visit
from tests.support.night import Night
from tests.support.web import Api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wang(dispatch_api: Api) -> AsyncIterator[Visit]:
    visit = await Visit.of(dispatch_api, "Wang Wei")
    yield visit
    await visit.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rival(dispatch_api: Api) -> AsyncIterator[Visit]:
    await rows.firm(dispatch_api.db, "rival firm")
    visit = await Visit.of(dispatch_api, "Rival", firm="rival firm")
    yield visit
    await visit.close()


async def sent(night: Night, **lift: object) -> int:
    """An entrapment whose order has gone to a team of the own firm; answers the order."""
    firm_id = night.web.firm_id
    await night.team(firm_id, lon=120.11, lat=30.2)
    case_id = await night.trapped(firm_id=firm_id, **lift)
    await night.pass_s(1)
    return await night.last_order(case_id)


async def test_a_rescue_through_the_pages(night: Night, wang: Visit) -> None:
    """Accept, set out, arrive with a position, everybody out, done with a cause: each a button of the page, all in the database."""
    order_id = await sent(night, building="7", user_unit="River Property", user_unit_phone="0571-88 00")
    start = await wang.see("/firm")
    assert "River Park 7" in start.text
    assert "2 min 59 s left" in start.text
    accepted = await wang.press(start, "Accept")
    assert accepted.answer.url.path == f"/firm/orders/{order_id}"
    assert "tel:05718800" in accepted.answer.text
    assert 'href="geo:30.2,120.1?q=30.2,120.1(' in accepted.answer.text
    on_the_way = await wang.press(accepted, "On my way")
    arrived = await wang.press(on_the_way, "Arrived", lon="120.101", lat="30.2")
    assert "96 m from the lift" in arrived.text
    form = await wang.see(arrived.links["Everybody is out…"])
    told = await wang.press(form, "Everybody is out", method="levelled", trapped="2", injured="0", reason="all well")
    assert "levelled and opened" in told.text
    assert "The desk has your word" in told.text
    case_id = await night.value("select case_id from dispatch_order where id = $1", order_id)
    assert await night.value("select state from rescue_case where id = $1", case_id) == "on_site"
    form = await wang.see(told.links["Done, with the cause…"])
    done = await wang.press(form, "Done", cause="301", reason="lock adjusted")
    assert "301 car-door lock" in done.text
    document = await night.read(case_id)
    report = document["orders"][0]["report"]
    assert (report["metres"], report["released_by"], report["release_method"], report["trapped"], report["cause"]) == (
        96, "Wang Wei", "levelled", 2, 301,
    )  # fmt: skip
    log = await night.db.fetch(
        "select kind, person, role from case_event where case_id = $1 and person is not null order by seq", case_id
    )
    assert [(row["kind"], row["person"], row["role"]) for row in log] == [
        (kind, "Wang Wei", "maintainer")
        for kind in (
            "order-accepted", "order-on-the-way", "arrival-position", "order-arrived", "release-reported", "cause", "order-done",
        )
    ]  # fmt: skip


async def test_the_report_of_a_crew_ends_no_case(night: Night, wang: Visit) -> None:
    """Only the desk's word ends an entrapment: its clock runs on after the crew's report, and the page says when the desk has confirmed."""
    order_id = await sent(night)
    page = await wang.press(await wang.see(f"/firm/orders/{order_id}"), "Arrived")
    form = await wang.see(page.links["Everybody is out…"])
    page = await wang.press(form, "Everybody is out", method="forced", trapped="1", injured="1")
    case_id = await night.value("select case_id from dispatch_order where id = $1", order_id)
    assert "release" in await night.pending(case_id)
    assert "The desk has your word" in page.text
    await night.release(case_id)
    assert "The desk has confirmed" in (await wang.see(f"/firm/orders/{order_id}")).text


async def test_a_refusal_needs_a_reason(night: Night, wang: Visit) -> None:
    """Without one the form comes back with the mark at its field; with one the order is refused and the next level goes out."""
    await night.station()
    order_id = await sent(night)
    form = await wang.see(f"/firm/orders/{order_id}/refuse")
    again = await wang.press(form, "Refuse", reason="  ")
    assert (again.status, "Say why" in again.text) == (422, True)
    assert 'aria-describedby="wrong-reason"' in again.answer.text
    refused = await wang.press(again, "Refuse", reason="no car tonight")
    assert "refused" in refused.text
    case_id = await night.value("select case_id from dispatch_order where id = $1", order_id)
    assert [level for level, _, _ in await night.orders(case_id)] == [1, 2]
    failed = await sent(night)
    accepted = await wang.press(await wang.see(f"/firm/orders/{failed}"), "Accept")
    gave_up = await wang.press(
        await wang.see(accepted.links["We cannot do it…"]), "We cannot do it", reason="flat tyre"
    )
    assert "flat tyre" in gave_up.text


@pytest.mark.parametrize(
    ("form", "button", "typed", "said"),
    [
        ("release", "Everybody is out", {"trapped": "2", "injured": "0"}, "Choose one"),
        ("release", "Everybody is out", {"method": "forced", "trapped": "two", "injured": "0"}, "A whole number"),
        ("release", "Everybody is out", {"method": "forced", "trapped": "", "injured": "0"}, "A whole number"),
        ("release", "Everybody is out", {"method": "forced", "trapped": "1", "injured": "2"}, "More injured"),
        ("release", "Everybody is out", {"method": "magic", "trapped": "1", "injured": "0"}, "Choose one"),
        ("finish", "Done", {"cause": ""}, "Choose a cause"),
        ("finish", "Done", {"cause": "999"}, "Choose a cause"),
    ],
)
async def test_wrong_words_come_back_with_what_was_typed(
    night: Night, wang: Visit, form: str, button: str, typed: dict[str, str], said: str
) -> None:
    """A field that cannot be used is marked, nothing is written, and what was typed is still there."""
    order_id = await sent(night)
    await wang.press(await wang.see(f"/firm/orders/{order_id}"), "Arrived")
    page = await wang.press(await wang.see(f"/firm/orders/{order_id}/{form}"), button, reason="kept words", **typed)
    assert page.status == 422
    assert said in page.text
    assert "kept words" in page.text
    assert await night.value("select count(*) from order_report where order_id = $1", order_id) == 0
    assert await night.value("select state from dispatch_order where id = $1", order_id) == "arrived"


@pytest.mark.parametrize(("lat", "lon"), [("91", "120"), ("30", ""), ("thirty", "120"), ("30", "1e3"), ("nan", "0")])
async def test_a_wrong_position_is_refused_in_words(night: Night, wang: Visit, lat: str, lon: str) -> None:
    """Typed positions are degrees, both of them or neither."""
    order_id = await sent(night)
    page = await wang.press(await wang.see(f"/firm/orders/{order_id}/arrive"), "Arrived", lat=lat, lon=lon)
    assert page.status == 422
    assert "Latitude -90 to 90" in page.text
    assert await night.value("select state from dispatch_order where id = $1", order_id) == "sent"


async def test_an_old_page_says_what_happened_meanwhile(night: Night, wang: Visit) -> None:
    """The desk has called the order back: the crew's press changes nothing, and the page says who did what, when and why, and what is now."""
    order_id = await sent(night)
    old = await wang.see(f"/firm/orders/{order_id}")
    await night.order(order_id, "stand_down", reason="the guests went home")
    page = await wang.press(old, "Accept")
    assert page.status == 412
    assert "“Accept” was not done" in page.text
    assert "Now: Stood down" in page.text
    assert "dispatcher key (dispatcher)" in page.text
    assert "the guests went home" in page.text
    assert await night.value("select state from dispatch_order where id = $1", order_id) == "stood_down"
    assert page.links["See the order as it is now"] == f"/firm/orders/{order_id}"


async def test_what_was_written_on_an_old_page_is_not_lost(night: Night, wang: Visit) -> None:
    """The words of a refused form stand on the page that says why."""
    order_id = await sent(night)
    old = await wang.see(f"/firm/orders/{order_id}/refuse")
    await wang.press(await wang.see(f"/firm/orders/{order_id}"), "Accept")
    page = await wang.press(old, "Refuse", reason="the bridge is closed")
    assert page.status == 412
    assert "the bridge is closed" in page.text
    assert "order accepted" in page.text


async def test_a_button_pressed_twice_is_pressed_once(night: Night, wang: Visit) -> None:
    """The second press of the same person on a slow line ends on the order, not in an error; another person's page is told."""
    order_id = await sent(night)
    old = await wang.see(f"/firm/orders/{order_id}")
    await wang.press(old, "Accept")
    again = await wang.press(old, "Accept")
    assert (again.status, again.answer.url.path) == (200, f"/firm/orders/{order_id}")
    other = await Visit.of(night.web, "Wang's colleague")
    page = await other.press(old, "Accept", csrf=(await other.see("/firm/people")).forms[-1].values["csrf"])
    assert page.status == 412
    assert "Wang Wei" in page.text
    accepted = await night.db.fetch("select 1 from case_event where kind = 'order-accepted' and (after ->> 'order_id')::bigint = $1", order_id)  # fmt: skip
    assert len(accepted) == 1
    await other.close()


async def test_nothing_of_another_firm(night: Night, wang: Visit, rival: Visit) -> None:
    """A foreign order, form or move answers as one that does not exist; lists hold none of it."""
    order_id = await sent(night, estate="Only Ours")
    own = await wang.see(f"/firm/orders/{order_id}")
    token = (await rival.see("/firm")).forms[-1].values["csrf"]
    data = {
        "csrf": token,
        "version": "1",
        "seen": "0",
        "move": "accept",
        "method": "forced",
        "trapped": "1",
        "injured": "0",
    }
    assert own.status == 200
    for path in ("", "/refuse", "/release"):
        foreign = await rival.see(f"/firm/orders/{order_id}{path}")
        missing = await rival.see(f"/firm/orders/999999{path}")
        assert (foreign.status, foreign.text) == (404, missing.text)
    for path in ("moves", "release"):
        foreign, missing = [
            await rival.client.post(f"/firm/orders/{number}/{path}", data=data) for number in (order_id, 999_999)
        ]
        assert foreign.status_code == missing.status_code == 404
        assert foreign.text == missing.text.replace("999999", str(order_id))
    assert "Only Ours" not in (await rival.see("/firm")).text
    assert await night.value("select state from dispatch_order where id = $1", order_id) == "sent"


async def test_a_station_of_another_firm_sees_what_it_needs_and_no_more(night: Night, rival: Visit) -> None:
    """Level 2 of another firm: place, way in and people while its order lives; not the contract firm's orders, and no way in afterwards."""
    firm_id = await night.value("select id from firm where name = 'rival firm'")
    await night.team(night.web.firm_id, name="the secret team")
    await night.station(firm_id=firm_id, name="rival station")
    case_id = await night.trapped(firm_id=night.web.firm_id, estate="Lake View")
    await night.db.execute(
        "insert into lift_access (lift_id, gate_code, updated_at, updated_by)"
        " select lift_id, '4711#', now(), 'x' from rescue_case where id = $1", case_id,
    )  # fmt: skip
    await night.pass_s(181)
    order_id = await night.last_order(case_id)
    page = await rival.see(f"/firm/orders/{order_id}")
    assert "Lake View" in page.text
    assert "4711#" in page.text
    assert "secret team" not in page.answer.text
    assert (
        f"/firm/lifts/{await night.value('select lift_id from rescue_case where id = $1', case_id)}"
        not in page.answer.text
    )
    await night.order(order_id, "stand_down", reason="the firm is there")
    over = await rival.see(f"/firm/orders/{order_id}")
    assert "stood down" in over.text
    assert "4711#" not in over.text


async def test_a_form_needs_the_token_of_its_session(night: Night, wang: Visit) -> None:
    """A move without the token, with another's, or sent by another site is refused, as a page, and changes nothing."""
    order_id = await sent(night)
    page = await wang.see(f"/firm/orders/{order_id}")
    for changed, headers in (
        ({"csrf": ""}, {}),
        ({"csrf": "x" * 32}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Origin": "https://elsewhere.test"}),
    ):
        data = {**page.form_with("Accept").values, "move": "accept", **changed}
        answer = await wang.client.post(f"/firm/orders/{order_id}/moves", data=data, headers=headers)
        assert answer.status_code == 403
        assert "Not allowed" in Page(answer).text
    multipart = await wang.client.post(
        f"/firm/orders/{order_id}/moves", files={"move": (None, "accept")}, headers={"X-CSRF-Token": page.form_with("Accept").values["csrf"]}
    )  # fmt: skip
    assert multipart.status_code == 415
    assert await night.value("select state from dispatch_order where id = $1", order_id) == "sent"


async def test_the_pages_are_for_a_firm_s_people(night: Night) -> None:
    """A stranger is led to the login and back; a dispatcher is told; a machine's key has no pages."""
    order_id = await sent(night)
    stranger = Visit(night.web, "")
    answer = await stranger.client.get(f"/firm/orders/{order_id}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next=%2Ffirm%2Forders%2F{order_id}")
    login = await stranger.see(answer.headers["Location"])
    assert login.forms[0].values["next"] == f"/firm/orders/{order_id}"
    dispatcher = await Visit.of(night.web, "A dispatcher", role=Role.DISPATCHER)
    assert (await dispatcher.see("/firm")).status == 403
    async with night.web.client(Role.MAINTAINER) as machine:
        assert (await machine.get("/firm")).headers["Location"].startswith("/login")
    await stranger.close()
    await dispatcher.close()


async def test_a_firm_s_person_lands_on_the_firm_s_pages(night: Night) -> None:
    """A one-time link leads a maintainer to the orders, a password to the page that was asked for, and never to another site."""
    async with night.db.acquire() as connection:
        await people.create_person(connection, "Lands", Role.MAINTAINER, "own firm", "a long password")
        link = await people.create_login_link(connection, "Lands")
    visit = Visit(night.web, "")
    by_link = await visit.client.post("/login/link", data={"token": link})
    assert by_link.headers["Location"] == "/firm"
    assert (await visit.client.get("/")).headers["Location"] == "/firm"
    for wanted, lands in (
        ("/firm/orders/7", "/firm/orders/7"),
        ("//elsewhere.test", "/firm"),
        ("https://elsewhere.test/firm", "/firm"),
        ("/firm/../console", "/firm"),
        ("", "/firm"),
    ):
        data = {"name": "Lands", "password": "a long password", "next": wanted}
        answer = await visit.client.post("/login", data=data)
        assert (answer.status_code, answer.headers["Location"]) == (303, lands)
    await visit.close()


async def test_a_page_loads_itself_again_unless_somebody_types(night: Night, wang: Visit) -> None:
    """Lists and orders refresh without a script and can be told to stand still; forms never do."""
    order_id = await sent(night)
    for path, refreshes in (
        ("/firm", True),
        (f"/firm/orders/{order_id}", True),
        ("/firm?still=1", False),
        (f"/firm/orders/{order_id}/refuse", False),
        (f"/firm/orders/{order_id}/arrive", False),
    ):
        page = await wang.see(path)
        assert ('http-equiv="refresh" content="15"' in page.answer.text) is refreshes, path
    assert page.answer.headers["Permissions-Policy"] == "camera=(), microphone=(), geolocation=(self)"
    assert (await wang.client.get("/login")).headers["Permissions-Policy"].endswith("geolocation=()")


async def test_the_api_reports_as_the_page_does(night: Night) -> None:
    """A firm's machine moves its order with position and cause, and reports the release; words in the wrong place are refused."""
    order_id = await sent(night)
    where = {"lon": 120.1, "lat": 30.21}
    assert (await night.say(Role.MAINTAINER, f"orders/{order_id}/moves", {"move": "accept", "position": where}, 1)).status_code == 422  # fmt: skip
    early = {"release_method": "levelled", "trapped": 1, "injured": 0}
    assert (await night.say(Role.MAINTAINER, f"orders/{order_id}/release-report", early, 1)).status_code == 409
    await night.order(order_id, "arrive", Role.MAINTAINER, position=where)
    answer = await night.say(Role.MAINTAINER, f"orders/{order_id}/release-report", early, 2, key="once")
    document = night.web.check("/api/v1/orders/{order_id}/release-report", answer, "post")
    assert (document["report"]["metres"], document["report"]["trapped"], document["version"]) == (1112, 1, 3)
    hurt = {**early, "injured": 2}
    assert (await night.say(Role.MAINTAINER, f"orders/{order_id}/release-report", hurt, 3)).status_code == 422
    old = await night.say(Role.MAINTAINER, f"orders/{order_id}/release-report", early, 2)
    assert (old.status_code, old.json()["current"]["version"]) == (412, 3)
    wrong = await night.say(Role.MAINTAINER, f"orders/{order_id}/moves", {"move": "finish", "cause": 999}, 3)
    assert wrong.status_code == 422
    done = await night.order(order_id, "finish", Role.MAINTAINER, cause=201, reason="the power is back")
    assert (done["report"]["cause"], done["report"]["remark"]) == (201, "the power is back")


async def test_the_desk_speaks_for_a_crew(night: Night) -> None:
    """What the desk enters of a crew on the telephone names the crew in the log."""
    order_id = await sent(night)
    await night.order(order_id, "arrive", position={"lon": 120.1, "lat": 30.2})
    body = {"release_method": "hand-winding", "trapped": 1, "injured": 0}
    assert (await night.say(Role.DISPATCHER, f"orders/{order_id}/release-report", body, 2)).status_code == 200
    lines = await night.db.fetch(
        "select kind, after from case_event where (after ->> 'order_id')::bigint = $1 and person = 'dispatcher key'",
        order_id,
    )
    unit_id = await night.value("select unit_id from dispatch_order where id = $1", order_id)
    crew = {"unit_id": unit_id, "firm_id": night.web.firm_id}
    assert {row["kind"]: row["after"]["on_behalf_of"] for row in lines} == dict.fromkeys(
        ("arrival-position", "order-arrived", "release-reported"), crew
    )


async def test_a_list_that_is_too_long_says_so(night: Night, wang: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most urgent orders are listed, and the page says that there are more."""
    monkeypatch.setattr("api.firm.orders.FIRM_LIVE_ORDERS", 1)
    await sent(night)
    assert "There are more" not in (await wang.see("/firm")).text
    await sent(night)
    page = await wang.see("/firm")
    assert "these are the 1 most urgent" in page.text
    assert len([form for form in page.forms if "Accept" in form.buttons]) == 1
