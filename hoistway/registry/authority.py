"""The local authority of device certificates: a key that signs, certificates for devices, the list of those that are worth nothing any more.

The only file that knows certificates from the inside. No files, no database, no clock: texts in, texts out, time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hoistway.errors import BadInput
from hoistway.limits import AUTHORITY_DAYS, CERTIFICATE_DAYS_MOST
from hoistway.wire import DEVICE, RESERVED_DEVICES

SUBJECT: Final = "hoistway device CA"
BACKDATED: Final = timedelta(hours=1)
"""A device's clock may be behind ours by so much when it checks its own certificate."""
RSA_BITS_LEAST: Final = 2_048
"""NIST SP 800-131A: shorter RSA keys are not to be used."""
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Issued:
    """A device's certificate as it is shown, and what is kept of it."""

    certificate: str  # PEM
    key: str | None = field(repr=False)  # PEM; None: the device made its own
    serial: str  # hexadecimal, lower case, as openssl and the broker's tools print it
    sha256: str  # of the DER form, hexadecimal
    expires_at: datetime


class Authority:
    """Signs with one key. Made by `found` or read by `load`."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def found(cls, now: datetime, *, days: int = AUTHORITY_DAYS) -> Self:
        """A new authority, good for `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(SUBJECT)
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = _signed_by(name, now, now + timedelta(days=days)).subject_name(name).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate: str, key: str) -> Self:
        """The authority of two PEM texts. Raises `BadInput`, which never repeats the key."""
        found = read_certificate(certificate, where="device CA")
        try:
            private = serialization.load_pem_private_key(key.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadInput(
                "the key cannot be read", where="device CA key", expected="a PEM key without a password"
            ) from error
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise BadInput("the key is of another kind", where="device CA key", expected="an EC key (P-256 or P-384)")
        if private.public_key() != found.public_key():
            raise BadInput("key and certificate do not belong together", where="device CA", expected="one pair")
        return cls(found, private)

    @property
    def certificate(self) -> str:
        """PEM."""
        return _pem(self._certificate)

    @property
    def key(self) -> str:
        """PEM, not encrypted."""
        return _key_pem(self._key)

    @property
    def expires_at(self) -> datetime:
        return self._certificate.not_valid_after_utc

    def issue(self, device: str, now: datetime, *, days: int, request: str | None = None) -> Issued:
        """A certificate whose common name is the device, for a new key or (`request`, PEM) for the key that the device made.

        Of a request only the key is taken. Never good for longer than the authority. Raises `BadInput`.
        """
        if not DEVICE.fullmatch(device) or device in RESERVED_DEVICES:
            raise BadInput(f"{device!r} cannot be a device", where="DEVICE", expected=DEVICE.pattern)
        if not 1 <= days <= CERTIFICATE_DAYS_MOST:
            raise BadInput(f"{days} days", where="--days", expected=f"1 to {CERTIFICATE_DAYS_MOST}")
        if now >= self.expires_at:
            raise BadInput(f"ended on {self.expires_at:%Y-%m-%d}", where="device CA", expected="one that is good now")
        own, public = _made() if request is None else (None, _requested(request))
        until = min(now + timedelta(days=days), self.expires_at)
        builder = _signed_by(self._certificate.subject, now - BACKDATED, until)
        builder = builder.subject_name(_name(device)).public_key(public)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return Issued(
            certificate=_pem(signed),
            key=_key_pem(own) if own else None,
            serial=f"{signed.serial_number:x}",
            sha256=signed.fingerprint(hashes.SHA256()).hex(),
            expires_at=signed.not_valid_after_utc,
        )

    def revocation_list(self, serials: dict[str, datetime], *, number: int, this_update: datetime) -> str:
        """The list of ended certificates (serial, and when it ended), PEM. It is good until the authority ends.

        `this_update` must be later than that of every list before: of two lists with one date a broker may keep either.
        """
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        builder = builder.last_update(this_update).next_update(self.expires_at)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for serial, ended_at in serials.items():
            entry = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(ended_at)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def described(self) -> dict[str, str]:
        """What a person compares: subject, dates, fingerprint."""
        return {
            "SUBJECT": self._certificate.subject.rfc4514_string(),
            "SHA256": self._certificate.fingerprint(hashes.SHA256()).hex(),
            "FROM": f"{self._certificate.not_valid_before_utc:%Y-%m-%d}",
            "UNTIL": f"{self.expires_at:%Y-%m-%d}",
        }


def read_certificate(text: str, *, where: str) -> x509.Certificate:
    """One PEM certificate. Raises `BadInput`."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise BadInput("the certificate cannot be read", where=where, expected="a certificate as PEM") from error


def _made() -> tuple[ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, key.public_key()


def _requested(request: str) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """The key of a signing request, when its maker holds it and it is strong enough."""
    expected = "a signing request (PEM) for an EC key P-256 or P-384, or an RSA key of 2048 bits or more"
    try:
        found = x509.load_pem_x509_csr(request.encode())
        key = found.public_key()
        signed = found.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadInput("it cannot be read", where="--request", expected=expected) from error
    if not signed:
        raise BadInput("its signature is wrong", where="--request", expected=expected)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_LEAST:
        return key
    raise BadInput("its key is too weak or of another kind", where="--request", expected=expected)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed_by(issuer: x509.Name, since: datetime, until: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().issuer_name(issuer).serial_number(x509.random_serial_number())
    return builder.not_valid_before(since).not_valid_after(until)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
