"""What is out of the ordinary with a city link, in words for `/health`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from dispatch.citylink.form import form_names, shipped_form
from hoistway.limits import CITY_LATE_S


def title_of(form: str, language: str) -> str:
    """A form as people call it; one that is not shipped any more by its name."""
    return shipped_form(form).title[language] if form in form_names() else form


def missing(form: str, reason: str, language: str) -> str:
    """What to do about the fields that an incomplete record lacks, of its reason."""
    known = {one.name: one.mend[language] for one in shipped_form(form).fields} if form in form_names() else {}
    mark = "：" if language == "zh" else ": "
    return "; ".join(f"{name}{mark}{known[name]}" if name in known else name for name in reason.split(", "))


def notes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Late links, and records that wait for a person, of rows of the query `open_counts`. `since` is a moment.

    Anybody may read `/health/ready`: what a platform answered is not repeated here.
    """
    found = []
    for row in rows:
        if row["ended_at"] is not None:
            continue
        zh, en = title_of(row["form"], "zh"), title_of(row["form"], "en")
        if is_late(row["oldest_at"], row["looked_at"]):
            found.append(
                {
                    "code": "city-link-late",
                    "since": row["oldest_at"],
                    "zh": f"上报滞后：{zh} 有 {row['waiting']} 条记录等待上报，不会丢失",
                    "en": f"city link late: {en} has not been told of {row['waiting']} records yet; none is lost",
                }
            )
        if mend := row["refused"] + row["incomplete"]:
            found.append(
                {
                    "code": "city-link-refused",
                    "since": row["refused_at"],
                    "zh": f"{zh}：{row['refused']} 条记录被退回，{row['incomplete']} 条缺少必填项；补正后在 /city-link 重新上报",
                    "en": (
                        f"{en}: {row['refused']} records were refused and {row['incomplete']} lack a required field;"
                        f" mend {'them' if mend > 1 else 'it'} and send again on /city-link"
                    ),
                }
            )
    return found


def is_late(oldest_at: datetime | None, looked_at: datetime) -> bool:
    """Whether what waits has waited for too long."""
    return oldest_at is not None and (looked_at - oldest_at).total_seconds() > CITY_LATE_S
