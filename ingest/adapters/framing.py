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
        """The messages that are whole now; in the place of one that is too long, what is wrong with it. The same however it is cut."""
        self._buffer += received
        found: list[str | BadInput] = []
        while self._inside or self._enter():
            mark, at = self._next_mark()
            if at > FRAME_BYTES:
                found.append(BadInput(f"over {FRAME_BYTES} bytes", where="frame", expected=f"at most {FRAME_BYTES}"))
                self._inside = False  # what has come of it is skipped up to the next frame
            elif mark == _END:
                found.append(self._buffer[:at].decode("utf-8", "replace"))
                self._forget(at + _MARK, inside=False)
            elif mark == _BEGIN:  # the last one was cut off
                self._skip(at)
                self._forget(_MARK, inside=True)
            else:
                break
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

    def _next_mark(self) -> tuple[bytes, int]:
        """The next mark in a frame and where it begins; without one, how far there is none."""
        look = max(0, self._looked - _MARK + 1)
        end = self._buffer.find(_END, look)
        begin = self._buffer.find(_BEGIN, look, end + _MARK if end >= 0 else len(self._buffer))
        self._looked = len(self._buffer)
        if begin >= 0 and (end < 0 or begin < end):
            return _BEGIN, begin
        return (_END, end) if end >= 0 else (b"", len(self._buffer) - _MARK + 1)

    def _skip(self, size: int) -> None:
        self.skipped += len(self._buffer[:size].translate(None, _BLANKS))
        self._forget(size, inside=self._inside)

    def _forget(self, size: int, *, inside: bool) -> None:
        del self._buffer[:size]
        self._inside, self._looked = inside, 0


def _tail(buffer: bytearray) -> int:
    """How many bytes at the end may be the beginning of a mark."""
    return next((size for size in range(_MARK - 1, 0, -1) if buffer.endswith(_BEGIN[:size])), 0)
