"""The context of a function that says `context: QueryContext`."""

from dataclasses import dataclass
from typing import Any, Dict, Optional

from .auth import retrieve_third_party_id_and_creds
from .sources import configurations, credentials

__all__ = ["QueryContext", "get_extra_context_parameters"]


@dataclass
class QueryContext:
    """What is known of an invocation, besides its event."""

    authHeader: str
    jobId: str
    tempCredsAuthToken: Optional[str] = None
    CLIENT_ID: Optional[str] = None
    CLIENT_SECRET: Optional[str] = None
    sources: Optional[Dict[str, Any]] = None
    source_configs: Optional[Dict[str, Any]] = None


def get_extra_context_parameters():
    """What the environment gives to every context."""
    parameters = {"sources": credentials(), "source_configs": configurations()}
    client_id, client_secret = retrieve_third_party_id_and_creds()
    if client_id and client_secret:
        parameters["CLIENT_ID"], parameters["CLIENT_SECRET"] = client_id, client_secret
    return parameters
