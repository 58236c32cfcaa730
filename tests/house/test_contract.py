"""docs/mqtt.md and asyncapi.yaml say what the code does: every signal, code, reason, limit, topic, and every example."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
import yaml

from hoistway import limits, wire
from hoistway.model import EVENT_CODES, SIGNALS, Kind, Signal, SignalType
from hoistway.registry.show import example_sample

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "mqtt.md").read_text("utf-8")
CONTRACT: Final[dict[str, Any]] = yaml.safe_load((ROOT / "asyncapi.yaml").read_text("utf-8"))
ASYNCAPI_SCHEMA: Final = json.loads((ROOT / "tests" / "data" / "asyncapi-3.0.0.schema.json").read_text("utf-8"))
SCHEMAS: Final[dict[str, Any]] = CONTRACT["components"]["schemas"]

QOS: Final = {"state": (1, False), "event": (1, False), "link": (1, True), "ack": (0, False), "cmd": (1, False)}
CONTENT: Final = {
    "state": "one sample, or an array of samples",
    "event": "one event, or an array of events",
    "link": "whether the device is connected; also its will",
    "ack": "what has been accepted",
    "cmd": "a request to the terminal",
}
COMMANDS: Final = {
    "soothe": "play the calming announcement in the car",
    "selftest": "run the terminal's self-test and report it as event `self-test`",
    "resend": "publish the records named in `state` and `event` (closed ranges) again",
}
LIMITS: Final = {
    "MESSAGE_BYTES": "bytes of one payload",
    "RECORDS_PER_MESSAGE": "records in one array",
    "SHARDS": "shards, numbered from 0",
    "BOOT_MAX": "largest `boot`",
    "SEQ_MAX": "largest `seq`",
    "TS_MIN_MS": "smallest `ts`, ms",
    "TS_MAX_MS": "largest `ts`, ms (2100-01-01)",
    "HEARTBEAT_S": "seconds between samples at most",
    "MAX_GAP_MS": "ms that a value stays valid after its sample",
    "OFFLINE_AFTER_MS": "ms of silence after which a lift is offline",
    "ACK_MISSING_RANGES": "ranges of one stream named in one `ack`",
    "ACK_SAMPLES_EVERY_S": "seconds between acks of samples",
    "ACK_DRAINING_EVERY_S": "seconds between them while draining or with holes",
    "EVENT_HOLES": "records kept above a hole",
    "BOOTS_REMEMBERED": "boots of a device that are remembered",
    "QUARANTINE_BYTES": "bytes of a refused message that are kept",
}


def _rows(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _values(signal: Signal) -> str:
    match signal.type:
        case SignalType.BOOL:
            return "true, false"
        case SignalType.ENUM if signal.values is not None:
            return ", ".join(f"{int(item)} {item.name.lower().replace('_', ' ')}" for item in signal.values)
        case SignalType.NUMBER:
            return f"{signal.low:.15g}..{signal.high:.15g} {signal.unit}"
        case _:
            return "1 to 4 characters"


def tables() -> dict[str, str]:
    """Every table of the page that comes from the code, by its name in the page's markers."""
    kinds = {Kind.LIFT: "lift", Kind.ESCALATOR: "escalator", None: "both"}
    types = {
        SignalType.BOOL: "boolean",
        SignalType.ENUM: "integer",
        SignalType.NUMBER: "number",
        SignalType.LABEL: "text",
    }
    return {
        "topics": _rows(
            ("topic", "direction", "QoS", "retained", "content"),
            [
                (f"`{leaf}`", "up" if leaf in wire.UP else "down", qos, "yes" if retained else "no", CONTENT[leaf])
                for leaf, (qos, retained) in QOS.items()
            ],
        ),
        "signals": _rows(
            ("field", "type", "values", "equipment", "meaning"),
            [(f"`{s.name}`", types[s.type], _values(s), kinds[s.kind], s.meaning) for s in SIGNALS],
        ),
        "events": _rows(
            ("code", "group", "equipment", "meaning", "中文", "source"),
            [(f"`{c.code}`", c.group, kinds[c.kind], c.en, c.zh, c.source) for c in EVENT_CODES],
        ),
        "commands": _rows(("cmd", "what the terminal does"), [(f"`{name}`", COMMANDS[name]) for name in wire.COMMANDS]),
        "reasons": _rows(("reason", "meaning"), [(f"`{key}`", why) for key, why in wire.REASONS.items()]),
        "limits": _rows(
            ("limit", "value", "what"), [(f"`{name}`", getattr(limits, name), what) for name, what in LIMITS.items()]
        ),
    }


def _block(name: str) -> str:
    match = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert match, f"docs/mqtt.md has no table {name!r}"
    return match.group(1)


def examples() -> list[tuple[str, str]]:
    """(topic leaf, JSON) of every example on the page."""
    return re.findall(r"```json topic=(\w+)\n(.*?)```", PAGE, re.DOTALL)


def validator(schema: str) -> Any:
    """A validator of one of the contract's message schemas."""
    store = {"components": CONTRACT["components"], "$ref": f"#/components/schemas/{schema}"}
    return jsonschema.Draft7Validator(store)


PAYLOAD: Final = {"state": "StatePayload", "event": "EventPayload", "link": "Link", "ack": "Ack", "cmd": "Command"}
SAMPLE: Final = {"ts": 1, "boot": 0, "seq": 1}


@pytest.mark.parametrize("name", list(tables()))
def test_page_holds_the_tables_of_the_code(name: str) -> None:
    """Each table of the page is, line by line, what the code says."""
    assert _block(name) == tables()[name]


def test_page_shows_an_example_of_every_topic() -> None:
    """A firmware engineer finds one of each."""
    assert {leaf for leaf, _ in examples()} == set(wire.UP + wire.DOWN)


@pytest.mark.parametrize(("leaf", "text"), examples(), ids=lambda item: item[:24])
def test_examples_of_the_page_are_right(leaf: str, text: str) -> None:
    """Every example fits its schema and is read by the code, field by field."""
    value = json.loads(text)
    validator(PAYLOAD[leaf]).validate(value)
    decoders = {"link": wire.decode_link, "ack": wire.decode_ack, "cmd": wire.decode_command}
    if leaf in decoders:
        again = json.loads(wire.encode(decoders[leaf](text.encode())))
        value.get("gone", {}).pop("event", None)  # an empty list is the default and is not written again
        assert again == value
        return
    known = {signal.name for signal in SIGNALS} | {"ts", "boot", "seq", "lift", "code", "active", "data"}
    for record in value if isinstance(value, list) else [value]:
        assert record.keys() <= known
        if leaf == "event":
            assert record["code"] in {item.code for item in EVENT_CODES}


def test_contract_is_asyncapi() -> None:
    """asyncapi.yaml is a valid AsyncAPI 3.0.0 document."""
    assert CONTRACT["asyncapi"] == "3.0.0"
    errors = [error.message[:200] for error in jsonschema.Draft7Validator(ASYNCAPI_SCHEMA).iter_errors(CONTRACT)]
    assert errors == []


def test_the_asyncapi_check_can_fail() -> None:
    """A document with an action that AsyncAPI does not have is found."""
    broken = json.loads(json.dumps(CONTRACT))
    next(iter(broken["operations"].values()))["action"] = "listen"
    assert not jsonschema.Draft7Validator(ASYNCAPI_SCHEMA).is_valid(broken)


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` of the contract is dangling."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target: Any = CONTRACT
                for part in node["$ref"].removeprefix("#/").split("/"):
                    assert part in target, node["$ref"]
                    target = target[part]
            for item in node.values():
                walk(item)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(CONTRACT)


def test_channels_are_the_topics() -> None:
    """Each topic is a channel with its address, direction, quality and retention; there are no others."""
    channels, operations = CONTRACT["channels"], CONTRACT["operations"]
    assert list(channels) == list(wire.UP + wire.DOWN)
    for leaf, channel in channels.items():
        assert channel["address"] == f"{wire.PREFIX}/{{shard}}/{{device}}/{leaf}"
        assert wire.parse_topic(channel["address"].format(shard=0, device="t-1")) is not None
        assert channel["parameters"].keys() == {"shard", "device"}
    assert {op["channel"]["$ref"].rpartition("/")[2]: op["action"] for op in operations.values()} == {
        **dict.fromkeys(wire.UP, "receive"),
        **dict.fromkeys(wire.DOWN, "send"),
    }
    for op in operations.values():
        leaf = op["channel"]["$ref"].rpartition("/")[2]
        assert (op["bindings"]["mqtt"]["qos"], op["bindings"]["mqtt"]["retain"]) == QOS[leaf]
    assert CONTRACT["components"]["parameters"]["device"]["description"].endswith(f"`{wire.DEVICE.pattern}`")


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_sample_schema_has_every_signal(signal: Signal) -> None:
    """Each signal has its type, its values or range and its unit in the schema; null is unknown."""
    found = SCHEMAS["Sample"]["properties"][signal.name]
    match signal.type:
        case SignalType.BOOL:
            expected: dict[str, Any] = {"type": ["boolean", "null"]}
        case SignalType.ENUM if signal.values is not None:
            expected = {"type": ["integer", "null"], "enum": [*map(int, signal.values), None]}
        case SignalType.NUMBER:
            expected = {"type": ["number", "null"], "minimum": signal.low, "maximum": signal.high}
        case _:
            expected = {"type": ["string", "null"], "minLength": 1, "maxLength": 4}
    description = found.pop("description") if "description" in found else ""
    assert found == expected
    found["description"] = description
    assert signal.meaning in description
    assert signal.unit in description


def test_sample_schema_has_no_other_signal() -> None:
    """What is in the schema is in the code."""
    assert SCHEMAS["Sample"]["properties"].keys() == {s.name for s in SIGNALS} | {"ts", "boot", "seq", "lift"}
    assert SCHEMAS["Sample"]["required"] == ["ts", "boot", "seq"]


def test_schemas_name_codes_reasons_commands() -> None:
    """Event codes, refusal reasons and commands are those of the code, in order."""
    assert SCHEMAS["Event"]["properties"]["code"]["enum"] == [item.code for item in EVENT_CODES]
    assert SCHEMAS["Refused"]["properties"]["reason"]["enum"] == list(wire.REASONS)
    assert SCHEMAS["Command"]["properties"]["cmd"]["enum"] == list(wire.COMMANDS)


def test_codes_are_text_for_every_reader_of_yaml() -> None:
    """YAML 1.1 takes a bare 08 for text and 1.2 for a number: words of an enumeration that begin with 0 stand in quotes."""
    text = (ROOT / "asyncapi.yaml").read_text("utf-8")
    words = [
        word.strip()
        for listed in re.findall(r"enum: \[(.*?)\]", text, re.DOTALL)
        for word in listed.replace("\n", " ").split(",")
    ]
    words += re.findall(r"^\s*- (\S+)$", text, re.MULTILINE)
    assert [word for word in words if re.fullmatch(r"0\d+", word)] == []
    assert "'08'" in words


@pytest.mark.parametrize(
    ("schema", "struct"),
    [
        ("Link", wire.Link),
        ("Ack", wire.Ack),
        ("Refused", wire.Refused),
        ("Command", wire.Command),
        ("Missing", wire.Missing),
    ],
)
def test_schemas_of_control_messages_have_the_fields_of_the_code(schema: str, struct: Any) -> None:
    """Names and required fields of link, ack and cmd are those of the code."""
    fields = msgspec.structs.fields(struct)
    assert list(SCHEMAS[schema]["properties"]) == [field.name for field in fields]
    assert SCHEMAS[schema].get("required", []) == [field.name for field in fields if field.required]


def test_schemas_hold_the_limits() -> None:
    """Numbers of the contract's schemas are the product's limits."""
    record = SCHEMAS["Sample"]["properties"]
    assert (record["ts"]["minimum"], record["ts"]["maximum"]) == (limits.TS_MIN_MS, limits.TS_MAX_MS)
    assert (record["boot"]["minimum"], record["boot"]["maximum"]) == (0, limits.BOOT_MAX)
    assert (record["seq"]["minimum"], record["seq"]["maximum"]) == (1, limits.SEQ_MAX)
    assert {name: SCHEMAS["Event"]["properties"][name] for name in ("ts", "boot", "seq", "lift")} == {
        name: record[name] for name in ("ts", "boot", "seq", "lift")
    }
    for name in ("StatePayload", "EventPayload"):
        array = SCHEMAS[name]["oneOf"][1]
        assert (array["minItems"], array["maxItems"]) == (1, limits.RECORDS_PER_MESSAGE)
    assert SCHEMAS["Missing"]["properties"]["state"]["items"] == {"$ref": "#/components/schemas/Range"}
    shards = CONTRACT["components"]["parameters"]["shard"]["description"]
    assert shards.endswith(f"0..{limits.SHARDS - 1}")


def test_numbers_in_the_page_are_the_limits() -> None:
    """Where the page's text states a number, it is the limit of the code."""
    for sentence in (
        f"an integer from 0 to {limits.SHARDS - 1}",
        f"integer 0..{limits.BOOT_MAX}",
        f"integer 1..{limits.SEQ_MAX}",
        f"at least every {limits.HEARTBEAT_S} s (the heartbeat)",
        f"not more than {limits.SAMPLES_A_MINUTE} of one lift within a minute",
        f"valid for {limits.MAX_GAP_MS // 1000} s after its sample",
        f"at most {limits.ACK_MISSING_RANGES} a stream",
        f"then every {limits.ACK_SAMPLES_EVERY_S} s, and every {limits.ACK_DRAINING_EVERY_S} s while",
        f"more than {limits.EVENT_HOLES} records of a stream",
        f"The last {limits.BOOTS_REMEMBERED} boots",
    ):
        assert sentence in PAGE


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("lift", [None, "310115"])
def test_sample_that_lifts_show_prints(kind: Kind, lift: str | None) -> None:
    """The sample that `hoistway lifts show` offers to try fits the contract."""
    validator("StatePayload").validate(example_sample(kind, ts=1_795_406_400_000, floors=("B1", "1"), lift=lift))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("StatePayload", {}),
        ("StatePayload", []),
        ("StatePayload", {**SAMPLE, "seq": 0}),
        ("StatePayload", {**SAMPLE, "ts": "now"}),
        ("StatePayload", {**SAMPLE, "temperature": 999}),
        ("StatePayload", {**SAMPLE, "car_position": "GROUND"}),
        ("StatePayload", {**SAMPLE, "service_mode": 8}),
        ("StatePayload", [SAMPLE] * (limits.RECORDS_PER_MESSAGE + 1)),
        ("EventPayload", {**SAMPLE, "code": 1, "active": True}),
        ("EventPayload", {**SAMPLE, "code": "99", "active": True}),
        ("EventPayload", {**SAMPLE, "code": "01"}),
        ("Link", {"online": True, "boot": 1}),
        ("Ack", {"boot": 1, "event": 0, "state": 0}),
        ("Command", {"id": "1", "cmd": "start"}),
    ],
)
def test_schemas_refuse_what_is_wrong(schema: str, value: Any) -> None:
    """A message that no right device sends does not fit the schema."""
    assert not validator(schema).is_valid(value)
