"""Small pictures put together by hand: whole enough for whoever takes them apart, with secrets where cameras put them."""

from __future__ import annotations

import struct
import zlib

SECRET = b"GPS 30.2741 N 120.1551 E"


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def exif(orientation: int, order: str = ">") -> bytes:
    """A camera's segment: which way is up, and a secret behind it."""
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8)
    entries = [(0x010F, 2, 4, 0x41424300), (0x0112, 3, 1, orientation if order == "<" else orientation << 16)]
    body = struct.pack(f"{order}H", len(entries)) + b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return segment(0xE1, b"Exif\x00\x00" + head + body + struct.pack(f"{order}I", 0) + SECRET)


def jpeg(*, width: int = 4, height: int = 3, orientation: int = 6, order: str = ">", after: bytes = SECRET) -> bytes:
    """A JPEG with Exif, XMP, a colour profile, a comment, a stuffed byte and a restart in its scan, and a film behind its end."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    scan = b"\x12\xff\x00\x34\xff\xd0\x56"
    return b"".join(
        (
            b"\xff\xd8", segment(0xE0, b"JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x02\x02" + SECRET[:12]),
            exif(orientation, order), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + SECRET),
            segment(0xE2, b"ICC_PROFILE\x00" + SECRET), segment(0xEE, b"Adobe" + b"\x00" * 7 + SECRET), segment(0xFE, SECRET),
            segment(0xDB, b"\x00" + bytes(64)), segment(0xC0, frame), segment(0xC4, b"\x00" + bytes(16)),
            segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + scan, b"\xff\xd9", after,
        )
    )  # fmt: skip


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*, width: int = 2, height: int = 2) -> bytes:
    """A grey PNG with text, a time and Exif in it."""
    rows = b"".join(b"\x00" + bytes([200] * width) for _ in range(height))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
            chunk(b"tEXt", b"Author\x00" + SECRET), chunk(b"eXIf", SECRET), chunk(b"tIME", bytes(7)),
            chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""), SECRET,
        )
    )  # fmt: skip


def webp(*, lossless: bool = False, extended: bool = True, moving: bool = False) -> bytes:
    """A WebP of 5 x 7 with Exif and XMP behind its picture."""
    if lossless:
        picture = (b"VP8L", b"\x2f" + ((5 - 1) | (7 - 1) << 14).to_bytes(4, "little") + b"\x00\x00")
    else:
        picture = (b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 5, 7) + b"\x00")
    canvas = (b"VP8X", bytes([0x3C]) + bytes(3) + (4).to_bytes(3, "little") + (6).to_bytes(3, "little"))
    chunks = [*([canvas] if extended else []), *([(b"ANIM", bytes(6))] if moving else []), picture]
    if extended:
        chunks += [(b"EXIF", SECRET), (b"XMP ", SECRET)]
    inside = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) & 1) for kind, body in chunks
    )
    return b"RIFF" + struct.pack("<I", len(inside)) + inside
