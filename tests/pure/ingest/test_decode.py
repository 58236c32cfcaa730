"""Bytes to records: what refuses a message, and what is only unknown."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.errors import RefusedMessage
from hoistway.limits import MESSAGE_BYTES, RECORDS_PER_MESSAGE
from hoistway.wire import REASONS
from ingest.decode import decode_events, decode_link, decode_samples, storable_data, to_columns

GOOD = {"ts": 1_700_000_000_000, "boot": 3, "seq": 1, "door_zone": True, "speed": -1.5, "car_position": "B1"}


def payload(**changes: object) -> bytes:
    row = {**GOOD, **changes}
    return json.dumps({name: value for name, value in row.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("bytes_", "reason"),
    [
        (b"", "empty"),
        (b"[]", "empty"),
        (b"not json", "not-json"),
        (b'{"ts": 1', "not-json"),
        (b"\xff\xfe{}", "not-json"),
        (b"[" * 5_000 + b"]" * 5_000, "not-json"),
        (b"17", "not-a-record"),
        (b'["a"]', "not-a-record"),
        (b"null", "not-a-record"),
        (b" " * (MESSAGE_BYTES + 1), "too-large"),
        (b"[" + b",".join([payload()] * (RECORDS_PER_MESSAGE + 1)) + b"]", "too-many-records"),
        (payload(ts=...), "bad-ts"),
        (payload(ts="now"), "bad-ts"),
        (payload(ts=-1), "bad-ts"),
        (payload(ts=10**18), "bad-ts"),
        (payload(ts=True), "bad-ts"),
        (payload(ts=1.5), "bad-ts"),
        (payload(boot=...), "bad-boot"),
        (payload(boot=2**40), "bad-boot"),
        (payload(seq=0), "bad-seq"),
        (payload(seq=None), "bad-seq"),
        (payload(seq=2**60), "bad-seq"),
        (payload(lift=17), "foreign-lift"),
        (b"[" + payload() + b"," + payload(seq=...) + b"]", "bad-seq"),
    ],
)
def test_only_framing_identity_and_time_refuse_a_sample(bytes_: bytes, reason: str) -> None:
    """Each kind of unusable message is refused with its own reason."""
    with pytest.raises(RefusedMessage) as refused:
        decode_samples(bytes_)
    assert refused.value.reason == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"temperature": 999}, "out-of-range"),
        ({"temperature": "hot"}, "bad-type"),
        ({"speed": 1e308}, "out-of-range"),
        ({"passenger": 1}, "bad-type"),
        ({"service_mode": 12}, "out-of-range"),
        ({"service_mode": 1.0}, "bad-type"),
        ({"car_position": "penthouse"}, "out-of-range"),
        ({"car_position": 7}, "bad-type"),
        ({"colour": "red"}, "extra"),
    ],
)
def test_one_bad_field_is_unknown_and_counted(changes: dict[str, object], fault: str) -> None:
    """A field that cannot be used costs only itself: the rest of the sample is there."""
    decoded = decode_samples(payload(**changes))
    rows, late_faults = to_columns(decoded.records, lambda label: 5 if len(label) <= 4 else -1)
    faults = [item.fault for item in decoded.faults] + [item.fault for _, item in late_faults]
    assert faults == [fault]
    assert rows["door_zone"][0] == 1
    name = next(iter(changes))
    if name in rows.dtype.names:
        value = rows[name][0]
        assert value == -1 or math.isnan(value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 400])
def test_numbers_beyond_numbers_are_unknown(number: str) -> None:
    """JSON that only some parsers read does not cost the sample."""
    text = payload(temperature="@").decode().replace('"@"', number).encode()
    rows, _ = to_columns(decode_samples(text).records, lambda _label: 0)
    assert math.isnan(rows["temperature"][0])


def test_missing_and_null_are_unknown_never_unchanged() -> None:
    """A sample is complete: what it does not say is unknown."""
    rows, faults = to_columns(decode_samples(payload(passenger=None)).records, lambda _label: 9)
    assert not faults
    assert (rows["passenger"][0], rows["car_status"][0], rows["car_position"][0]) == (-1, -1, 9)
    assert math.isnan(rows["load"][0])


def test_an_enumeration_s_own_word_for_unknown_is_unknown() -> None:
    """Service mode 7 and door status 0 say that the device does not know."""
    rows, faults = to_columns(decode_samples(payload(service_mode=7, door_status=0)).records, lambda _label: 0)
    assert not faults
    assert (rows["service_mode"][0], rows["door_status"][0]) == (-1, -1)


def test_fast_and_careful_way_agree() -> None:
    """The same good sample read either way gives the same columns."""
    fast, _ = to_columns(decode_samples(payload()).records, lambda _label: 1)
    careful, _ = to_columns(decode_samples(payload(extra_field=1)).records, lambda _label: 1)
    assert fast.tobytes() == careful.tobytes()


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["ts", "boot", "seq", "code", "active", "passenger", "speed", "lift", "x"]),
                inner,
                max_size=8,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_payload_crashes_a_decoder(bytes_: bytes) -> None:
    """Any bytes are decoded or refused with a known reason; nothing else comes out."""
    for decode in (decode_samples, decode_events, decode_link):
        try:
            decode(bytes_)
        except RefusedMessage as refused:
            assert refused.reason in REASONS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": ...}, "bad-code"),
        ({"code": "17"}, "bad-code"),
        ({"code": 90}, "bad-code"),
        ({"active": ...}, "bad-active"),
        ({"active": 1}, "bad-active"),
    ],
)
def test_an_event_must_say_what_and_whether(changes: dict[str, object], reason: str) -> None:
    """An event without a known code or without `active` is refused with that reason."""
    row = {"ts": 1, "boot": 1, "seq": 1, "code": "90", "active": True, **changes}
    bytes_ = json.dumps({name: value for name, value in row.items() if value is not ...}).encode()
    with pytest.raises(RefusedMessage) as refused:
        decode_events(bytes_)
    assert refused.value.reason == reason


@pytest.mark.parametrize("data", [{"a": "\x00"}, {"a": "\ud800"}, {"a": float("nan")}, {"a": "x" * 10_000}])
def test_event_data_that_postgresql_cannot_store_is_said_instead(data: dict[str, object]) -> None:
    """Whatever a device puts into `data`, the event itself can be stored."""
    said = json.loads(storable_data(data))["unstorable"]
    assert said
    assert "\x00" not in said
    assert not any("\ud800" <= sign <= "\udfff" for sign in said)
