"""Frames of the JSON terminals on a TCP connection: `#10#` before a message, `#13#` after it. Bytes in, texts out; no socket."""

from __future__ import annotations

from typing import Final

from hoistway.errors import BadInput
from hoistway.limits import FRAME_BYTES

BEGIN: Final = "#10#"
END: Final = "#13#"
_BEGIN: Final = BEGIN.encode()
_END: Final = END.encode()
_MARK: Final = len(_BEGIN)
_BLANKS: Final = b" \t\r\n"


def unframed(text: str) -> str:
    """What stands between the marks; a text without marks is the message itself."""
    return text.strip().removeprefix(BEGIN).removesuffix(END)


class Framer:
    """Cuts a byte stream into messages, however it arrives. What stands outside of whole frames is skipped and counted."""

    def __init__(self) -> None:
        self.skipped = 0  # bytes that are in no frame, blanks aside
        self._buffer = bytearray()
        self._inside = False  # the buffer begins right after a mark
        self._looked = 0  # so far there is no mark in it

    def feed(self, received: bytes) -> list[str | BadInput]:
        """The messages that are whole now; in the place of one that is too long, what is wrong with it."""
        self._buffer += received
        found: list[str | BadInput] = []
        while self._inside or self._enter():
            stop = self._stop()
            if max(stop, len(self._buffer) if stop < 0 else 0) > FRAME_BYTES:
                found.append(BadInput(f"over {FRAME_BYTES} bytes", where="frame", expected=f"at most {FRAME_BYTES}"))
                self._inside = False  # what has come of it is skipped up to the next mark
            elif stop < 0:
                break
            else:
                found.append(self._buffer[:stop].decode("utf-8", "replace"))
                self._forget(stop + _MARK, inside=False)
        return found

    def rest(self) -> BadInput | None:
        """At the end of the stream: what began and did not end, which is skipped."""
        if not self._inside:
            self._skip(len(self._buffer))
            return None
        fault = BadInput(
            f"the stream ends {len(self._buffer)} bytes into it", where="frame", expected=f"{END} at its end"
        )
        self._skip(len(self._buffer))
        self._inside = False
        return fault

    def _enter(self) -> bool:
        """Into the next frame; False when there is none yet."""
        start = self._buffer.find(_BEGIN)
        if start < 0:
            self._skip(len(self._buffer) - _tail(self._buffer))
            return False
        self._skip(start)
        self._forget(_MARK, inside=True)
        return True

    def _stop(self) -> int:
        """Where the frame ends, or -1. A mark that begins another frame before says that this one was cut off."""
        look = max(0, self._looked - _MARK + 1)
        stop = self._buffer.find(_END, look)
        again = self._buffer.rfind(_BEGIN, look, stop if stop >= 0 else len(self._buffer))
        if again >= 0:
            self._skip(again)
            self._forget(_MARK, inside=True)
            stop -= again + _MARK if stop >= 0 else 0
        self._looked = len(self._buffer)
        return stop

    def _skip(self, size: int) -> None:
        self.skipped += len(self._buffer[:size].translate(None, _BLANKS))
        self._forget(size, inside=self._inside)

    def _forget(self, size: int, *, inside: bool) -> None:
        del self._buffer[:size]
        self._inside, self._looked = inside, 0


def _tail(buffer: bytearray) -> int:
    """How many bytes at the end may be the beginning of a mark."""
    return next((size for size in range(_MARK - 1, 0, -1) if buffer.endswith(_BEGIN[:size])), 0)
