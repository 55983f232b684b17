"""What can be chosen about the simulated Deribit."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from atomizer.sim.recording import Recording


@dataclass(frozen=True, slots=True)
class Credential:
    """One API key of one account.

    With `public_key` (PEM, SubjectPublicKeyInfo, Ed25519) only signatures by the private key are accepted;
    otherwise the secret serves as password and as HMAC key.
    """

    account: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    public_key: str = ""


DEFAULT_CREDENTIALS = (
    Credential("main", "sim-client-1", "sim-secret-1"),
    Credential("second", "sim-client-2", "sim-secret-2"),
)
DEPOSITS = {"ETH": Decimal(500), "BTC": Decimal(20), "USDC": Decimal(0)}
DEFAULT_DEPOSIT = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Tier:
    """Matching-engine requests per second and burst."""

    rate: int
    burst: int


@dataclass(frozen=True, slots=True)
class FeeOverride:
    """Rates of one account for `perpetual`, `future`, `option` or `spot`: a volume tier, or a rebate."""

    account: str
    kind: str
    maker: Decimal
    taker: Decimal


STANDARD_MARGIN = ("segregated_sm", "cross_sm")
PORTFOLIO_MODELS = ("segregated_pm", "cross_pm")
MARGIN_MODELS = (*STANDARD_MARGIN, *PORTFOLIO_MODELS)
BUMPED_CANCELS = ("ioc", "gone")
QUOTE_ERRORS = ("stays_together", "stays_alone", "goes_together", "goes_alone")
TIERS = {1: Tier(30, 100), 2: Tier(20, 50), 3: Tier(10, 30), 4: Tier(5, 20)}


@dataclass(frozen=True, slots=True)
class DeribitTwinSettings:
    """Settings of one simulated venue.

    Args:
        credentials: the keys; every account named starts with `deposit`.
        deposit: opening balance in every coin; None takes 500 ETH, 20 BTC and no USDC.
        deposits: (currency, opening balance) pairs that come before `deposit`.
        tier: volume tier of the matching-engine limits.
        limits: whether request limits are enforced (10028, then the connection is closed).
        order_push_delay_ms: delay of order pushes behind the matching.
        trade_push_delay_ms: the same for trade pushes; longer than the other, and `filled` comes first.
        option_ticker_ms: how often option tickers of the fast channels are renewed.
        heartbeat_grace_s: time to answer a test_request before the socket is closed.
        idle_close_s: a socket silent this long without heartbeat is closed.
        takers: whether anonymous takers trade.
        flow_seed: seed of the order flow; None derives it from the market's seed.
        speed_bump_ms: how long what would match at once waits, 0 to 10; the large perpetuals never wait.
        bumped_cancel: what cancelling does in the speed bump: `ioc` (nothing of it will rest, but it may
            still trade: the venue's newer page) or `gone` (it leaves at once: its older page).
        quote_errors: what a refused side of a mass quote means for the resting quote of that side (`stays`,
            `goes`) and for the other side (`together`: refused as well, `alone`). The venue's article says
            `goes_alone`, its release note of 25 November 2025 `stays_together`.
        recording: depth and trades that some books follow instead of the generator.
        fees: rates of accounts that do not pay what the instruments say.
        settlement_pause_s: how long books stay in `settlement` at 08:00 UTC.
        archive_s: time from a delivery until its instruments are archived.
        margin_model: of every account until it chooses another; under `segregated_sm` and `cross_sm`
            options cannot be quoted in mass.
    """

    credentials: tuple[Credential, ...] = DEFAULT_CREDENTIALS
    deposit: Decimal | None = None
    deposits: tuple[tuple[str, Decimal], ...] = ()
    tier: int = 1
    limits: bool = True
    order_push_delay_ms: int = 0
    trade_push_delay_ms: int = 0
    option_ticker_ms: int = 500
    heartbeat_grace_s: float = 10.0
    idle_close_s: float = 600.0
    takers: bool = True
    flow_seed: int | None = None
    speed_bump_ms: float = 0.0
    bumped_cancel: str = "ioc"
    quote_errors: str = "stays_together"
    margin_model: str = "segregated_sm"
    recording: Recording | None = None
    fees: tuple[FeeOverride, ...] = ()
    settlement_pause_s: float = 5.0
    archive_s: float = 60.0

    def opening(self, currency: str) -> Decimal:
        """What every account starts with in a currency."""
        for name, amount in self.deposits:
            if name == currency:
                return amount
        if self.deposit is not None and currency != "USDC":
            return self.deposit
        return DEPOSITS.get(currency, DEFAULT_DEPOSIT)
