"""What the server verifies before a quote or a transfer counts, in the order it is verified.

The signature comes before the nonce is marked as seen: otherwise anybody could burn a maker's nonces.
"""

from __future__ import annotations

from atomizer.sim.rysk.auction import Auction, Stage
from atomizer.sim.rysk.ledger import Accounting, SettlementError
from atomizer.sim.rysk.messages import Fault, QuoteMessage, RpcError, TransferMessage
from atomizer.sim.rysk.settings import RyskTwinSettings
from atomizer.sim.rysk.signatures import SignatureError, recover, signing_domain

NS_PER_S = 1_000_000_000


class Nonces:
    """Nonces a maker has used in messages (seen) and on chain (spent)."""

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}
        self._spent: dict[str, set[int]] = {}

    def seen(self, maker: str, nonce: int) -> bool:
        return nonce in self._seen.get(maker, ())

    def see(self, maker: str, nonce: int) -> None:
        self._seen.setdefault(maker, set()).add(nonce)

    def spend(self, maker: str, nonce: int) -> bool:
        """Spend on chain; False if it was spent before."""
        spent = self._spent.setdefault(maker, set())
        if nonce in spent:
            return False
        spent.add(nonce)
        return True

    def counts(self, maker: str) -> tuple[int, int]:
        """How many were (seen, spent)."""
        return len(self._seen.get(maker, ())), len(self._spent.get(maker, ()))


class QuoteChecks:
    """The checks on quotes and transfers; remembers nonces."""

    def __init__(self, settings: RyskTwinSettings, accounting: Accounting) -> None:
        self._settings = settings
        self._accounting = accounting
        self._domain = signing_domain(settings.chain_id, settings.contract)
        self.nonces = Nonces()
        self.transfer_nonces = Nonces()

    def quote(self, message: QuoteMessage, auction: Auction | None, now_ns: int) -> Auction:
        """The auction it is for, once everything the server demands of a quote holds.

        Raises:
            RpcError: the first demand that is not met.
        """
        if auction is None:
            raise RpcError(Fault.UNKNOWN_RFQ, f"unknown rfq: {message.rfq_id!r}")
        _check_terms(message, auction)
        if auction.trap is not None:
            raise RpcError(Fault.NOT_SERVED, "terms not served by this venue")
        if auction.stage is not Stage.OPEN or now_ns >= auction.closes_ns:
            raise RpcError(Fault.CLOSED, "rfq closed: the quote came after the aggregation window")
        if message.is_contract_wallet:
            raise RpcError(Fault.SIGNATURE, "invalid signature: no contract wallet is known at this maker")
        self._check_validity(message.valid_until_s, now_ns)
        if message.price_e18 == 0:
            raise RpcError(Fault.PRICE, "invalid price: expected more than zero")
        self._check_signature("Quote", message, message.maker)
        if self.nonces.seen(message.maker, message.nonce):
            raise RpcError(Fault.NONCE, f"nonce already used: {message.nonce}")
        self.nonces.see(message.maker, message.nonce)
        try:
            self._accounting.check(message.maker, auction.terms, message.price_e18)
        except SettlementError as exc:
            raise RpcError(Fault.BALANCE, str(exc)) from exc
        return auction

    def transfer(self, message: TransferMessage) -> None:
        """Everything the server demands of a deposit or withdrawal, except the money.

        Raises:
            RpcError: the first demand that is not met.
        """
        if message.chain_id != self._settings.chain_id:
            raise RpcError(
                Fault.TERMS, f"chainId: expected {self._settings.chain_id}, found {message.chain_id}"
            )
        if message.asset != self._settings.stable and self._settings.asset_at(message.asset) is None:
            raise RpcError(Fault.TERMS, f"asset: {message.asset} cannot be deposited here")
        if message.amount == 0:
            raise RpcError(Fault.MALFORMED, "amount: expected more than zero")
        self._check_signature("Transfer", message, message.user)
        if self.transfer_nonces.seen(message.user, message.nonce):
            raise RpcError(Fault.NONCE, f"nonce already used: {message.nonce}")
        self.transfer_nonces.see(message.user, message.nonce)

    def _check_validity(self, valid_until_s: int, now_ns: int) -> None:
        longest_s = now_ns // NS_PER_S + self._settings.max_validity_s
        if valid_until_s * NS_PER_S <= now_ns:
            raise RpcError(Fault.VALIDITY, f"quote expired: validUntil {valid_until_s} has passed")
        if valid_until_s > longest_s:
            raise RpcError(Fault.VALIDITY, f"validUntil: expected at most {longest_s}, found {valid_until_s}")

    def _check_signature(self, kind: str, message: QuoteMessage | TransferMessage, signer: str) -> None:
        try:
            found = recover(self._domain, kind, message.typed(), message.signature)
        except SignatureError as exc:
            raise RpcError(Fault.SIGNATURE, f"invalid signature: {exc}") from exc
        if found != signer:
            raise RpcError(Fault.SIGNATURE, f"invalid signature: expected signer {signer}, found {found}")


def _check_terms(message: QuoteMessage, auction: Auction) -> None:
    """Every term of the RFQ must come back unchanged."""
    terms = auction.terms
    for name, expected, found in (
        ("assetAddress", terms.asset, message.asset),
        ("chainId", terms.chain_id, message.chain_id),
        ("expiry", terms.expiry_s, message.expiry_s),
        ("isPut", terms.is_put, message.is_put),
        ("isTakerBuy", terms.is_taker_buy, message.is_taker_buy),
        ("quantity", terms.quantity_e18, message.quantity_e18),
        ("strike", terms.strike_e8, message.strike_e8),
        ("usd", terms.premium_token, message.usd),
        ("collateralAsset", terms.collateral_token, message.collateral),
    ):
        if expected != found:
            raise RpcError(
                Fault.TERMS, f"terms do not match the rfq: {name}: expected {expected}, found {found}"
            )
