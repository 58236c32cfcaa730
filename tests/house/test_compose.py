"""The production shape: docker-compose.yml, Dockerfile, broker configuration and the scripts that make secrets agree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from hoistway import limits, wire
from hoistway.embedded.credentials import device_password
from hoistway.mqtt_url import MqttAddress
from hoistway.registry.authority import Authority
from hoistway.store.rights import ROLES

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
LASTING: Final = ("mosquitto", "postgres", "ingest", "dispatch", "backtests", "compactor", "api", "watch")
MAIN: Final = (ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text("utf-8")
DOORS: Final = {path.stem: path.read_text("utf-8") for path in (ROOT / "deploy" / "mosquitto" / "doors").glob("*.conf")}


def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, **options)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as deploy/make-secrets.sh makes it."""
    folder = tmp_path_factory.mktemp("secrets")
    made = run("sh", "deploy/make-secrets.sh", "--dir", str(folder), "broker.example.org", "192.0.2.7")
    assert made.returncode == 0, made.stderr
    return folder


def secrets_of(name: str) -> set[str]:
    """The files of deploy/secrets that a service may read."""
    return {secret if isinstance(secret, str) else secret["source"] for secret in SERVICES[name].get("secrets", [])}


@pytest.mark.parametrize("profile", [(), ("--profile", "simulator")])
def test_docker_compose_reads_it(profile: tuple[str, ...]) -> None:
    """`docker-compose config` accepts the file, with and without the simulator."""
    if shutil.which("docker-compose") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("docker-compose is missing; CI installs it")
        pytest.skip("docker-compose is not installed")
    done = run("docker-compose", *profile, "config", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    assert ("simulator:" in done.stdout) or not profile


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_service_is_confined(name: str) -> None:
    """Each service runs as an ordinary user, under an init, within a memory limit, without capabilities, by a pinned tag."""
    service = SERVICES[name]
    assert not service["user"].startswith("0")
    assert service["init"] is True
    assert service["mem_limit"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"[a-z-]+:\d+\.\d+[\w.-]*", service["image"])


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_has_a_health_check(name: str) -> None:
    """What runs for ever is asked whether it is well, and comes back after a crash."""
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", ["ingest", "dispatch", "backtests", "compactor", "api"])
def test_processes_wait_for_what_they_need(name: str) -> None:
    """A process starts when the schema is there and the database well; its own health is asked by its own command."""
    needs = {service: how["condition"] for service, how in SERVICES[name]["depends_on"].items()}
    assert needs["migrate"] == "service_completed_successfully"
    assert set(needs.values()) == {"service_completed_successfully", "service_healthy"}
    assert SERVICES[name]["healthcheck"]["test"] == ["CMD", "hoistway", "health", name]


@pytest.mark.parametrize("name", [name for name in SERVICES if "hoistway" in SERVICES[name]["image"]])
def test_commands_are_the_program_s(name: str) -> None:
    """What a service runs is a command that `hoistway` has, with options it knows."""
    from typer.main import get_command

    from hoistway.cli import app

    command: Any = get_command(app)
    words = list(SERVICES[name]["command"])
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_secrets_are_files_that_the_script_makes(secrets: Path) -> None:
    """Every secret of the file comes from deploy/secrets and is made, not empty, and readable by nobody else on the machine."""
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./deploy/secrets/{name}"}
        assert (secrets / name).stat().st_size > 0
    assert secrets.stat().st_mode & 0o077 == 0
    named = {secret for name in SERVICES for secret in secrets_of(name)}
    assert named == set(COMPOSE["secrets"])


def test_each_part_has_its_own_account_at_the_database(secrets: Path) -> None:
    """No part but the one that migrates holds the owner's password; each account has another one, and a script that makes it."""
    parts = {
        "ingest": "ingest",
        "compactor": "ingest",
        "backtests": "ingest",
        "dispatch": "dispatch",
        "watch": "dispatch",
        "api": "api",
    }
    for service, part in parts.items():
        assert {name for name in secrets_of(service) if "database" in name} == {f"hoistway_{part}_database_url"}, (
            service
        )
        url = (secrets / f"hoistway_{part}_database_url").read_text()
        assert (
            url
            == f"postgresql://hoistway_{part}:{(secrets / f'hoistway_{part}_database_password').read_text()}@postgres:5432/hoistway"
        )
    assert {name for name in SERVICES if "hoistway_database_url" in secrets_of(name)} == {"migrate"}
    passwords = {path.read_text() for path in secrets.glob("*database_password")}
    assert len(passwords) == 4
    made = (ROOT / "deploy/postgres/20-roles.sh").read_text("utf-8")
    assert "for part in ingest dispatch api" in made
    assert {f"hoistway_{part}" for part in ("ingest", "dispatch", "api")} == set(ROLES)


def test_no_secret_stands_in_the_files() -> None:
    """No password in the compose file, the broker's configuration or the image."""
    broker = [str(path.relative_to(ROOT)) for path in (ROOT / "deploy/mosquitto").rglob("*") if path.is_file()]
    for file in ("docker-compose.yml", "Dockerfile", *broker):
        text = (ROOT / file).read_text("utf-8")
        assert not re.search(r"://[^/\s]+:[^/\s]+@", text), file
        assert not re.search(r"(?i)password:\s*\S", re.sub(r"_password: \{file:[^}]+\}", "", text)), file


def test_secrets_are_kept(secrets: Path) -> None:
    """A second run of the script changes no secret; another folder gets other ones."""
    names = ("mqtt_ca", "mqtt_server_key", "postgres_password", "hoistway_database_url", "device_key", "mqtt_device_crl",
             "hoistway_device_ca", "hoistway_device_ca_key")  # fmt: skip
    before = {name: (secrets / name).read_bytes() for name in names}
    assert run("sh", "deploy/make-secrets.sh", "--dir", str(secrets)).returncode == 0
    assert {name: (secrets / name).read_bytes() for name in names} == before


def made_anew(folder: Path, *gone: str) -> subprocess.CompletedProcess[str]:
    """The script once more, after somebody deleted some files."""
    for name in gone:
        (folder / name).unlink()
    return run("sh", "deploy/make-secrets.sh", "--dir", str(folder))


def test_a_secret_made_anew_takes_along_what_belongs_to_it(secrets: Path, tmp_path: Path) -> None:
    """Addresses name the new password, certificates go with the new authority and with their key, and the script says what is left to do."""
    folder = Path(shutil.copytree(secrets, tmp_path / "secrets"))
    done = made_anew(folder, "hoistway_database_password", "mqtt_ingest_password", "mqtt_probe_password")
    assert done.returncode == 0, done.stderr
    for password, url in (
        ("hoistway_database_password", "hoistway_database_url"),
        ("mqtt_ingest_password", "hoistway_mqtt_url"),
        ("mqtt_probe_password", "hoistway_probe_mqtt_url"),
    ):
        assert f":{(folder / password).read_text()}@" in (folder / url).read_text()
        assert (folder / password).read_text() != (secrets / password).read_text()
    assert "alter role hoistway" in done.stderr
    assert "postgres_password is new" not in done.stderr
    assert made_anew(folder, "mqtt_ca").returncode == 0
    verified = run("openssl", "verify", "-CAfile", str(folder / "mqtt_ca"), str(folder / "mqtt_server_cert"))
    assert verified.returncode == 0, verified.stderr
    assert made_anew(folder, "mqtt_server_key").returncode == 0
    public = run("openssl", "pkey", "-in", str(folder / "mqtt_server_key"), "-pubout").stdout
    assert run("openssl", "x509", "-in", str(folder / "mqtt_server_cert"), "-noout", "-pubkey").stdout == public
    before = (folder / "mqtt_ca").read_bytes()
    refused = made_anew(folder, "mqtt_ca_key", "mqtt_server_cert")
    assert refused.returncode != 0
    assert "mqtt_ca_key is missing" in refused.stderr
    assert (folder / "mqtt_ca").read_bytes() == before


def test_an_authority_of_devices_made_anew_has_a_list_of_its_own(secrets: Path, tmp_path: Path) -> None:
    """The list of ended certificates is signed by the new authority; without the key of the old one nothing is made in silence."""
    folder = Path(shutil.copytree(secrets, tmp_path / "secrets"))
    assert made_anew(folder, "hoistway_device_ca").returncode == 0
    authority, revoked = str(folder / "hoistway_device_ca"), str(folder / "mqtt_device_crl")
    assert "verify OK" in run("openssl", "crl", "-in", revoked, "-CAfile", authority, "-noout").stderr
    assert run("openssl", "verify", "-CAfile", authority, str(folder / "hoistway_probe_cert")).returncode == 0
    refused = made_anew(folder, "hoistway_device_ca_key", "mqtt_device_crl")
    assert refused.returncode != 0
    assert "hoistway_device_ca_key is missing" in refused.stderr


def test_the_broker_s_certificate(secrets: Path) -> None:
    """The certificate is signed by the local authority and names the broker as devices and our processes call it."""
    checked = run("openssl", "verify", "-CAfile", str(secrets / "mqtt_ca"), str(secrets / "mqtt_server_cert"))
    assert checked.returncode == 0, checked.stderr
    shown = run("openssl", "x509", "-in", str(secrets / "mqtt_server_cert"), "-noout", "-ext", "subjectAltName").stdout
    for name in ("DNS:mosquitto", "DNS:localhost", "DNS:broker.example.org", "IP Address:192.0.2.7"):
        assert name in shown


def test_the_authority_of_devices_signs_for_the_program(secrets: Path) -> None:
    """What openssl makes is what the program reads, another authority than the broker's, with an empty list older than any to come."""
    now = datetime.now(UTC)
    authority = Authority.load(*((secrets / f"hoistway_device_ca{part}").read_text() for part in ("", "_key")))
    issued = authority.issue("t-1", now, days=30)
    (secrets / "t-1.crt").write_text(issued.certificate)
    checked = run("openssl", "verify", "-CAfile", str(secrets / "hoistway_device_ca"), "-crl_check", "-CRLfile",
                  str(secrets / "mqtt_device_crl"), str(secrets / "t-1.crt"))  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert run("openssl", "verify", "-CAfile", str(secrets / "mqtt_ca"), str(secrets / "t-1.crt")).returncode != 0
    shown = run("openssl", "crl", "-in", str(secrets / "mqtt_device_crl"), "-noout", "-lastupdate").stdout
    assert shown.startswith("lastUpdate=Jan  1 00:00:00 2020")


def test_the_addresses_can_be_read(secrets: Path) -> None:
    """The broker's address is one that the program parses, on our own listener, with the authority's certificate."""
    address = MqttAddress.parse((secrets / "hoistway_mqtt_url").read_text())
    assert (address.host, address.port, address.user, address.tls) == ("mosquitto", 8884, "ingest", True)
    assert address.ca == "/run/secrets/mqtt_ca"
    assert address.password == (secrets / "mqtt_ingest_password").read_text()


def test_the_watcher_waits_for_nobody_and_comes_by_the_devices_door(secrets: Path) -> None:
    """It starts when the schema is there, whoever else is missing; its terminal speaks TLS on the port of every device."""
    assert SERVICES["watch"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["watch"]["healthcheck"]["test"] == ["CMD", "hoistway", "health", "watch"]
    address = MqttAddress.parse((secrets / "hoistway_probe_mqtt_url").read_text())
    assert (address.host, address.port, address.user, address.tls) == ("mosquitto", 8883, wire.PROBE_DEVICE, True)
    assert {address.cert, address.key} == {"/run/secrets/hoistway_probe_cert", "/run/secrets/hoistway_probe_key"}
    certificate = str(secrets / "hoistway_probe_cert")
    checked = run(
        "openssl", "verify", "-purpose", "sslclient", "-CAfile", str(secrets / "hoistway_device_ca"), certificate
    )
    assert checked.returncode == 0, checked.stderr
    named = run("openssl", "x509", "-in", certificate, "-noout", "-subject").stdout
    assert re.search(r"CN ?= ?hoistway-probe$", named.strip())
    assert secrets_of("api") & secrets_of("watch") >= {"hoistway_watch_key"}


def test_device_passwords_are_those_of_the_program(secrets: Path) -> None:
    """deploy/add-device.sh derives a device's password as the program does, once a device, and stores only its hash."""
    for _ in range(2):
        done = run("sh", "deploy/add-device.sh", "--dir", str(secrets), "t-1", "t-2")
        assert done.returncode == 0, done.stderr
    key = (secrets / "device_key").read_bytes()
    assert done.stdout.split() == ["t-1", device_password(key, "t-1"), "t-2", device_password(key, "t-2")]
    stored = (secrets / "mqtt_passwords").read_text()
    assert [line.split(":")[0] for line in stored.splitlines()] == ["ingest", "health", "hoistway-probe", "t-1", "t-2"]
    assert all(re.fullmatch(r"[\w-]+:\$7\$101\$[\w+/=]+\$[\w+/=]{88}", line) for line in stored.splitlines())
    assert device_password(key, "t-1") not in stored


@pytest.mark.parametrize("name", ["ingest", "health", "hoistway-probe", "a b", "a/b", "#", "+", "$SYS", ""])
def test_no_device_takes_a_reserved_name(secrets: Path, name: str) -> None:
    """A device cannot be given the name of one of our own users, nor one with a wildcard."""
    assert run("sh", "deploy/add-device.sh", "--dir", str(secrets), name).returncode == 1


def test_the_broker_s_access_list_is_the_contract() -> None:
    """Devices write what goes up and read what comes down, under their own name only; ingest the other way round."""
    lines = (ROOT / "deploy" / "mosquitto" / "acl").read_text("utf-8").splitlines()
    patterns = {line for line in lines if line.startswith("pattern")}
    assert patterns == {f"pattern write {wire.PREFIX}/+/%u/{leaf}" for leaf in wire.UP} | {
        f"pattern read {wire.PREFIX}/+/%u/{leaf}" for leaf in wire.DOWN
    }
    ingest = lines[lines.index("user ingest") + 1 : lines.index("user health")]
    assert {line for line in ingest if line} == {f"topic read {wire.PREFIX}/+/+/{leaf}" for leaf in wire.UP} | {
        f"topic readwrite {wire.PREFIX}/+/+/{leaf}" for leaf in wire.DOWN
    } | {f"topic read $SYS/broker/log/{kind}" for kind in "NE"}


def settings_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+) (.+)", text, re.MULTILINE))


def test_a_door_is_of_passwords_or_of_certificates() -> None:
    """Both doors keep the same limits; one asks for a certificate that names the device, the other for a password."""
    passwords, certificates = (settings_of(DOORS[name]) for name in ("passwords", "certificates"))
    assert certificates | passwords == certificates
    assert {name: certificates[name] for name in certificates.keys() - passwords.keys()} == {
        "require_certificate": "true",
        "use_identity_as_username": "true",
        "cafile": "/run/secrets/hoistway_device_ca",
        "crlfile": "/run/secrets/mqtt_device_crl",
    }
    assert MAIN.rstrip().endswith("include_dir /mosquitto/config/door")
    mounted = "./deploy/mosquitto/doors/${HOISTWAY_DOOR:-passwords}.conf:/mosquitto/config/door/door.conf:ro"
    assert mounted in SERVICES["mosquitto"]["volumes"]


@pytest.mark.parametrize("door", sorted(DOORS))
def test_the_broker_s_limits_are_ours(door: str) -> None:
    """The broker lets through what we would refuse with a reason, holds as many messages as ingest takes, and no stranger."""
    settings = settings_of(MAIN.split("\nlistener ")[0])
    assert settings["allow_anonymous"] == "false"
    assert int(settings["max_packet_size"]) >= limits.MESSAGE_BYTES + 1024
    assert int(settings["max_inflight_messages"]) == limits.BROKER_INFLIGHT
    assert int(settings["max_queued_messages"]) >= limits.QUEUE_MESSAGES
    assert settings["persistence"] == "true"
    devices, ours = settings_of(DOORS[door]), settings_of(MAIN.split("\nlistener ")[1])
    assert devices["use_username_as_clientid"] == "true"
    assert devices["max_qos"] == "1"
    files = SERVICES["mosquitto"]["ulimits"]["nofile"]["hard"]
    assert files > int(devices["max_connections"]) > int(ours["max_connections"]) > 0
    assert devices["tls_version"] == ours["tls_version"] == "tlsv1.2"


def test_the_broker_s_paths_are_the_mounted_ones() -> None:
    """Every path in the broker's configuration lies under one of three places, and every secret it names is mounted."""
    text = "\n".join((MAIN, *DOORS.values()))
    paths = re.findall(r"^(?:\w+file|persistence_location|include_dir) (/\S+)", text, re.MULTILINE)
    assert paths
    assert all(path.startswith(("/run/secrets/", "/mosquitto/config/", "/mosquitto/data/")) for path in paths)
    named = {path.removeprefix("/run/secrets/") for path in paths if path.startswith("/run/secrets/")}
    assert named <= secrets_of("mosquitto")


def test_the_image_holds_every_room() -> None:
    """The build takes every package of the project and leaves no installer behind."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    rooms = packages["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    taken = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {
        f"!{name}" for name in (*rooms, "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE")
    } <= set(taken)
    image = (ROOT / "Dockerfile").read_text("utf-8")
    user = re.findall(r"^USER (\S+)", image, re.MULTILINE)
    assert user == [SERVICES["ingest"]["user"]]
    assert image.count("pip uninstall") == 2
    assert all(re.search(r":\d+\.\d+\.\d+", line) for line in re.findall(r"^FROM (.+)", image, re.MULTILINE))
