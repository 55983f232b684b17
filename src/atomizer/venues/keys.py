"""Key material in holders that never show it.

`repr`, `str` and format give the kind and, where there is one, the public part; copying and pickling
are refused, so a key cannot reach a journal, a log or another process by accident. Errors about a
malformed key name its length at most.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from atomizer.venues.fields import FieldTypeError, SigningError

__all__ = ["Ed25519Key", "HiddenKey", "HmacKey", "KeyFormatError", "RsaKey", "private_key_from_pem"]

SMALLEST_RSA_BITS = 2048


class KeyFormatError(SigningError):
    """A private key or secret is malformed; the text never holds any of it."""


class HiddenKey:
    """Base of every key holder: prints its kind, cannot be copied or pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled; "
            "load the key where it is used and pass the holder itself"
        )


@final
class HmacKey(HiddenKey):
    """A shared secret: HMAC signatures, and the secret itself where a venue wants it sent."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        if type(secret) is not str or not secret:
            raise KeyFormatError(
                "API secret: expected non-empty text; set the venue's secret in its variable or file"
            )
        self._secret = secret.encode()

    def hex_sha256(self, message: str) -> str:
        """HMAC-SHA256 of the UTF-8 text as lower-case hex."""
        return hmac.digest(self._secret, message.encode(), hashlib.sha256).hex()

    def reveal(self) -> str:
        """The secret itself: for a login message on an encrypted socket, nothing else."""
        return self._secret.decode()


@final
class Ed25519Key(HiddenKey):
    """An Ed25519 private key (pure, no prehash)."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        if not isinstance(key, Ed25519PrivateKey):
            raise FieldTypeError(
                "Ed25519 key: expected a parsed Ed25519 private key; load it with private_key_from_pem"
            )
        self._key = key

    @classmethod
    def from_seed(cls, seed: bytes) -> Ed25519Key:
        """From the 32-byte seed.

        Raises:
            KeyFormatError: not 32 bytes.
        """
        if type(seed) is not bytes or len(seed) != 32:
            raise KeyFormatError("Ed25519 seed: expected 32 bytes; pass the raw private key, not the PEM")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return self._key.sign(message)

    def public_pem(self) -> str:
        """The public half (SubjectPublicKeyInfo), to register with the venue."""
        return _public_pem(self._key)


@final
class RsaKey(HiddenKey):
    """An RSA private key, PKCS#1 v1.5 signatures."""

    __slots__ = ("_key",)

    def __init__(self, key: RSAPrivateKey) -> None:
        if not isinstance(key, RSAPrivateKey):
            raise FieldTypeError(
                "RSA key: expected a parsed RSA private key; load it with private_key_from_pem"
            )
        if key.key_size < SMALLEST_RSA_BITS:
            raise KeyFormatError(
                f"RSA key: expected at least {SMALLEST_RSA_BITS} bits, found {key.key_size}; "
                "create a longer one"
            )
        self._key = key

    def sign_sha256(self, message: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def sign_sha512(self, message: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-512 (JWT's RS512)."""
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA512())

    def public_pem(self) -> str:
        """The public half (SubjectPublicKeyInfo), to register with the venue."""
        return _public_pem(self._key)


def private_key_from_pem(text: str) -> Ed25519Key | RsaKey:
    """The unencrypted private key in a PEM text.

    Raises:
        KeyFormatError: not PEM, encrypted, or of another algorithm.
    """
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(
            f"private key: expected an unencrypted PEM private key, the text could not be read "
            f"({type(error).__name__}); check that the file holds the whole block from BEGIN to END"
        ) from None
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Key(key)
    if isinstance(key, RSAPrivateKey):
        return RsaKey(key)
    raise KeyFormatError(
        f"private key: expected Ed25519 or RSA, found {type(key).__name__}; register another key"
    )


def _public_pem(key: Ed25519PrivateKey | RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
