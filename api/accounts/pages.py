"""Accounts for people with a browser: everybody's own (password, second factor), and all of them for an administrator. No script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import people
from api.access import ADMINS, EVERYONE, Admin, Member, check_same_origin, principal_of
from api.accounts import factor, totp, users
from api.accounts.factor import Seal
from api.console import pages
from api.pages import code_page, html_answer, language_of, let_in
from api.people import Principal, Refused
from api.problems import Problem
from hoistway.errors import BadInput
from hoistway.limits import PAGE_ROWS
from hoistway.model import Role
from hoistway.store import queries

router: Final = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

_sql: Final = queries("api", "sql/accounts.sql")
ISSUER: Final = "hoistway"
Text = Annotated[str, Form(max_length=1_000)]
_SHOWN: Final = frozenset({"name", "password", "firm", "districts", "role", "account"})


def seal_of(request: Request) -> Seal:
    """The installation's key for second factors; 409 where there is none."""
    key = request.app.state.settings.seal_key
    if key is None:
        raise Problem(409, "no second factor here: HOISTWAY_SEAL_KEY is not set")
    return Seal.of(key.get_secret_value())


def _wrong(error: BadInput) -> str:
    """What was wrong, as a key of the messages."""
    return f"users.bad_{error.where}" if error.where in _SHOWN else "users.bad_name"


# --- the second step of the login ---


@router.post("/login/code", dependencies=[Depends(EVERYONE)])
async def use_code(request: Request, token: Text, code: Text) -> Response:
    """The code of the second factor, or a recovery code. 401 when it is wrong, 410 when the first step is too long ago."""
    check_same_origin(request)
    outcome = await people.use_code(request.app.state.database, seal_of(request), token, code)
    if isinstance(outcome, str):
        return await let_in(request, outcome)
    if outcome is None:
        return code_page(request, token, error="login.code_late", status=410)
    if outcome.retry_after_s is not None:
        return code_page(request, token, error="login.too_many", status=429, retry_after_s=outcome.retry_after_s)
    return code_page(request, token, error="login.code_wrong", status=401)


# --- one's own account ---


@router.get("/account", dependencies=[Depends(EVERYONE)])
async def account_page(request: Request) -> Response:
    """Password and second factor of whoever is logged in; without a session the way leads to the login."""
    principal = await principal_of(request)
    if principal is None or principal.person_id is None:
        return RedirectResponse("/login", status_code=303)
    return await _account(request, principal)


@router.post("/account")
async def change_account(
    request: Request, principal: Member, act: Text, old: Text = "", new: Text = "", code: Text = ""
) -> Response:
    """Change the password, or begin, confirm or end the second factor. The old password is asked for each time but the confirmation."""
    person_id = principal.person_id
    if person_id is None:
        raise Problem(403, "for people, not for keys")
    if act == "confirm":
        return await _confirm(request, principal, person_id, code)
    if (trouble := await _prove(request, principal, old)) is not None:
        return trouble
    try:
        async with request.app.state.database.acquire() as connection, connection.transaction():
            if act == "password":
                await users.set_password(connection, principal.name, person_id, new, keep=principal.credential)
            elif act == "begin":
                await factor.begin(connection, seal_of(request), person_id)
            elif act == "off":
                if not await factor.check(connection, seal_of(request), person_id, code):
                    return await _account(request, principal, error="login.code_wrong", status=401)
                await factor.take_away(connection, person_id)
            else:
                raise Problem(422, "no such act")
    except BadInput as error:
        return await _account(request, principal, error=_wrong(error), status=422)
    return await _account(request, principal, done=f"account.done_{act}")


async def _prove(request: Request, principal: Principal, password: str) -> Response | None:
    """None when the password is right; tries are counted as at the login."""
    database = request.app.state.database
    if (refused := await people.count_try(database, principal.name)) is not None:
        return await _account(request, principal, error="login.too_many", status=429, wait=refused)
    if await people.by_password(database, principal.name, password) != principal.person_id:
        return await _account(request, principal, error="account.wrong", status=401)
    await people.forget_tries(database, principal.name)
    return None


async def _confirm(request: Request, principal: Principal, person_id: int, code: str) -> Response:
    database = request.app.state.database
    if (refused := await people.count_try(database, principal.name)) is not None:
        return await _account(request, principal, error="login.too_many", status=429, wait=refused)
    async with database.acquire() as connection, connection.transaction():
        codes = await factor.confirm(connection, seal_of(request), person_id, code)
        if codes is not None:
            await users.note_factor_on(connection, principal.name, person_id)
    if codes is None:
        return await _account(request, principal, error="login.code_wrong", status=401)
    await people.forget_tries(database, principal.name)
    return await _account(request, principal, done="account.done_confirm", codes=codes)


async def _account(
    request: Request,
    principal: Principal,
    *,
    error: str | None = None,
    done: str | None = None,
    codes: list[str] | None = None,
    status: int = 200,
    wait: Refused | None = None,
) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    database, person_id = request.app.state.database, principal.person_id
    if person_id is None:
        raise Problem(403, "for people, not for keys")
    document = await users.need(database, person_id)
    possible = request.app.state.settings.seal_key is not None
    secret = await factor.pending(database, seal_of(request), person_id) if possible else None
    text = pages.render(
        "account.html",
        language=language,
        nonce=nonce,
        csrf=principal.csrf,
        person=document,
        possible=possible,
        secret=None if secret is None else totp.text_of(secret),
        link=None if secret is None else totp.link_of(secret, person=principal.name, issuer=ISSUER),
        codes=codes,
        left=await database.fetchval(_sql["recovery_codes_left"], person_id),
        error=error,
        done=done,
    )
    headers = {"Retry-After": str(wait.retry_after_s)} if wait is not None else None
    return html_answer(request, text, nonce, status=status, headers=headers)


# --- everybody's, for an administrator ---


@router.get("/users", dependencies=[Depends(EVERYONE)])
async def users_page(request: Request) -> Response:
    """All accounts; without a session the way leads to the login."""
    principal = await principal_of(request)
    if principal is None:
        return RedirectResponse("/login", status_code=303)
    if principal.role not in ADMINS.roles:
        language, nonce = language_of(request), pages.new_nonce()
        title = pages.translate(language, "users.forbidden")
        text = pages.problem(language=language, nonce=nonce, status=403, title=title)
        return html_answer(request, text, nonce, status=403)
    return await _users(request, principal)


@router.post("/users")
async def create_user(
    request: Request,
    principal: Admin,
    name: Text,
    role: Text,
    firm: Text = "",
    districts: Text = "",
    password: Text = "",
) -> Response:
    """Enrol a person."""
    try:
        async with request.app.state.database.acquire() as connection, connection.transaction():
            await users.create(
                connection, principal.name, name=name.strip(), role=_role(role), firm=firm.strip() or None,
                districts=_names(districts), password=password or None,
            )  # fmt: skip
    except BadInput as error:
        return await _users(request, principal, error=_wrong(error), status=422)
    return await _users(request, principal, done="users.done_created")


@router.post("/users/{user_id}")
async def change_user(
    request: Request,
    principal: Admin,
    user_id: Annotated[int, Path(ge=1, le=2**31 - 1)],
    act: Text,
    role: Text = "",
    firm: Text = "",
    districts: Text = "",
) -> Response:
    """What the buttons beside a person do."""
    link = None
    try:
        async with request.app.state.database.acquire() as connection, connection.transaction():
            if await users.read(connection, user_id) is None:
                raise Problem(404, "no such person")
            match act:
                case "disable":
                    await users.disable(connection, principal.name, user_id)
                case "enable":
                    await users.enable(connection, principal.name, user_id)
                case "factor-off":
                    await users.factor_off(connection, principal.name, user_id)
                case "link":
                    link = f"/login/link?token={await users.make_link(connection, principal.name, user_id)}"
                case "rights":
                    firm_id = int(firm) if firm.isascii() and firm.isdigit() else None
                    await users.change(
                        connection,
                        principal.name,
                        user_id,
                        role=_role(role),
                        firm_id=firm_id,
                        districts=_names(districts),
                    )
                case _:
                    raise Problem(422, "no such act")
    except BadInput as error:
        return await _users(request, principal, error=_wrong(error), status=422)
    return await _users(request, principal, done="users.done_changed", link=link)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise BadInput(repr(text[:40]), where="role", expected=", ".join(Role)) from None


def _names(text: str) -> list[str]:
    """Names between commas, Chinese ones too."""
    return [name.strip() for name in text.replace("，", ",").replace("、", ",").split(",") if name.strip()]


async def _users(
    request: Request,
    principal: Principal,
    *,
    error: str | None = None,
    done: str | None = None,
    link: str | None = None,
    status: int = 200,
) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    database = request.app.state.database
    given: Mapping[str, Any] = {
        "csrf": principal.csrf,
        "people": await users.page(database, after=0, limit=PAGE_ROWS),
        "roles": [role.value for role in Role],
        "firms": await database.fetch(_sql["firms"]),
        "districts": [row["district"] for row in await database.fetch(_sql["districts"])],
        "error": error,
        "done": done,
        "link": link,
    }
    text = pages.render("users.html", language=language, nonce=nonce, **given)
    return html_answer(request, text, nonce, status=status)
