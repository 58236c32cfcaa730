"""Frames of the JSON terminals on a TCP connection: `#10#` before a message, `#13#` after it. Bytes in, texts out; no socket."""

from __future__ import annotations

from typing import Final

from hoistway.errors import BadInput
from hoistway.limits import MESSAGE_BYTES

BEGIN: Final = "#10#"
END: Final = "#13#"


def unframed(text: str) -> str:
    """What stands between the marks; a text without marks is the message itself."""
    return text.strip().removeprefix(BEGIN).removesuffix(END)


class Framer:
    """Cuts a byte stream into messages, however it arrives. What stands outside the marks is skipped and counted."""

    def __init__(self) -> None:
        self.skipped = 0  # bytes outside of frames
        self._rest = b""

    def feed(self, received: bytes) -> list[str]:
        """The messages that are whole now. Raises BadInput when a frame grows past the limit of one message."""
        begin, end = BEGIN.encode(), END.encode()
        buffer, found = self._rest + received, []
        while True:
            start = buffer.find(begin)
            if start < 0:
                keep = _tail(buffer, begin)
                self.skipped += len(buffer) - keep
                buffer = buffer[len(buffer) - keep :]
                break
            stop = buffer.find(end, start + len(begin))
            self.skipped += start
            if stop < 0:
                buffer = buffer[start:]
                break
            found.append(buffer[start + len(begin) : stop].decode("utf-8", "replace"))
            buffer = buffer[stop + len(end) :]
        if len(buffer) > MESSAGE_BYTES:
            self._rest = b""
            raise BadInput(f"a frame of over {len(buffer)} bytes", where="frame", expected=f"at most {MESSAGE_BYTES}")
        self._rest = buffer
        return found


def _tail(buffer: bytes, mark: bytes) -> int:
    """How many bytes at the end may be the beginning of a mark."""
    return next((size for size in range(len(mark) - 1, 0, -1) if buffer.endswith(mark[:size])), 0)
