"""Notes over HTTP: a WSGI app without a framework. Flask, Django and all others with this interface are deployed the same way."""

import json
from urllib.parse import parse_qs


def app(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path == "/notes" and method == "POST":
        return add(environ, start_response)
    if path == "/notes":
        return listed(environ, start_response)
    if path == "/count":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return countdown(int(parse_qs(environ["QUERY_STRING"]).get("from", ["3"])[0]))
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"There is no such page.\n"]


def add(environ, start_response):
    note = json.loads(environ["wsgi.input"].read())
    number = cache.increment("notes")
    cache[f"note {number}"] = note["text"]
    start_response("201 Created", [("Location", f"{environ['SCRIPT_NAME']}/notes"), ("Content-Type", "application/json")])
    return [json.dumps({"number": number}).encode()]


def listed(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([cache[f"note {number}"] for number in range(1, cache.get("notes", 0) + 1)]).encode()]


def countdown(number):
    """Sent line by line, as fast as the client reads."""
    for left in range(number, 0, -1):
        yield f"{left}\n".encode()
    yield b"Done.\n"
