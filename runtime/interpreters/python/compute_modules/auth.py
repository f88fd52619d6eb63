"""Tokens: of a pipeline, and of an application that has an id and a secret of its own."""

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

import thimble

from . import _settings

__all__ = ["RefreshingOauthToken", "oauth", "retrieve_pipeline_token", "retrieve_third_party_id_and_creds"]


def retrieve_pipeline_token():
    """The bearer token for the resources of a pipeline: `BUILD2_TOKEN`, a file's path, or a secret."""
    token = _settings.text("BUILD2_TOKEN")
    if token is None:
        raise RuntimeError("there is no pipeline token: set the workspace's secret BUILD2_TOKEN to it, or the variable "
                           "BUILD2_TOKEN to the path of a file that holds it")
    return token.strip()


def retrieve_third_party_id_and_creds():
    """`CLIENT_ID` of the environment, and `CLIENT_SECRET` of it or the workspace's secrets; None for what is not there."""
    client_id, secret = os.environ.get("CLIENT_ID"), os.environ.get("CLIENT_SECRET")
    return client_id, thimble.secrets.get("CLIENT_SECRET") if client_id and secret is None else secret


def oauth(hostname, scope):
    """An access token for an application; None where it has no id and secret, or the host gives none."""
    client_id, client_secret = retrieve_third_party_id_and_creds()
    if not client_id or not client_secret:
        return None
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id,
                                   "client_secret": client_secret, "scope": " ".join(scope)})
    request = urllib.request.Request(f"https://{hostname}/multipass/api/oauth2/token", form.encode(),
                                     {"Content-Type": "application/x-www-form-urlencoded"})
    try:
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
    except (urllib.error.HTTPError, ValueError):
        return None
    return answer.get("access_token") if isinstance(answer, dict) else None


class RefreshingOauthToken:
    """A token that is asked for anew when it is older than `refresh_interval` seconds."""

    def __init__(self, hostname, scope, refresh_interval=30 * 60):
        self._asked = hostname, scope
        self._interval = refresh_interval
        self._token = self._since = None

    def get_token(self):
        """The token, as it was last given, or a new one."""
        if self._token is None or time.monotonic() - self._since >= self._interval:
            self._token, self._since = oauth(*self._asked), time.monotonic()
        return self._token
