"""The venue's refusals: codes and names of section 11 of its protocol page."""

from __future__ import annotations

from typing import Any

CODES = {
    "authorization_required": 10000,
    "error": 10001,
    "qty_too_low": 10002,
    "order_overlap": 10003,
    "order_not_found": 10004,
    "price_too_low": 10005,
    "price_too_high": 10007,
    "not_enough_funds": 10009,
    "already_closed": 10010,
    "price_not_allowed": 10011,
    "book_closed": 10012,
    "locked_by_admin": 10019,
    "settlement_in_progress": 10041,
    "invalid_or_unsupported_instrument": 10020,
    "invalid_amount": 10021,
    "invalid_quantity": 10022,
    "invalid_price": 10023,
    "too_many_requests": 10028,
    "not_owner_of_order": 10029,
    "must_be_websocket_request": 10030,
    "invalid_max_show_amount": 10036,
    "price_wrong_tick": 10043,
    "other_reject": 11030,
    "no_adv_for_futures": 11038,
    "not_open_order": 11044,
    "bad_arguments": 11049,
    "post_only_reject": 11054,
    "invalid_credentials": 13004,
    "unauthorized": 13009,
    "not_found": 13020,
    "forbidden": 13021,
    "mmp_trigger": 13030,
    "non_unique_order_label": 13032,
    "mmp_required": 13040,
    "cod_not_enabled": 13042,
    "quotes_frozen": 13043,
    "scope_exceeded": 13403,
    "raw_subscriptions_not_available_for_unauthorized": 13778,
    "timed_out": 13888,
    "Invalid Request": -32600,
    "Method not found": -32601,
    "Invalid params": -32602,
    "Parse error": -32700,
}


class DeribitError(Exception):
    """A refusal as the client sees it."""

    def __init__(self, name: str, reason: str = "", param: str = "") -> None:
        super().__init__(f"{CODES[name]} {name}" + (f": {reason}" if reason else ""))
        self.name = name
        self.code = CODES[name]
        self.reason = reason
        self.param = param

    def body(self) -> dict[str, Any]:
        """The `error` member of a reply."""
        body: dict[str, Any] = {"code": self.code, "message": self.name}
        data = {key: text for key, text in (("reason", self.reason), ("param", self.param)) if text}
        if data:
            body["data"] = data
        return body


def invalid_params(param: str, reason: str) -> DeribitError:
    """-32602 naming the parameter."""
    return DeribitError("Invalid params", reason, param)
