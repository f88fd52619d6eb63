"""Counts the words of a text. Called with parameters by `run`, or with an HTTP request by `http`."""

import logging
import re
from collections import Counter

log = logging.getLogger(__name__)


def count(text, most):
    words = re.findall(r"\w+", text.lower())
    return {"words": len(words), "most_common": Counter(words).most_common(most)}


def handler(event, context):
    # A request has its query beside its other parts; parameters are the event itself.
    asked = event.get("query", event)
    text = asked.get("text")
    if not text:
        raise ValueError("`text` is missing")
    print("counting", len(text), "characters")
    if len(text) > 1000:
        log.warning("a long text for %s", context.function_name)
    return count(text, int(asked.get("most", 2)))
