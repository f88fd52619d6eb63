"""The inputs and outputs of a pipeline, by their aliases: `RESOURCE_ALIAS_MAP`."""

from dataclasses import dataclass
from typing import Optional

from . import _settings

__all__ = ["PipelineResource", "get_pipeline_resources"]


@dataclass
class PipelineResource:
    """A resource's identifier, and its branch, if it has one."""

    rid: str
    branch: Optional[str] = None


def get_pipeline_resources():
    """The resources by their aliases."""
    found = _settings.mapping("RESOURCE_ALIAS_MAP")
    if found is None:
        raise RuntimeError("there are no pipeline resources: set the variable RESOURCE_ALIAS_MAP to the path of a file with a "
                           "JSON object such as {\"alias\": {\"rid\": \"…\", \"branch\": null}}, or a secret of that name to it")
    return {alias: PipelineResource(resource["rid"], resource.get("branch")) for alias, resource in found.items()}
