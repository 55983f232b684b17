"""API secrets and private keys never show themselves; malformed ones say what to do."""

from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from atomizer.venues.fields import FieldTypeError
from atomizer.venues.keys import Ed25519Key, HmacKey, KeyFormatError, RsaKey, private_key_from_pem

SEED = bytes(range(32))
SECRET = "throwaway-secret-nobody-uses"


def pem(key: object, password: bytes | None = None) -> str:
    guard = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, guard
    ).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_holders_print_their_kind_only(rsa_key: rsa.RSAPrivateKey) -> None:
    for key in (HmacKey(SECRET), Ed25519Key.from_seed(SEED), RsaKey(rsa_key)):
        assert repr(key) == str(key) == f"{key}" == f"{type(key).__name__}(hidden)"
        assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_holders_cannot_be_copied_or_pickled(leak: object) -> None:
    for key in (HmacKey(SECRET), Ed25519Key.from_seed(SEED)):
        with pytest.raises(TypeError, match="cannot be copied or pickled") as caught:
            leak(key)  # type: ignore[operator]
        assert SECRET not in str(caught.value)


def test_hmac_matches_rfc_4231_case_2() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert HmacKey("Jefe").hex_sha256("what do ya want for nothing?") == expected


def test_ed25519_matches_rfc_8032_test_1() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    expected = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert Ed25519Key.from_seed(seed).sign(b"").hex() == expected


def test_pem_reads_both_algorithms(rsa_key: rsa.RSAPrivateKey) -> None:
    assert isinstance(private_key_from_pem(pem(rsa_key)), RsaKey)
    assert isinstance(private_key_from_pem(pem(Ed25519PrivateKey.generate())), Ed25519Key)


def test_key_of_another_algorithm_is_refused() -> None:
    with pytest.raises(KeyFormatError, match="expected Ed25519 or RSA"):
        private_key_from_pem(pem(ec.generate_private_key(ec.SECP256R1())))


def test_short_rsa_key_is_refused() -> None:
    with pytest.raises(KeyFormatError, match="expected at least 2048 bits, found 1024"):
        RsaKey(rsa.generate_private_key(public_exponent=65537, key_size=1024))


def test_pem_that_cannot_be_read_is_refused_without_showing_it() -> None:
    good = pem(Ed25519Key.from_seed(SEED)._key)
    body = good.splitlines()[1]
    for text in (
        "",
        "nonsense",
        good[:-20],
        good.replace(body, body[:-8]),
        pem(Ed25519PrivateKey.generate(), b"pw"),
    ):
        with pytest.raises(KeyFormatError, match="expected an unencrypted PEM") as caught:
            private_key_from_pem(text)
        assert body[:12] not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), "00" * 16])
def test_seed_of_other_length_is_refused(seed: object) -> None:
    with pytest.raises(KeyFormatError, match="expected 32 bytes"):
        Ed25519Key.from_seed(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["", None, b"bytes"])
def test_empty_secret_is_refused(secret: object) -> None:
    with pytest.raises(KeyFormatError, match="expected non-empty text"):
        HmacKey(secret)  # type: ignore[arg-type]


def test_holder_of_another_keys_algorithm_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(FieldTypeError, match="load it with private_key_from_pem"):
        Ed25519Key(rsa_key)  # type: ignore[arg-type]
    with pytest.raises(FieldTypeError, match="load it with private_key_from_pem"):
        RsaKey(Ed25519PrivateKey.generate())  # type: ignore[arg-type]
