"""Authentication, heartbeat, subscriptions and cancel-on-disconnect."""

from __future__ import annotations

from typing import Any

from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import Channel, parse_channel
from atomizer.sim.deribit.errors import DeribitError, invalid_params

VERSION = "1.2.26"
MIN_HEARTBEAT_S = 10
MAX_CHANNELS = 500
MAX_SUBSCRIBE_LABEL = 16


def auth(call: Call) -> dict[str, object]:
    """public/auth: a grant, and on a socket the trust of the connection."""
    session = call.session
    grant = call.twin.authority.grant(
        call.params, session.number if session else None, call.twin.exchange.now_ns
    )
    if session is not None:
        session.authenticate(grant, call.twin.exchange.accounts[grant.credential.account])
    body = grant.render()
    if call.params.has("state"):
        body["state"] = call.params.text("state")
    return body


def logout(call: Call) -> None:
    """private/logout: no reply, the socket closes, orders stay."""
    session = call.socket
    if call.grant is not None and call.params.flag("invalidate_token", default=True):
        call.twin.authority.revoke(call.grant)
    session.logged_out = True
    call.silent = True
    call.after.append(lambda: session.close(1000, "logout"))


def set_heartbeat(call: Call) -> str:
    interval = call.params.integer("interval")
    if interval < MIN_HEARTBEAT_S:
        raise invalid_params("interval", f"must be at least {MIN_HEARTBEAT_S}")
    call.socket.set_heartbeat(interval)
    return "ok"


def disable_heartbeat(call: Call) -> str:
    call.socket.set_heartbeat(0)
    return "ok"


def test(call: Call) -> dict[str, str]:
    if call.session is not None:
        call.session.tested()
    if call.params.text("expected_result", "") == "exception":
        raise DeribitError("error", "asked for by expected_result")
    return {"version": VERSION}


def hello(call: Call) -> dict[str, str]:
    call.params.text("client_name")
    return {"version": VERSION}


def subscribe(call: Call) -> list[str]:
    """Channels actually subscribed; unknown ones are missing from the reply."""
    session = call.socket
    private = call.method.startswith("private/")
    if len(call.params.text("label", "")) > MAX_SUBSCRIBE_LABEL:
        raise invalid_params("label", f"must be at most {MAX_SUBSCRIBE_LABEL} characters")
    granted: list[Channel] = []
    for channel in _channels(call):
        if channel.private and not private:
            continue
        if channel.raw and session.account is None:
            raise DeribitError("raw_subscriptions_not_available_for_unauthorized")
        granted.append(channel)
    for channel in granted:
        if channel.name not in session.channels:
            session.channels[channel.name] = channel
            call.after.append(call.twin.hub.add(session, channel))
    return [channel.name for channel in granted]


def unsubscribe(call: Call) -> list[str]:
    session = call.socket
    gone = []
    for channel in _channels(call):
        if session.channels.pop(channel.name, None) is not None:
            call.twin.hub.remove(session, channel)
            gone.append(channel.name)
    return gone


def unsubscribe_all(call: Call) -> str:
    session = call.socket
    for channel in list(session.channels.values()):
        call.twin.hub.remove(session, channel)
    session.channels.clear()
    return "ok"


def _channels(call: Call) -> list[Channel]:
    names = call.params.texts("channels")
    if len(names) > MAX_CHANNELS:
        raise invalid_params("channels", f"at most {MAX_CHANNELS} per call")
    exchange = call.twin.exchange
    indices = [underlying.index_name for underlying in exchange.underlyings.values()]
    parsed = (parse_channel(name, exchange.listings, indices) for name in dict.fromkeys(names))
    return [channel for channel in parsed if channel is not None]


def enable_cod(call: Call) -> str:
    return _set_cod(call, enabled=True)


def disable_cod(call: Call) -> str:
    return _set_cod(call, enabled=False)


def _set_cod(call: Call, *, enabled: bool) -> str:
    call.require("account", write=True)
    if call.params.choice("scope", ("connection", "account"), "connection") == "account":
        call.account.cod_default = enabled
    else:
        call.socket.cancel_on_disconnect = enabled
    return "ok"


def get_cod(call: Call) -> dict[str, Any]:
    scope = call.params.choice("scope", ("connection", "account"), "connection")
    enabled = call.account.cod_default if scope == "account" else call.socket.cancel_on_disconnect
    return {"scope": scope, "enabled": enabled}


METHODS: dict[str, Method] = {
    "public/auth": auth,
    "private/logout": logout,
    "public/set_heartbeat": set_heartbeat,
    "public/disable_heartbeat": disable_heartbeat,
    "public/test": test,
    "public/hello": hello,
    "public/subscribe": subscribe,
    "private/subscribe": subscribe,
    "public/unsubscribe": unsubscribe,
    "private/unsubscribe": unsubscribe,
    "public/unsubscribe_all": unsubscribe_all,
    "private/unsubscribe_all": unsubscribe_all,
    "private/enable_cancel_on_disconnect": enable_cod,
    "private/disable_cancel_on_disconnect": disable_cod,
    "private/get_cancel_on_disconnect": get_cod,
}
