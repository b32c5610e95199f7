"""A client of the service (docs/reference/service.md), for back ends in Python; blocking, and for asyncio."""

from facemotion.client.asynchronous import AsyncClient
from facemotion.client.blocking import Client
from facemotion.client.calls import Enrolled, Session, SessionResult, UserPage
from facemotion.client.webhook import check_webhook

__all__ = ["AsyncClient", "Client", "Enrolled", "Session", "SessionResult", "UserPage", "check_webhook"]
