"""Reads in Python what was counted in JavaScript."""


def handler(event, context):
    prefix = "visits of "
    visits = {key.removeprefix(prefix): cache[key] for key in sorted(cache) if key.startswith(prefix)}
    return {"visits": visits, "last page": cache.get("last page")}
