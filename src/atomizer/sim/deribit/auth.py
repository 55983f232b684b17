"""Who may do what: keys, signatures, nonces, tokens. Checked with `cryptography`, written from the page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from atomizer.net.transport import HttpRequest
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.params import Params
from atomizer.sim.deribit.settings import Credential

MAX_SKEW_MS = 60_000
CONNECTION_LIFE_S, SESSION_LIFE_S = 900, 31_536_000
DEFAULT_SCOPE = (
    "account:read_write block_rfq:read_write block_trade:read_write custody:read_write mainaccount "
    "trade:read_write wallet:read_write"
)
HTTP_SCHEME = "deri-hmac-sha256"


@dataclass(slots=True)
class Grant:
    """What an access token allows. `session` is the only connection it works on, None for any."""

    access_token: str
    refresh_token: str
    credential: Credential
    scope: str
    expires_ns: int
    life_s: int
    session: int | None
    session_name: str

    def allows(self, area: str, *, write: bool) -> bool:
        """Whether the scope covers an area such as `trade`."""
        for atom in self.scope.split():
            name, _, level = atom.partition(":")
            if name == area:
                return level == "read_write" or (level == "read" and not write)
        return False

    def render(self) -> dict[str, object]:
        """The result of public/auth."""
        body: dict[str, object] = {
            "access_token": self.access_token,
            "expires_in": self.life_s,
            "refresh_token": self.refresh_token,
            "scope": self.scope,
            "token_type": "bearer",
            "enabled_features": [],
            "mandatory_tfa_status": "none",
        }
        if self.session_name:
            body["sid"] = self.session_name
        return body


class Authority:
    """Keys, nonces and tokens of one venue."""

    def __init__(self, credentials: tuple[Credential, ...], salt: str) -> None:
        self._credentials = {credential.client_id: credential for credential in credentials}
        self._keys = {one.client_id: _ed25519(one) for one in credentials if one.public_key}
        self._salt = salt
        self._issued = 0
        self._nonces: dict[tuple[str, str], int] = {}
        self._by_access: dict[str, Grant] = {}
        self._by_refresh: dict[str, Grant] = {}

    def grant(self, params: Params, session: int | None, now_ns: int) -> Grant:
        """public/auth.

        Raises:
            DeribitError: unknown grant type, wrong credentials or signature, stale or used nonce.
        """
        kind = params.text("grant_type")
        scope = params.text("scope", "")
        if kind == "client_credentials":
            credential = self._by_secret(params.text("client_id"), params.text("client_secret"))
        elif kind == "client_signature":
            credential = self._by_signature(params, now_ns)
        elif kind == "refresh_token":
            old = self._by_refresh.pop(params.text("refresh_token"), None)
            if old is None or (old.session is not None and old.session != session):
                raise DeribitError("invalid_credentials", "unknown or used refresh token")
            credential, scope = old.credential, scope or old.scope
            if old.session is not None:
                self._by_access.pop(old.access_token, None)
        else:
            raise DeribitError("Invalid params", f"unsupported grant_type {kind}", "grant_type")
        return self._issue(credential, scope, session, now_ns)

    def by_token(self, token: str, session: int | None, now_ns: int) -> Grant:
        """The grant of an access token.

        Raises:
            DeribitError: 13009, unknown, expired, or of another connection.
        """
        grant = self._by_access.get(token)
        if grant is None or now_ns > grant.expires_ns or grant.session not in (None, session):
            raise DeribitError("unauthorized", "unknown or expired access token")
        return grant

    def by_header(self, request: HttpRequest, now_ns: int) -> Grant | None:
        """The grant of an HTTP request's Authorization header; None without one.

        Raises:
            DeribitError: malformed or wrong.
        """
        header = next((v for k, v in request.headers.items() if k.lower() == "authorization"), "")
        if not header:
            return None
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "bearer":
            return self.by_token(rest.strip(), None, now_ns)
        if scheme.lower() == "basic":
            try:
                client_id, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise DeribitError("invalid_credentials", "malformed Basic header") from None
            credential = self._by_secret(client_id, secret)
        elif scheme == HTTP_SCHEME:
            credential = self._by_http_signature(rest, request, now_ns)
        else:
            raise DeribitError("invalid_credentials", f"unknown authorization scheme {scheme}")
        return Grant("", "", credential, DEFAULT_SCOPE, now_ns + 1, 0, None, "")

    def revoke(self, grant: Grant) -> None:
        """Forget both tokens."""
        self._by_access.pop(grant.access_token, None)
        self._by_refresh.pop(grant.refresh_token, None)

    def close_session(self, session: int) -> None:
        """Tokens that belong to a connection end with it."""
        for grant in [grant for grant in self._by_access.values() if grant.session == session]:
            self.revoke(grant)

    def _issue(self, credential: Credential, scope: str, session: int | None, now_ns: int) -> Grant:
        atoms = scope.split()
        name = next((atom.partition(":")[2] for atom in atoms if atom.startswith("session:")), "")
        life_s = SESSION_LIFE_S if name else CONNECTION_LIFE_S
        granted = dict(atom.partition(":")[::2] for atom in DEFAULT_SCOPE.split())
        for atom in atoms:
            area, _, level = atom.partition(":")
            if area == "expires" and level.isdigit():
                life_s = min(life_s, int(level))
            elif area in granted and area != "mainaccount":
                granted[area] = level
        texts = [f"{area}:{level}" if level else area for area, level in sorted(granted.items())]
        texts.insert(0, f"session:{name}" if name else "connection")
        self._issued += 1
        tokens = [
            hashlib.sha256(f"{self._salt}:{use}:{self._issued}".encode()).hexdigest() for use in ("a", "r")
        ]
        bound = None if name else session
        grant = Grant(
            tokens[0], tokens[1], credential, " ".join(texts), now_ns + life_s * 10**9, life_s, bound, name
        )
        self._by_access[grant.access_token] = grant
        self._by_refresh[grant.refresh_token] = grant
        return grant

    def _by_secret(self, client_id: str, secret: str) -> Credential:
        credential = self._credentials.get(client_id)
        if credential is None or credential.public_key:
            raise DeribitError("invalid_credentials")
        if not hmac.compare_digest(credential.client_secret.encode(), secret.encode()):
            raise DeribitError("invalid_credentials")
        return credential

    def _by_signature(self, params: Params, now_ns: int) -> Credential:
        credential = self._credentials.get(params.text("client_id"))
        if credential is None:
            raise DeribitError("invalid_credentials")
        timestamp, nonce = params.integer("timestamp"), params.text("nonce")
        text = f"{timestamp}\n{nonce}\n{params.text('data', '')}".encode()
        signature = params.text("signature")
        key = self._keys.get(credential.client_id)
        if key is not None:
            _verify_ed25519(key, signature, text)
        elif not _hmac_matches(credential, signature, text):
            raise DeribitError("invalid_credentials", "wrong signature")
        self._use_nonce(credential, timestamp, nonce, now_ns)
        return credential

    def _by_http_signature(self, rest: str, request: HttpRequest, now_ns: int) -> Credential:
        fields = _fields(rest)
        credential = self._credentials.get(fields.get("id", ""))
        timestamp, nonce = fields.get("ts", ""), fields.get("nonce", "")
        if credential is None or credential.public_key or not timestamp.isdigit():
            raise DeribitError("invalid_credentials")
        head = f"{timestamp}\n{nonce}\n{request.method.upper()}\n{request.target}\n".encode()
        if not _hmac_matches(credential, fields.get("sig", ""), head + request.body + b"\n"):
            raise DeribitError("invalid_credentials", "wrong signature")
        self._use_nonce(credential, int(timestamp), nonce, now_ns)
        return credential

    def _use_nonce(self, credential: Credential, timestamp: int, nonce: str, now_ns: int) -> None:
        """A signature is good once, within a minute of the venue's clock."""
        now_ms = now_ns // 1_000_000
        if abs(now_ms - timestamp) > MAX_SKEW_MS:
            raise DeribitError("invalid_credentials", "timestamp more than 60 s from the server's")
        for used in [key for key, at in self._nonces.items() if now_ms - at > 2 * MAX_SKEW_MS]:
            del self._nonces[used]
        key = (credential.client_id, f"{timestamp}\n{nonce}")
        if key in self._nonces:
            raise DeribitError("invalid_credentials", "nonce used before")
        self._nonces[key] = now_ms


def _fields(text: str) -> Mapping[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(","))
    return {key: found for key, _, found in pairs}


def _hmac_matches(credential: Credential, signature: str, text: bytes) -> bool:
    expected = hmac.new(credential.client_secret.encode(), text, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _ed25519(credential: Credential) -> Ed25519PublicKey:
    key = load_pem_public_key(credential.public_key.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError(
            f"expected an Ed25519 public key for {credential.client_id}, found {type(key).__name__}"
        )
    return key


def _verify_ed25519(key: Ed25519PublicKey, signature: str, text: bytes) -> None:
    """Accepts URL-safe base64 without padding, and the standard alphabet that one public client sends."""
    plain = signature.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        key.verify(raw, text)
    except (binascii.Error, ValueError, InvalidSignature):
        raise DeribitError("invalid_credentials", "wrong signature") from None
