"""Our quotes as signed Rysk bytes. Pure: no clock, no socket.

Whatever an RFQ says, a quote is signed only for a domain of the allow-list. What every quote on an option
shares (its domain, its words of the signed struct, its part of the message) is made when it is first quoted.
"""

from __future__ import annotations

from binascii import hexlify

import msgspec

from atomizer.domain.commands import SendQuote
from atomizer.domain.rfq import OnchainTerms
from atomizer.venues.eip712 import Domain, DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.rysk import wire
from atomizer.venues.rysk.auth import QuoteForm

# Forms remembered; a responder quotes far fewer options at a time.
FORMS_KNOWN = 20_000

_encode = msgspec.json.Encoder().encode
_MESSAGE = (
    b'{"id":%b,"method":"quote","params":{%b,"isTakerBuy":%b,"nonce":"%d","price":"%d","quantity":"%d",'
    b'"signature":"0x%b","validUntil":%d},"jsonrpc":"2.0"}'
)


class Form(msgspec.Struct, frozen=True):
    """What quotes on one option share: its part of the signed struct and, without braces, of the message."""

    signed: QuoteForm
    told: bytes


class QuoteSigner:
    """Signs and encodes for one maker. Forms are kept by all that they are made of: what compares equal has
    the same words."""

    def __init__(self, maker: Address, key: EthereumKey, allowed: DomainAllowList) -> None:
        self._maker = maker
        self._key = key
        self._allowed = allowed
        self._forms: dict[tuple[object, ...], Form] = {}

    def encode(self, command: SendQuote) -> bytes:
        """The signed quote. From here on its signature is a bearer order.

        Raises:
            SigningError: domain not allowed, a term out of range; nothing was signed.
        """
        terms = command.terms
        form = self.form(terms)
        signature = sign(form.signed, command, self._key)
        return _MESSAGE % (
            _encode(command.rfq_id),
            form.told,
            b"true" if terms.is_taker_buy else b"false",
            command.nonce,
            command.price_e18,
            terms.quantity_e18,
            hexlify(signature),
            command.valid_until_s,
        )

    def form(self, terms: OnchainTerms) -> Form:
        """The form of these terms.

        Raises:
            SigningError: domain not allowed, a term out of range.
        """
        key = (
            terms.asset,
            terms.chain_id,
            terms.is_put,
            terms.strike_e8,
            terms.expiry_s,
            terms.premium_token,
            terms.collateral_token,
            terms.domain_name,
            terms.domain_version,
            terms.verifying_contract,
        )
        found = self._forms.get(key)
        if found is None:
            found = self._forms[key] = self._made(terms)
            if len(self._forms) > FORMS_KNOWN:
                del self._forms[next(iter(self._forms))]
        return found

    def _made(self, terms: OnchainTerms) -> Form:
        option = wire.QuotedOption(
            asset_address=terms.asset,
            chain_id=terms.chain_id,
            expiry=terms.expiry_s,
            is_put=terms.is_put,
            maker=self._maker.wire,
            strike=str(terms.strike_e8),
            usd=terms.premium_token,
            collateral_asset=terms.collateral_token,
        )
        signed = QuoteForm(
            domain_of(terms, self._allowed),
            Address.parse(terms.asset),
            terms.chain_id,
            terms.is_put,
            terms.strike_e8,
            terms.expiry_s,
            self._maker,
            Address.parse(terms.premium_token),
            Address.parse(terms.collateral_token),
        )
        return Form(signed, _encode(option)[1:-1])


def sign(form: QuoteForm, command: SendQuote, key: EthereumKey) -> bytes:
    """65 bytes r, s, v (27 or 28) over a quote of this form."""
    terms = command.terms
    digest = form.digest(
        command.nonce, command.price_e18, terms.quantity_e18, terms.is_taker_buy, command.valid_until_s
    )
    return key.sign_digest(digest)


def domain_of(terms: OnchainTerms, allowed: DomainAllowList) -> Domain:
    """The allowed domain to sign for.

    Raises:
        SigningError: the RFQ names another, or its chain is not allowed.
    """
    if not terms.verifying_contract:
        return allowed.for_chain(terms.chain_id)
    contract = Address.parse(terms.verifying_contract)
    return allowed.require(terms.domain_name, terms.domain_version, terms.chain_id, contract)
