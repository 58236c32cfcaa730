"""Server-rendered pages: fills the templates, chooses the language, names the content security policy.

Knows files and Jinja only: no request, no database, no session. The routes hand in what a page shows.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dispatch.citylink.form import CityStep
from dispatch.citylink.matching import Reason

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"
LANGUAGES: Final = ("zh-CN", "en")
CITY_STATES: Final = ("waiting", "accepted", "refused", "incomplete", "left-out")
LANGUAGE_COOKIE: Final = "hoistway_language"

_RANGE: Final = re.compile(r"\s*([A-Za-z]{1,8})[A-Za-z0-9-]*\s*(?:;\s*q\s*=\s*([0-9.]{1,5}))?\s*")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


@cache
def messages(language: str) -> Mapping[str, str]:
    """All texts of one language, by key. Jinja and the browser read the same file."""
    text = (_HERE / "messages" / f"{language}.json").read_text("utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def language(chosen: str | None, accept_language: str | None) -> str:
    """The language of a page: what the person chose (cookie or query), else the browser's wish, else Chinese."""
    if chosen in LANGUAGES:
        return str(chosen)
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accept_language or "")[:500].split(","):
        match = _RANGE.fullmatch(part)
        code = {"zh": "zh-CN", "en": "en"}.get(match.group(1).lower()) if match else None
        if match is None or code is None:
            continue
        weight = _weight(match.group(2))
        if weight > best_weight:
            best, best_weight = code, weight
    return best


def short(language: str) -> str:
    """zh or en, as words in two languages are kept elsewhere."""
    return "en" if language == "en" else "zh"


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


def new_nonce() -> str:
    """A fresh nonce for the inline blocks of one answer."""
    return secrets.token_urlsafe(18)


def content_security_policy(nonce: str) -> str:
    """The policy of every HTML answer: own files only, inline script by nonce, no frames, no eval."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:;"
        " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def translate(language: str, key: str, **values: object) -> str:
    """The text `key` in `language`, with `{name}` filled in. An unknown key is our fault and raises `KeyError`."""
    return _PLACEHOLDER.sub(lambda match: str(values.get(match.group(1), match.group(0))), messages(language)[key])


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, *, language: str, nonce: str, **values: object) -> str:
    """One page. `t` in a template is its text by key."""

    def text(key: str, **parts: object) -> str:
        return translate(language, key, **parts)

    def named(prefix: str, value: str) -> str:
        return messages(language).get(f"{prefix}.{value}", value)  # what has no name yet is shown as it is

    page = _environment().get_template(template)
    return page.render(t=text, named=named, language=language, languages=LANGUAGES, nonce=nonce, **values)


def page(template: str, *, language: str, nonce: str, **values: object) -> str:
    """A page whose own room knows what it shows."""
    return render(template, language=language, nonce=nonce, **values)


def login(*, language: str, nonce: str, error: str | None = None, onward: str = "") -> str:
    """Name and password. `error` is a message key such as `login.wrong`; `onward` where the login leads."""
    return render("login.html", language=language, nonce=nonce, error=error, onward=onward)


def login_link(*, language: str, nonce: str, token: str, error: str | None = None) -> str:
    """One button that uses up a one-time link: a link preview or a virus scanner that only looks cannot spend it."""
    return render("login_link.html", language=language, nonce=nonce, token=token, error=error)


def link_page(
    *,
    language: str,
    nonce: str,
    says: str,
    accepts: bool,
    exercise: bool,
    place: str,
    code: str,
    order_id: int | None,
) -> str:
    """The page of a one-time link in a message. `says`: ask, done, used, over or unknown."""
    shown = {"says": says, "accepts": accepts, "exercise": exercise, "place": place, "code": code, "order_id": order_id}
    return render("go.html", language=language, nonce=nonce, **shown)


def problem(*, language: str, nonce: str, status: int, title: str, detail: str = "") -> str:
    """An error for a person with a browser."""
    return render("problem.html", language=language, nonce=nonce, status=status, title=title, detail=detail)


def security(
    *,
    language: str,
    nonce: str,
    rows: Sequence[Mapping[str, object]],
    kinds: Sequence[str],
    chosen: Mapping[str, str],
    following: str | None,
) -> str:
    """Security events as a table; `chosen` are the filters, `following` the cursor of the next page."""
    named = {kind: translate(language, f"security_kind.{kind}") for kind in kinds}
    given = {"rows": rows, "kinds": named, "chosen": chosen, "following": following}
    return render("security.html", language=language, nonce=nonce, **given)


def city_link(*, language: str, nonce: str, **values: object) -> str:
    """How each platform stands, what is to be mended, the reconciliations and the differences of the chosen one."""
    names = {
        "states": {state: translate(language, f"city_state.{state}") for state in CITY_STATES},
        "steps": {step: translate(language, f"city_step.{step}") for step in CityStep},
        "why": {reason: translate(language, f"city_reason.{reason}") for reason in Reason},
    }
    return render("city_link.html", language=language, nonce=nonce, word=short(language), **names, **values)


def health(
    *,
    language: str,
    nonce: str,
    platform: Mapping[str, object],
    late: Sequence[Mapping[str, object]],
    notes: Sequence[Mapping[str, object]],
) -> str:
    """What the watcher says, what is out of the ordinary and which stages are late, each as in `api.schemas`."""
    says = f"health.watch_{platform['state']}"
    word = "en" if language == "en" else "zh"
    told = {"platform": platform, "late": late, "notes": notes}
    return render("health.html", language=language, nonce=nonce, word=word, says=says, **told)


def complaints(
    *,
    language: str,
    nonce: str,
    rows: Sequence[Mapping[str, object]],
    shown: Sequence[str],
    chosen: str,
    following: str | None,
) -> str:
    """Complaints as a table; `shown` are the choices of which, `following` the cursor of the next page."""
    given = {"rows": rows, "shown": shown, "chosen": chosen, "following": following}
    return render("complaints.html", language=language, nonce=nonce, **given)


def complaint(
    *,
    language: str,
    nonce: str,
    row: Mapping[str, object],
    calls: Sequence[Mapping[str, object]],
    firms: Sequence[Mapping[str, object]],
    csrf: str,
    may_listen: bool,
    caller: Mapping[str, object] | None,
    trouble: str | None,
) -> str:
    """One complaint with its moves as forms. `caller`: whom the person asked to see; `trouble`: a message key."""
    given = {"row": row, "calls": calls, "firms": firms, "csrf": csrf, "caller": caller, "trouble": trouble}
    return render("complaint.html", language=language, nonce=nonce, may_listen=may_listen, **given)


def console(*, language: str, nonce: str, person: str, role: str, csrf: str, time_zone: str = "Asia/Shanghai") -> str:
    """The live console: one page whose script follows the stream."""
    boot = {
        "language": language,
        "messages": {name: messages(name) for name in LANGUAGES},
        "person": person,
        "role": role,
        "csrf": csrf,
        "timeZone": time_zone,
    }
    return render("console.html", language=language, nonce=nonce, boot=boot, csrf=csrf)
