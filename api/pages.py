"""Pages for people with a browser: log in, spend a one-time link, log out, the console. `api.console.pages` fills them.

A link in a message is looked at by previews and scanners; therefore looking never spends it: only the button does.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import people
from api.access import COOKIE, EVERYONE, READERS, Member, check_same_origin, principal_of
from api.console import pages
from api.health import notes_of, stages_late
from api.people import Principal
from hoistway.limits import SESSION_HOURS
from hoistway.model import Role

router = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

_LANGUAGE_DAYS: Final = 365
_NOT_FOR_ROLE: Final = {"zh-CN": "此角色没有控制台权限", "en": "This role has no console"}
_OWN_PAGE: Final = re.compile(r"/firm(?:/[a-z0-9-]{1,20}){0,3}")
"""Where a login may lead: pages of our own that links in messages name. Anything else is not followed."""
Onward = Annotated[str, Query(max_length=100, alias="next")]
Password = Annotated[str, Form(max_length=people.PASSWORD_CHARS[1])]


def language_of(request: Request) -> str:
    """What the person chose, else the browser's wish."""
    chosen = request.query_params.get("lang") or request.cookies.get(pages.LANGUAGE_COOKIE)
    return pages.language(chosen, request.headers.get("Accept-Language"))


def html_answer(
    request: Request, text: str, nonce: str, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A page with its policy and its language."""
    response = HTMLResponse(text, status, headers)
    response.headers["Content-Security-Policy"] = pages.content_security_policy(nonce)
    response.headers["Content-Language"] = language_of(request)
    if request.query_params.get("lang") in pages.LANGUAGES:
        _set_cookie(request, response, pages.LANGUAGE_COOKIE, language_of(request), _LANGUAGE_DAYS * 86_400)
    return response


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    secure = request.app.state.settings.cookie_secure
    response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="strict", secure=secure)


def _to(path: str) -> Response:
    return RedirectResponse(path, status_code=303)


def home_of(principal: Principal | None) -> str:
    """Where a person works: a firm's people on their own pages, everybody else at the console."""
    return "/firm" if principal is not None and principal.role is Role.MAINTAINER else "/console"


async def let_in(request: Request, token: str, onward: str = "") -> Response:
    """Where the person works, or `onward`, with a session."""
    principal = await people.by_session(request.app.state.database, token)
    response = _to(onward if _OWN_PAGE.fullmatch(onward) else home_of(principal))
    _set_cookie(request, response, COOKIE, token, SESSION_HOURS * 3_600)
    return response


def code_page(
    request: Request, token: str, *, error: str | None = None, status: int = 200, retry_after_s: int | None = None
) -> Response:
    """Asks for the second factor; `token` stands for the first."""
    nonce = pages.new_nonce()
    text = pages.render("login_code.html", language=language_of(request), nonce=nonce, token=token, error=error)
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return html_answer(request, text, nonce, status=status, headers=headers)


@router.get("/", dependencies=[Depends(EVERYONE)])
async def root(request: Request) -> Response:
    """The front page is where a person works."""
    return _to(home_of(await principal_of(request)))


@router.get("/login", dependencies=[Depends(EVERYONE)])
async def login_form(request: Request, onward: Onward = "") -> Response:
    """Name and password. `next` is a page of our own that the login leads to."""
    nonce = pages.new_nonce()
    return html_answer(request, pages.login(language=language_of(request), nonce=nonce, onward=onward), nonce)


@router.post("/login", dependencies=[Depends(EVERYONE)])
async def login(
    request: Request,
    name: Annotated[str, Form(max_length=people.NAME_CHARS)],
    password: Password,
    onward: Annotated[str, Form(max_length=100, alias="next")] = "",
) -> Response:
    """Open a session; 401 for a wrong name or password, 429 after too many."""
    check_same_origin(request)
    outcome = await people.log_in(request.app.state.database, name.strip(), password)
    if isinstance(outcome, str):
        return await let_in(request, outcome, onward)
    if isinstance(outcome, people.CodeWanted):
        return code_page(request, outcome.token)
    nonce = pages.new_nonce()
    wait_s = outcome.retry_after_s
    error = "login.wrong" if wait_s is None else "login.too_many"
    text = pages.login(language=language_of(request), nonce=nonce, error=error, onward=onward)
    if wait_s is None:
        return html_answer(request, text, nonce, status=401)
    return html_answer(request, text, nonce, status=429, headers={"Retry-After": str(wait_s)})


@router.get("/login/link", dependencies=[Depends(EVERYONE)])
async def link_page(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """One button. Looking at this page does not spend the link."""
    good = await people.login_link_is_good(request.app.state.database, token)
    return _link_page(request, token, good=good)


@router.post("/login/link", dependencies=[Depends(EVERYONE)])
async def use_link(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Spend the link and open a session."""
    check_same_origin(request)
    session = await people.use_login_link(request.app.state.database, token)
    if isinstance(session, people.CodeWanted):
        return code_page(request, session.token)
    return _link_page(request, token, good=False) if session is None else await let_in(request, session)


def _link_page(request: Request, token: str, *, good: bool) -> Response:
    nonce = pages.new_nonce()
    error = None if good else "login.link_invalid"
    text = pages.login_link(language=language_of(request), nonce=nonce, token=token, error=error)
    return html_answer(request, text, nonce, status=200 if good else 410)


@router.post("/logout")
async def logout(request: Request, principal: Member) -> Response:
    """End the session."""
    await people.end_session(request.app.state.database, principal)
    response = _to("/login")
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.get("/health", dependencies=[Depends(EVERYONE)])
async def health_page(request: Request) -> Response:
    """Which stage of the platform is late, in words; for whoever is logged in."""
    if await principal_of(request) is None:
        return _to("/login")
    nonce, state = pages.new_nonce(), request.app.state
    text = pages.health(
        language=language_of(request),
        nonce=nonce,
        platform=state.watchdog.document(),
        late=[item.document() for item in await stages_late(state)],
        notes=await notes_of(state),
    )
    return html_answer(request, text, nonce)


@router.get("/console", dependencies=[Depends(EVERYONE)])
async def console(request: Request) -> Response:
    """The live console; without a session the way leads to the login."""
    principal = await principal_of(request)
    if principal is None or principal.csrf is None:
        return _to("/login")
    nonce = pages.new_nonce()
    if principal.role not in READERS.roles:
        title = _NOT_FOR_ROLE[language_of(request)]
        text = pages.problem(language=language_of(request), nonce=nonce, status=403, title=title)
        return html_answer(request, text, nonce, status=403)
    text = pages.console(
        language=language_of(request),
        nonce=nonce,
        person=principal.name,
        role=principal.role,
        csrf=principal.csrf,
        time_zone=request.app.state.settings.time_zone,
    )
    return html_answer(request, text, nonce)
