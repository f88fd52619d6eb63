"""The credentials and the configuration of sources: `SOURCE_CREDENTIALS` and `SOURCE_CONFIGURATIONS_PATH`.

Each is an object by the names of sources: in a file that the variable of that name tells, or in the workspace's secret of
that name. They are read whenever they are asked for.
"""

from . import _settings

__all__ = ["get_source_config", "get_source_configurations", "get_source_secret", "get_sources"]


def credentials():
    found = _settings.mapping("SOURCE_CREDENTIALS")
    return {} if found is None else found


def configurations():
    found = _settings.mapping("SOURCE_CONFIGURATIONS_PATH") or {}
    return {name: source.get("sourceConfiguration") for name, source in found.items() if isinstance(source, dict)}


def get_sources():
    """The secrets of all sources, by the names of the sources."""
    return credentials()


def get_source_secret(source_api_name, credential_name):
    """One secret of a source; None where it has none of that name."""
    found = _settings.mapping("SOURCE_CREDENTIALS")
    if found is None:
        raise RuntimeError("there are no sources: set the workspace's secret SOURCE_CREDENTIALS to a JSON object such as "
                           f"{{\"{source_api_name}\": {{\"{credential_name}\": \"…\"}}}}, or the variable SOURCE_CREDENTIALS "
                           "to the path of a file with it")
    return found.get(source_api_name, {}).get(credential_name)


def get_source_configurations():
    """The configuration of all sources, by their names."""
    return configurations()


def get_source_config(source_api_name):
    """The configuration of a source; an empty one where it has none."""
    return configurations().get(source_api_name, {})
