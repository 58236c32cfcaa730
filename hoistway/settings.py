"""What an operator may set, from the environment (`HOISTWAY_...`) or from files of the same names in a secrets folder."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from hoistway.errors import BadInput
from hoistway.stages import Cadence


def default_home() -> Path:
    """The state folder: `$HOISTWAY_HOME`, else a system folder for root, else `$XDG_STATE_HOME/hoistway`."""
    if home := os.environ.get("HOISTWAY_HOME"):
        return Path(home).expanduser()
    if os.geteuid() == 0:
        return Path("/var/lib/hoistway")
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "hoistway"


class Settings(BaseSettings):
    """One process's settings. URLs hold passwords and therefore never print."""

    model_config = SettingsConfigDict(
        env_prefix="HOISTWAY_", secrets_dir=os.environ.get("HOISTWAY_SECRETS_DIR"), extra="ignore"
    )

    database_url: SecretStr | None = Field(default=None, description="postgresql://user:password@host:port/name")
    mqtt_url: SecretStr | None = Field(
        default=None, description="mqtt://user:password@host:port, or mqtts:// with TLS; ?ca=FILE&cert=FILE&key=FILE"
    )
    http_host: str = Field(default="127.0.0.1", description="address the API listens on")
    http_port: int = Field(default=8080, ge=1, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535, description="this process's /metrics; 0 = off")
    metrics_host: str = Field(default="127.0.0.1", description="address /metrics listens on")
    public_url: str = Field(default="", description="address people reach the console by; default from host and port")
    cookie_secure: bool = Field(default=False, description="set the Secure flag (behind TLS)")
    log_json: bool = Field(default=False, description="one JSON object a line instead of text")
    device_ca: str | None = Field(default=None, description="certificate of the authority of device certificates, PEM")
    device_ca_key: SecretStr | None = Field(default=None, description="its key, PEM")
    security_days: int = Field(
        default=365, ge=183, le=3_650, description="days that security events are kept; never under six months"
    )
    anchor_file: Path | None = Field(
        default=None,
        description="where dispatch writes the seals of cases' logs; default: anchor.jsonl in the state folder",
    )
    city_link_secrets: Path | None = Field(
        default=None,
        description="folder with one file a form of the city link that holds our secret; default: city-link in the state folder",
    )
    time_zone: str = Field(default="Asia/Shanghai", description="the city's time zone")
    keep_samples_days: int = Field(
        default=400, ge=31, description="how long samples are kept; the console shows a month"
    )
    keep_log_days: int = Field(
        default=400,
        ge=183,
        description="how long events, link messages and batches are kept; never under six months",
    )

    probe_every_s: float = Field(
        default=60,
        ge=0.5,
        le=60,
        description="dead-man's switch: how often the probe goes out; the same for every process",
    )
    probe_mqtt_url: SecretStr | None = Field(
        default=None, description="the probe's own account at the broker, as mqtt_url"
    )
    watch_key: SecretStr | None = Field(default=None, description="what the watcher shows the API; the same for both")
    seal_key: SecretStr | None = Field(
        default=None, description="random text that seals second factors; without it nobody can have one"
    )
    watch_api_url: str = Field(default="", description="address of the API for the watcher; default from the port")
    watch_webhooks: SecretStr | None = Field(
        default=None, description="https addresses, separated by spaces, that the watcher shouts to"
    )

    watch_webhook_secret: SecretStr | None = Field(
        default=None, description="whsec_...: what the watcher signs its webhooks with; without it they are not signed"
    )

    sms_url: SecretStr | None = Field(
        default=None, description="SMS gateway: an address with {phone} {text} ...; console: writes to a file instead"
    )
    sms_headers: SecretStr | None = Field(default=None, description="its headers, a JSON object")
    sms_body: SecretStr | None = Field(default=None, description="its body, JSON or a form, with {phone} {text} ...")
    voice_url: SecretStr | None = Field(default=None, description="voice gateway, as sms_url")
    voice_headers: SecretStr | None = Field(default=None, description="as sms_headers")
    voice_body: SecretStr | None = Field(default=None, description="as sms_body")
    smtp_url: SecretStr | None = Field(
        default=None, description="smtps://user:password@host:465?from=ADDRESS, or smtp://...&tls=start"
    )
    webhook_networks: str = Field(
        default="", description="private networks (CIDR) that webhooks may reach, by plain http too"
    )

    @property
    def link_base(self) -> str:
        """Where people reach the api, for links in messages."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")

    @property
    def cadence(self) -> Cadence:
        return Cadence(every_s=self.probe_every_s)

    def need_database_url(self) -> str:
        return _need(self.database_url, "HOISTWAY_DATABASE_URL", "postgresql://user:password@host:port/name")

    @property
    def anchor_path(self) -> Path:
        return self.anchor_file or default_home() / "anchor.jsonl"

    @property
    def city_link_path(self) -> Path:
        return self.city_link_secrets or default_home() / "city-link"

    def need_mqtt_url(self) -> str:
        return _need(self.mqtt_url, "HOISTWAY_MQTT_URL", "mqtt://user:password@host:port")

    def need_probe_mqtt_url(self) -> str:
        return _need(self.probe_mqtt_url, "HOISTWAY_PROBE_MQTT_URL", "mqtt://hoistway-probe:password@host:port")

    def need_watch_key(self) -> str:
        return _need(self.watch_key, "HOISTWAY_WATCH_KEY", "a random text, the same for the API and the watcher")


def _need(value: SecretStr | None, name: str, form: str) -> str:
    if value is None or not value.get_secret_value():
        raise BadInput("not set", where=name, expected=form)
    return value.get_secret_value()
