"""The link between ingest and its servers does what the driver asks of it, and reads only what it must."""

from __future__ import annotations

import asyncio
import struct

import pytest

from tests.chaos.links import Link
from tests.chaos.taps import BATCH, WRITER, Frames, Moment, PostgresTap, Wire

LIMIT_S = 10.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says everything back."""
    while data := await reader.read(1_000):
        writer.write(data)
    writer.close()


async def test_a_link_passes_stalls_heals_and_breaks() -> None:
    """Bytes come back while it is whole, none while it stands still, all of them once it heals, and an end when it is cut."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    with Link(lambda: server.sockets[0].getsockname()[1]).running() as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"one")
        assert await asyncio.wait_for(reader.readexactly(3), LIMIT_S) == b"one"
        link.stall()
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(3), 0.2)
        link.heal()
        assert await asyncio.wait_for(reader.readexactly(3), LIMIT_S) == b"two"
        link.cut()
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await asyncio.wait_for(reader.readexactly(1), LIMIT_S)
        reader, again = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await asyncio.wait_for(reader.readexactly(1), LIMIT_S)
        for end in (writer, again):
            end.close()
    server.close()


def frame(kind: bytes, body: bytes) -> bytes:
    """One message of the PostgreSQL protocol."""
    return kind + struct.pack(">I", len(body) + 4) + body


def test_frames_come_out_whole_wherever_the_bytes_are_cut() -> None:
    """Two messages fed byte by byte are the same two messages."""
    both, frames = frame(b"Q", b"BEGIN;\0") + frame(b"Z", b"I"), Frames()
    found = [pair for number in range(len(both)) for pair in frames.split(both[number : number + 1])]
    assert [kind for kind, _ in found] == [b"Q", b"Z"]
    assert b"".join(whole for _, whole in found) == both


async def passed(tap: PostgresTap, data: bytes, *, server: bool = False) -> bytes:
    """What the tap lets through."""
    return b"".join([piece async for piece in (tap.server if server else tap.client)(data)])


BEGIN, BIND, COMMIT = frame(b"Q", b"BEGIN;\0"), frame(b"B", b"\0\0" + BATCH), frame(b"Q", b"COMMIT;\0")
COMMITTED = frame(b"C", b"COMMIT\0")


async def writing(wire: Wire) -> PostgresTap:
    """The tap of the writing connection, with the transaction of a batch open."""
    tap = wire.tap()
    await passed(tap, frame(b"", WRITER))
    await passed(tap, BEGIN + BIND)
    return tap


async def until_held(wire: Wire) -> None:
    """Wait until the moment that was asked for is held."""
    assert await asyncio.to_thread(wire.held.wait, LIMIT_S)


async def test_a_commit_is_held_before_it_reaches_the_database() -> None:
    """Asked for `before commit`: the COMMIT of a batch waits, with its transaction open, and passes when it is let go."""
    wire = Wire()
    tap = await writing(wire)
    wire.ask(Moment.BEFORE_COMMIT)
    commit = asyncio.create_task(passed(tap, COMMIT))
    await until_held(wire)
    assert wire.in_transaction
    assert not commit.done()
    wire.let_go(drop=False)
    assert await asyncio.wait_for(commit, LIMIT_S) == COMMIT


async def test_a_commit_is_held_before_ingest_hears_of_it() -> None:
    """Asked for `between commit and ack`: the database's word waits, its transaction over; dropped, it never arrives."""
    wire = Wire()
    tap = await writing(wire)
    wire.ask(Moment.BEFORE_ACK)
    assert await passed(tap, COMMIT) == COMMIT
    word = asyncio.create_task(passed(tap, COMMITTED, server=True))
    await until_held(wire)
    assert not wire.in_transaction
    wire.let_go(drop=True)
    with pytest.raises(ConnectionAbortedError):
        await asyncio.wait_for(word, LIMIT_S)


async def test_commits_without_records_and_other_connections_are_not_held() -> None:
    """A tick's commit of the writer and anything of the pool pass at once: a kill there would hit no record."""
    wire = Wire()
    wire.ask(Moment.BEFORE_COMMIT)
    tick = wire.tap()
    await passed(tick, frame(b"", WRITER))
    assert await asyncio.wait_for(passed(tick, BEGIN + COMMIT), LIMIT_S) == BEGIN + COMMIT
    pool = wire.tap()
    await passed(pool, frame(b"", b"application_name\0hoistway-ingest-pool\0"))
    assert await asyncio.wait_for(passed(pool, BEGIN + BIND + COMMIT), LIMIT_S) == BEGIN + BIND + COMMIT
    assert not wire.held.is_set()
