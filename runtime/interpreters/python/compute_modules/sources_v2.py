"""`get_source`: a source as the library `external-systems` has it, which is not part of this interpreter."""

from . import _settings

__all__ = ["get_source"]


def get_source(source_api_name):
    """A client for a source. Needs the library `external-systems` among the function's files or packages."""
    try:
        from external_systems.sources import HttpsConnectionParameters, Source, SourceParameters
    except ImportError:
        raise RuntimeError("get_source needs the library external-systems, which the function does not have: deploy it with "
                           "the function, or use get_source_secret and get_source_config of compute_modules.sources and an "
                           "HTTP client of your own") from None
    found = (_settings.mapping("SOURCE_CONFIGURATIONS_PATH") or {}).get(source_api_name)
    if found is None:
        raise RuntimeError(f"there is no source {source_api_name!r} in SOURCE_CONFIGURATIONS_PATH")
    http = found.get("httpConnectionConfig")
    connection = None
    if http is not None:
        connection = HttpsConnectionParameters(url=http["url"], headers=http.get("authHeaders", {}),
                                               query_params=http.get("queryParameters", {}))
    return Source(SourceParameters(secrets=found.get("secrets", {}), proxy_token=found.get("proxyToken"),
                                   https_connections={"http_connection": connection} if connection else {}))
