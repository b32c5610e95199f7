"""Who a request comes from, and whether it may come from there."""

from __future__ import annotations

from collections.abc import Mapping

from facemotion.errors import AuthenticationError, RightsError
from facemotion.service.guard.auth import KEYLESS, UNKNOWN_KEY, ApiKeys, Caller
from facemotion.service.guard.limits import RateLimiter
from facemotion.service.settings import LOOPBACK_NAMES, ServiceSettings, is_loopback

RATE_PREFIX = 11
"""Characters of a key that it shares a rate limit by: `fm_` and its id, but nothing of its secret."""


class Admission:
    """Tells callers apart before anything else is done for them.

    Args:
        keys: API keys of the service.
        settings: of the service.
    """

    def __init__(self, keys: ApiKeys, settings: ServiceSettings) -> None:
        self._keys = keys
        self._rate_limiter = RateLimiter(settings.limits.requests_per_minute)
        self._guesses = RateLimiter(settings.limits.wrong_keys_per_minute, "unknown keys or nonces")
        self._settings = settings.server

    def caller(self, address: str, headers: Mapping[str, str], key: str | None) -> Caller:
        """Who makes a request; counts it against their rate limit.

        Args:
            address: of the client, as the socket says; "" where it isn't known.
            headers: of the request, by lower-case names.
            key: text of the API key; None where the request carries none.
        Raises:
            AuthenticationError: a key is needed, or the key isn't known.
            RateError: the caller asks too often, or too many keys of that address weren't known.
            RightsError: the request seems to come from this machine, but a page of another site or a proxy sent it.
        """
        if key is None:
            self._rate_limiter.spend(address)
            return self.keyless(address, headers)
        # Only who holds a key uses up what may be asked by it: its id is no secret, and behind a proxy all have one
        # address. Made-up keys count together, so that none is guessed at any speed.
        bucket = f"{address} {key[:RATE_PREFIX]}"
        self._rate_limiter.check(bucket, 1)
        try:
            caller = self._keys.authenticate(key)
        except AuthenticationError:
            self._guesses.spend(address)
            raise
        self._rate_limiter.charge(bucket, 1)
        return caller

    def admit_page(self, address: str, token: str) -> None:
        """Count a request of the page of a session against its rate limit.

        Args:
            address: of the client.
            token: of the page.
        Raises:
            RateError: it asks too often.
        """
        self._rate_limiter.spend(f"{address} page {token[:RATE_PREFIX]}")

    def count_guess(self, address: str) -> None:
        """Count a secret that isn't known.

        Raises:
            RateError: too many of that address weren't.
        """
        self._guesses.spend(address)

    def keyless(self, address: str, headers: Mapping[str, str]) -> Caller:
        """A caller without a key: somebody on this machine, if the settings let them in.

        Args:
            address: of the client.
            headers: of the request.
        Raises:
            AuthenticationError, RightsError: see caller.
        """
        if not (self._settings.keyless_on_loopback and is_loopback(address)):
            raise AuthenticationError(UNKNOWN_KEY)
        if "forwarded" in headers or "x-forwarded-for" in headers:
            raise AuthenticationError(
                "Requests through a proxy need an API key; send one as `Authorization: Bearer KEY`."
            )
        host = headers.get("host", "")
        if host.rsplit(":", 1)[0] not in LOOPBACK_NAMES and host not in LOOPBACK_NAMES:
            raise RightsError("Without a key, call the service by the name localhost.")
        if _comes_from_another_site(headers):
            raise RightsError("A page of another site may not call the service without a key.")
        return KEYLESS

    def admit_visitor(self, address: str, headers: Mapping[str, str]) -> None:
        """Let somebody in who compares two takes of their own, without an account.

        Args:
            address: of the client.
            headers: of the request.
        Raises:
            AuthenticationError, RightsError: the settings let no visitor in from there.
        """
        match self._settings.try_it:
            case "anyone":
                if _comes_from_another_site(headers):
                    raise RightsError("A page of another site may not try the service.")
            case "this-machine":
                self.keyless(address, headers)
            case _:
                raise RightsError("Trying without an account is switched off here.")


def _comes_from_another_site(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin", "")
    return bool(origin) and origin.partition("://")[2] != headers.get("host", "")
