"""Signs Deribit logins and HTTP requests with ccxt."""

import asyncio
import json
import sys

import ccxt
import ccxt.pro


class Login(ccxt.pro.deribit):
    """ccxt's socket client with its one outgoing message caught before the socket."""

    async def watch(self, url, message_hash, message=None, subscribe_hash=None, subscription=None):
        self.caught = message
        return {}


async def login(client, given):
    client.apiKey, client.secret = given["client_id"], given["secret"]
    client.milliseconds = lambda: given["timestamp_ms"]
    client.clients.clear()
    await client.authenticate()
    return client.caught["params"]


def request(client, given):
    client.apiKey, client.secret = given["client_id"], given["secret"]
    client.milliseconds = lambda: given["timestamp_ms"]
    client.nonce = lambda: given["nonce"]
    signed = client.sign(given["path"], ["private"], "GET", given["params"])
    return {"url": signed["url"], "header": signed["headers"]["Authorization"]}


async def main():
    socket, rest = Login(), ccxt.deribit()
    answers = [
        await login(socket, given) if given["kind"] == "login" else request(rest, given)
        for given in json.load(sys.stdin)
    ]
    await socket.close()
    json.dump(answers, sys.stdout)


asyncio.run(main())
