"""Which known word a mistyped one was meant to be. Words only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], what: str) -> str:
    """What to say after "expected": `what`, and the known word that looks most like it, or all of them."""
    words = list(known)
    close = get_close_matches(word, words, n=1)
    if close:
        return f"{what}, e.g. {close[0]}"
    return f"one of {', '.join(words)}" if words else f"{what}, and there is none"
