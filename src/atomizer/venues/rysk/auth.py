"""Rysk signatures: quotes, and the authentication of premium-RFQ cancels.

Pure functions of a domain, a message of integers and a key. The domain must come from the
allow-list of the network (`networks.py`), whatever an RFQ names: RFQs arrive on an unauthenticated
channel. A signed quote is a bearer order that nothing revokes before `valid_until`.
Transfers are signed elsewhere, out of reach of this module.
"""

from __future__ import annotations

import re

import msgspec

from atomizer.venues.eip712 import (
    Domain,
    DomainAllowList,
    StructType,
    opening,
    row_digest,
    typed_digest,
)
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.fields import FieldTypeError

__all__ = [
    "AUTHENTICATION_TYPE",
    "QUOTE_TYPE",
    "QuoteForm",
    "QuoteMessage",
    "authentication_digest",
    "authentication_domain",
    "parse_domain",
    "quote_digest",
    "quote_hash",
    "sign_authentication",
    "sign_quote",
]

QUOTE_TYPE = StructType(
    "Quote(address assetAddress,uint256 chainId,bool isPut,uint256 strike,uint64 expiry,address maker,"
    "uint64 nonce,uint256 price,uint256 quantity,bool isTakerBuy,uint64 validUntil,address usd,"
    "address collateralAsset)"
)
AUTHENTICATION_TYPE = StructType("Authentication(string nonce)")
# The row of a quote in three: the option and who offers, what is offered, the tokens.
_OPTION, _OFFER, _TOKENS = QUOTE_TYPE.part(0, 6), QUOTE_TYPE.part(6, 11), QUOTE_TYPE.part(11, 13)
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,64}|[0-9]{1,78}")


class QuoteMessage(msgspec.Struct, frozen=True, gc=False):
    """The terms that a quote signature covers, in the contract's units.

    `strike` is scaled by 1e8; `price` (per unit of the underlying, in the token `usd`) and
    `quantity` by 1e18; `expiry` and `valid_until` are unix seconds; `nonce` is never used twice.
    """

    asset_address: Address
    chain_id: int
    is_put: bool
    strike: int
    expiry: int
    maker: Address
    nonce: int
    price: int
    quantity: int
    is_taker_buy: bool
    valid_until: int
    usd: Address
    collateral_asset: Address


class QuoteForm:
    """What every quote of a maker on one option for one domain shares, encoded once.

    Raises:
        FieldTypeError, FieldRangeError: a field is not of its exact type or does not fit.
        DomainRefusedError: the option's chain is another than the domain's.
    """

    __slots__ = ("_after", "_before")

    def __init__(
        self,
        domain: Domain,
        asset_address: Address,
        chain_id: int,
        is_put: bool,
        strike: int,
        expiry: int,
        maker: Address,
        usd: Address,
        collateral_asset: Address,
    ) -> None:
        option = _OPTION.encode(asset_address, chain_id, is_put, strike, expiry, maker)
        self._after = _TOKENS.encode(usd, collateral_asset)
        domain.require_chain(chain_id, "quote")
        self._before = opening(domain) + option

    def digest(self, nonce: int, price: int, quantity: int, is_taker_buy: bool, valid_until: int) -> bytes:
        """The 32 bytes that are signed.

        Raises:
            FieldTypeError, FieldRangeError: a field is not of its exact type or does not fit.
        """
        offer = _OFFER.encode(nonce, price, quantity, is_taker_buy, valid_until)
        return row_digest(bytearray().join((self._before, offer, self._after)))


def quote_hash(quote: QuoteMessage) -> bytes:
    """The EIP-712 struct hash.

    Raises:
        FieldTypeError, FieldRangeError: a field is not of its exact type or does not fit.
    """
    return QUOTE_TYPE.hash(
        quote.asset_address,
        quote.chain_id,
        quote.is_put,
        quote.strike,
        quote.expiry,
        quote.maker,
        quote.nonce,
        quote.price,
        quote.quantity,
        quote.is_taker_buy,
        quote.valid_until,
        quote.usd,
        quote.collateral_asset,
    )


def quote_digest(domain: Domain, quote: QuoteMessage) -> bytes:
    """The 32 bytes that are signed; errors as `QuoteForm`."""
    form = QuoteForm(
        domain,
        quote.asset_address,
        quote.chain_id,
        quote.is_put,
        quote.strike,
        quote.expiry,
        quote.maker,
        quote.usd,
        quote.collateral_asset,
    )
    return form.digest(quote.nonce, quote.price, quote.quantity, quote.is_taker_buy, quote.valid_until)


def sign_quote(domain: Domain, quote: QuoteMessage, key: EthereumKey) -> str:
    """`0x` and 65 bytes (r, s, v 27 or 28) in lower-case hex, as the wire wants it."""
    return "0x" + key.sign_digest(quote_digest(domain, quote)).hex()


def parse_domain(allowed: DomainAllowList, fields: dict[str, object]) -> Domain:
    """The allowed domain that an RFQ's `typeDataDomain` names (chain id: number, decimal or hex text).

    Raises:
        DomainRefusedError: it equals none of the allowed domains.
        FieldTypeError, AddressError: a part is missing or malformed.
    """
    name, version, contract = (_text(fields, part) for part in ("name", "version", "verifyingContract"))
    chain = fields.get("chainId")
    if isinstance(chain, str) and _NUMBER.fullmatch(chain):
        chain = int(chain, 16 if chain[:2] in ("0x", "0X") else 10)
    if type(chain) is not int:
        raise FieldTypeError(
            f"typeDataDomain.chainId: expected a number, decimal or hex text, "
            f"found {type(chain).__name__}; not signed"
        )
    return allowed.require(name, version, chain, Address.parse(contract))


def _text(fields: dict[str, object], part: str) -> str:
    value = fields.get(part)
    if not isinstance(value, str):
        raise FieldTypeError(
            f"typeDataDomain.{part}: expected text, found {type(value).__name__}; not signed"
        )
    return value


def authentication_domain(chain_id: int) -> Domain:
    """The domain of premium-RFQ cancels: it names no contract, so nothing on chain accepts it."""
    return Domain("Authentication", "0.0.0", chain_id, Address(bytes(20)))


def authentication_digest(domain: Domain, nonce: str) -> bytes:
    """The 32 bytes signed to cancel a premium quote."""
    return typed_digest(domain, AUTHENTICATION_TYPE.hash(nonce))


def sign_authentication(domain: Domain, nonce: str, key: EthereumKey) -> str:
    """The `X-Signature` header of `DELETE /api/quotes/{id}`."""
    return "0x" + key.sign_digest(authentication_digest(domain, nonce)).hex()
