"""A person of a firm with a browser that has no script: reads pages, and presses the buttons that stand on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from api import people
from api.access import COOKIE
from hoistway.model import Role
from tests.support.web import Api


@dataclass
class Form:
    """One form as a browser would send it."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)  # text: name, value


class Page(HTMLParser):
    """What a page says and what may be pressed on it."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer, self.status = answer, answer.status_code
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.unlabelled: list[str] = []
        self.labels = 0
        self._texts: list[str] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._button = self._link = ""
        self.feed(answer.text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open.append((tag, given))
        match tag:
            case "form":
                self.forms.append(Form(action=given["action"], method=given["method"]))
            case "input" | "select" | "textarea":
                self._take(tag, given)
            case "option" if "selected" in given:
                self.forms[-1].values[self._name_of("select")] = given["value"]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not data.strip() or any(tag in ("style", "script") for tag, _ in self._open):
            return
        self._texts.append(data)
        for tag, given in self._open:
            if tag == "button":
                self.forms[-1].buttons[data.strip()] = (given.get("name", ""), given.get("value", ""))
            elif tag == "a":
                self.links[data.strip()] = given.get("href", "")

    def _take(self, tag: str, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind != "radio" or "checked" in given:
            self.forms[-1].values[given["name"]] = given.get("value", "")
        labelled = any(name == "label" for name, _ in self._open) or "id" in given
        if kind != "hidden" and not labelled:
            self.unlabelled.append(given["name"])
        if tag == "input":
            self._open.pop()

    def _name_of(self, tag: str) -> str:
        return next(given["name"] for name, given in reversed(self._open) if name == tag)

    def form_with(self, button: str) -> Form:
        """The form that a button with this text stands in."""
        found = [form for form in self.forms if button in form.buttons]
        assert found, (button, [list(form.buttons) for form in self.forms])
        return found[0]


class Visit:
    """One person's visit. Pages are in English unless the test chooses otherwise."""

    def __init__(self, web: Api, token: str, *, language: str = "en") -> None:
        transport = httpx.ASGITransport(app=web.app, client=("192.0.2.1", 50_000))
        cookies = {COOKIE: token} if token else {}
        headers = {"Accept-Language": language}
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test", cookies=cookies, headers=headers)

    @classmethod
    async def of(
        cls, web: Api, name: str, *, firm: str = "own firm", role: Role = Role.MAINTAINER, firm_admin: bool = False
    ) -> Visit:
        """A new person with a session."""
        async with web.db.acquire() as connection:
            own = firm if role is Role.MAINTAINER else None
            await people.create_person(connection, name, role, own, None, firm_admin=firm_admin)
            link = await people.create_login_link(connection, name)
        token = await people.use_login_link(web.db, link)
        assert token is not None
        return cls(web, token)

    async def see(self, path: str) -> Page:
        return Page(await self.client.get(path))

    async def press(self, page: Page, button: str, **typed: str) -> Page:
        """Press a button of a page with what was typed into its form; answers the page that follows."""
        form = page.form_with(button)
        name, value = form.buttons[button]
        data = {**form.values, **typed, **({name: value} if name else {})}
        answer = await self.client.post(form.action, data=data)
        return await self.see(answer.headers["Location"]) if answer.status_code == 303 else Page(answer)

    async def close(self) -> None:
        await self.client.aclose()
