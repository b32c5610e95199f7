"""Checks what the service sends to a webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time

from facemotion.client.calls import SessionResult
from facemotion.errors import SignatureError

LATEST_SECONDS = 300.0
"""How long ago a body may have been signed."""
_HEAD = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def check_webhook(
    body: bytes, signature: str, secret: bytes | str, *, latest_seconds: float = LATEST_SECONDS
) -> SessionResult:
    """Check that a webhook's message comes from the service, and give its result. A result may come twice.

    Args:
        body: of the request, as it came.
        signature: value of its head `Facemotion-Signature`.
        secret: content of the service's file `webhook_secret`; white space around it doesn't count.
        latest_seconds: how long ago it may have been signed.
    Raises:
        SignatureError: it isn't signed with the secret, or was signed longer ago, or ahead of this machine's clock.
    """
    shared = (secret.encode() if isinstance(secret, str) else secret).strip()
    head = _HEAD.fullmatch(signature)
    if head is None:
        raise SignatureError("The head Facemotion-Signature must read t=TIME,v1=HMAC; refuse the request.")
    digest = hmac.new(shared, head[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(digest, head[2]):
        raise SignatureError("The body isn't signed with this secret; refuse the request.")
    if abs(time.time() - int(head[1])) > latest_seconds:
        raise SignatureError(f"The body was signed more than {latest_seconds:g} s ago; refuse the request.")
    return SessionResult.of(json.loads(body))
