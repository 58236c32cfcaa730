"""The authority of device certificates, without a broker: what it signs, for how long, and what it refuses to sign."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from typer.testing import CliRunner

from hoistway.cli import app
from hoistway.errors import BadInput
from hoistway.limits import CERTIFICATE_DAYS_MOST
from hoistway.registry.authority import Authority

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OURS = Authority.found(NOW)


def request(key: Any, name: str = "somebody") -> str:
    """A signing request in another name than the device's."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, digest)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def tampered(text: str) -> str:
    """The same with a letter of its name changed: the signature no longer fits."""
    der = x509.load_pem_x509_csr(text.encode()).public_bytes(serialization.Encoding.DER)
    return x509.load_der_x509_csr(der.replace(b"some", b"sime")).public_bytes(serialization.Encoding.PEM).decode()


def test_a_certificate_names_its_device_and_nothing_else() -> None:
    """The common name is the device; it is for clients, is no authority, and what is kept of it is what it says."""
    issued = OURS.issue("t-1", NOW, days=730)
    found = x509.load_pem_x509_certificate(issued.certificate.encode())
    assert found.subject.rfc4514_string() == "CN=t-1"
    assert found.issuer.rfc4514_string() == "CN=hoistway device CA"
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert (f"{found.serial_number:x}", found.fingerprint(hashes.SHA256()).hex()) == (issued.serial, issued.sha256)
    assert (found.not_valid_before_utc, found.not_valid_after_utc) == (
        NOW - timedelta(hours=1),
        NOW + timedelta(days=730),
    )
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(OURS.certificate.encode()))


def test_a_certificate_ends_with_its_authority() -> None:
    """Nobody gets one that would outlive who signed it; an authority that has ended signs nothing."""
    short = Authority.found(NOW, days=100)
    assert short.issue("t-1", NOW, days=730).expires_at == short.expires_at
    with pytest.raises(BadInput, match="ended on"):
        short.issue("t-1", NOW + timedelta(days=101), days=1)


@pytest.mark.parametrize("name", ["ingest", "health", "#", "a/b", "", "x" * 65, "t-1\n"])
def test_no_certificate_in_a_name_that_is_no_device(name: str) -> None:
    """The rights at the broker follow from the name: ours and wildcards are not to be had."""
    with pytest.raises(BadInput, match="cannot be a device"):
        OURS.issue(name, NOW, days=30)


@pytest.mark.parametrize("days", [0, -1, CERTIFICATE_DAYS_MOST + 1])
def test_no_certificate_for_a_time_that_makes_no_sense(days: int) -> None:
    """Within a day and ten years."""
    with pytest.raises(BadInput, match="--days"):
        OURS.issue("t-1", NOW, days=days)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65_537, 2_048)])
def test_of_a_request_only_the_key_counts(key: Any) -> None:
    """A device that makes its own key gets a certificate for it in its own name, and no key from us."""
    issued = OURS.issue("t-1", NOW, days=30, request=request(key, name="ingest"))
    found = x509.load_pem_x509_certificate(issued.certificate.encode())
    assert (issued.key, found.subject.rfc4514_string()) == (None, "CN=t-1")
    assert found.public_key() == key.public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not PEM",
        request(rsa.generate_private_key(65_537, 1_024)),  # noqa: S505  the one to be refused
        request(ed25519.Ed25519PrivateKey.generate()),
        tampered(request(ec.generate_private_key(ec.SECP256R1()))),
        OURS.certificate,
    ],
)
def test_a_request_that_cannot_be_used_is_said(text: str) -> None:
    """Weak keys, other kinds and broken texts are refused with what was expected."""
    with pytest.raises(BadInput, match=r"--request.*expected a signing request"):
        OURS.issue("t-1", NOW, days=30, request=text)


def test_an_authority_is_read_as_it_was_written() -> None:
    """The same key signs after a restart; a pair that does not match, and other keys, are refused without a word of the key."""
    assert Authority.load(OURS.certificate, OURS.key).described() == OURS.described()
    other = rsa.generate_private_key(65_537, 2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for certificate, key in (
        (OURS.certificate, Authority.found(NOW).key),
        (OURS.certificate, other.decode()),
        (OURS.certificate, OURS.key[:80]),
        ("", OURS.key),
    ):
        with pytest.raises(BadInput) as caught:
            Authority.load(certificate, key)
        assert OURS.key[60:90] not in str(caught.value)


def test_the_list_names_what_ended() -> None:
    """Serials with their times, signed, numbered, good as long as the authority."""
    issued = OURS.issue("t-1", NOW, days=30)
    text = OURS.revocation_list({issued.serial: NOW}, number=7, this_update=NOW)
    found = x509.load_pem_x509_crl(text.encode())
    assert [(f"{it.serial_number:x}", it.revocation_date_utc) for it in found] == [(issued.serial, NOW)]
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert (found.last_update_utc, found.next_update_utc) == (NOW, OURS.expires_at)
    assert found.is_signature_valid(x509.load_pem_x509_certificate(OURS.certificate.encode()).public_key())


def test_an_authority_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`devices ca init` writes a key for its owner only and replaces nothing; `ca show` tells the fingerprint."""
    runner = CliRunner()
    made = runner.invoke(app, ["devices", "ca", "init", "--dir", str(tmp_path)])
    assert made.exit_code == 0, made.output
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["hoistway_device_ca_key"] == 0o600
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = runner.invoke(app, ["devices", "ca", "init", "--dir", str(tmp_path)])
    assert (again.exit_code, before) == (2, {path.name: path.read_bytes() for path in tmp_path.iterdir()})
    monkeypatch.setenv("HOISTWAY_DEVICE_CA", before["hoistway_device_ca"].decode())
    monkeypatch.setenv("HOISTWAY_DEVICE_CA_KEY", before["hoistway_device_ca_key"].decode())
    assert runner.invoke(app, ["devices", "ca", "show"]).output == made.output
