"""Makes login tokens with the official Thalex client at given moments."""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from thalex import thalex


def token(given, key):
    thalex.time.time = lambda: given["iat"]
    return thalex._make_auth_token(given["kid"], key)


request = json.load(sys.stdin)
private_key = load_pem_private_key(request["private_pem"].encode(), None)
json.dump([token(given, private_key) for given in request["tokens"]], sys.stdout)
