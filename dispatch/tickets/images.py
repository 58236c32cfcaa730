"""Photos as they may be kept: known by their content, taken apart, and put together again without what they tell beside the picture.

Pure: bytes in, bytes out; nothing is decoded. A photo's metadata says where its taker stood and lived; a name or a type that a sender
gives is not looked at. What is kept of JPEG is only what a decoder needs, of its metadata only which way is up. What follows the end
of the picture (another picture, a film) is cut off.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hoistway.errors import BadInput
from hoistway.limits import PHOTO_BYTES, PHOTO_PIXELS

MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/webp")
_PIECES: Final = 10_000
"""Segments or chunks of one picture: cameras write dozens; a million would only keep us busy."""
_KINDS: Final = "a JPEG, PNG or WebP picture"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A photo without metadata. Width and height are as stored, before any turning."""

    media_type: str
    width: int
    height: int
    content: bytes


def clean_picture(data: bytes) -> Picture:
    """The picture of `data` alone. Raises `BadInput` for what is too large, no picture, or one that is broken."""
    if len(data) > PHOTO_BYTES:
        raise BadInput(f"{len(data)} bytes", where="photo", expected=f"{PHOTO_BYTES} at most")
    try:
        if data.startswith(b"\xff\xd8\xff"):
            found = _jpeg(data)
        elif data.startswith(_PNG_MAGIC):
            found = _png(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            found = _webp(data)
        else:
            raise BadInput(f"content that begins with {data[:12]!r}", where="photo", expected=_KINDS)
    except (IndexError, struct.error) as error:
        raise _broken("it ends too early") from error
    if found.width < 1 or found.height < 1 or found.width * found.height > PHOTO_PIXELS:
        raise BadInput(f"{found.width} x {found.height}", where="photo", expected=f"1 to {PHOTO_PIXELS} pixels")
    return found


def _broken(why: str) -> BadInput:
    return BadInput(f"broken: {why}", where="photo", expected=_KINDS)


# --- JPEG ---

_SOF: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: what browsers show
_NEEDED: Final = frozenset({0xC4, 0xDA, 0xDB, 0xDD, *_SOF})  # tables, scans, restart intervals, frames
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_APP0: Final = 0xE0
_APP1: Final = 0xE1
_ADOBE: Final = 0xEE
_ADOBE_BYTES: Final = 12
_ORIENTATION: Final = 0x0112
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
_JFIF: Final = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def _jpeg(data: bytes) -> Picture:
    head, kept, size, scans = b"", [], (0, 0), 0
    turned = 1
    for marker, segment, body in _jpeg_segments(data):
        if marker in _NEEDED:
            kept.append(segment)
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", body, 1)
            size = (width, height)
        elif marker == _SOS:
            scans += 1
        elif marker == _APP0 and body.startswith(b"JFIF\x00"):
            head = _JFIF
        elif marker == _APP1 and body.startswith(b"Exif\x00\x00"):
            turned = _orientation(body[6:]) or turned
        elif marker == _ADOBE and body.startswith(b"Adobe"):
            kept.append(b"\xff\xee" + struct.pack(">H", _ADOBE_BYTES + 2) + body[:_ADOBE_BYTES])
    if not scans or size == (0, 0):
        raise _broken("no picture in it")
    content = b"".join((b"\xff\xd8", head, _turned(turned), *kept, b"\xff\xd9"))
    return Picture(media_type="image/jpeg", width=size[0], height=size[1], content=content)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, the whole segment (of a scan with its entropy-coded bytes) and its body, up to the end of the picture."""
    place = 2
    for _ in range(_PIECES):
        if data[place] != 0xFF:
            raise _broken(f"no marker at byte {place}")
        while data[place + 1] == 0xFF:  # fill bytes
            place += 1
        marker = data[place + 1]
        if marker == _EOI:
            return
        (length,) = struct.unpack_from(">H", data, place + 2)
        end = place + 2 + length
        if length < 2 or end > len(data):
            raise _broken(f"a segment at byte {place} runs over the end")
        body = data[place + 4 : end]
        if marker == _SOS:
            end = _scan_end(data, end)
        yield marker, data[place:end], body
        place = end
    raise _broken(f"more than {_PIECES} segments")


def _scan_end(data: bytes, place: int) -> int:
    """Where the entropy-coded bytes end: at the first marker that is no stuffed zero and no restart."""
    found = _AFTER_SCAN.search(data, place)
    if found is None:
        raise _broken("a scan has no end")
    return found.start()


def _orientation(tiff: bytes) -> int | None:
    """Which way is up, 1 to 8, by tag 0x0112 of the first directory; None when it does not say."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return None
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    if start + 2 > len(tiff):
        return None
    (entries,) = struct.unpack_from(f"{order}H", tiff, start)
    for index in range(min(entries, 200)):
        at = start + 2 + index * 12
        if at + 12 > len(tiff):
            return None
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, at)
        if tag == _ORIENTATION:
            return value if 1 <= value <= 8 else None
    return None


def _turned(orientation: int) -> bytes:
    """An Exif segment of our own that says which way is up and nothing else."""
    if orientation == 1:
        return b""
    tiff = b"MM\x00\x2a" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
    body = b"Exif\x00\x00" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


# --- PNG ---

_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_PNG_NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})


def _png(data: bytes) -> Picture:
    kept, size, seen = [_PNG_MAGIC], (0, 0), set()
    for kind, body in _png_chunks(data):
        if kind == b"IHDR":
            size = struct.unpack_from(">II", body)
        if kind in _PNG_NEEDED:
            seen.add(kind)
            kept.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    if not {b"IHDR", b"IDAT", b"IEND"} <= seen:
        raise _broken("no picture in it")
    return Picture(media_type="image/png", width=size[0], height=size[1], content=b"".join(kept))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place, kind = len(_PNG_MAGIC), b""
    for _ in range(_PIECES):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        body = data[place + 8 : end - 4]
        if end > len(data) or struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(kind + body):
            raise _broken(f"a chunk at byte {place} is not whole")
        yield kind, body
        place = end
        if kind == b"IEND":
            return
    raise _broken(f"more than {_PIECES} chunks")


# --- WebP ---

_VP8X_ALPHA: Final = 0x10


def _webp(data: bytes) -> Picture:
    kept, size = [], (0, 0)
    for kind, body in _webp_chunks(data):
        if kind in {b"ANIM", b"ANMF"}:
            raise BadInput("a moving picture", where="photo", expected=_KINDS)
        if kind == b"VP8X":
            size = (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
            body = bytes([body[0] & _VP8X_ALPHA]) + body[1:10]  # noqa: PLW2901  no longer says that there is metadata
        elif kind in {b"VP8 ", b"VP8L"}:
            size = size if size != (0, 0) else _webp_size(kind, body)
        elif kind != b"ALPH":
            continue
        kept.append(kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) & 1))
    if not any(chunk[:4] in {b"VP8 ", b"VP8L"} for chunk in kept):
        raise _broken("no picture in it")
    inside = b"WEBP" + b"".join(kept)
    content = b"RIFF" + struct.pack("<I", len(inside)) + inside
    return Picture(media_type="image/webp", width=size[0], height=size[1], content=content)


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    end, place = min(len(data), 8 + int.from_bytes(data[4:8], "little")), 12
    for _ in range(_PIECES):
        if place + 8 > end:
            return
        kind, length = struct.unpack_from("<4sI", data, place)
        if place + 8 + length > end:
            raise _broken(f"a chunk at byte {place} is not whole")
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + (length & 1)
    raise _broken(f"more than {_PIECES} chunks")


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF
