"""A rehearsal before the snapshot: functions of the common kinds are loaded and run, and forgotten.

What CPython makes at the first use (byte code for the types that it met, caches of attributes, tables of their final
size) then stands in the snapshot, and is neither worked out nor written in each instance.
"""

import linecache
import sys

from wit_world.exports.guest import ImportRules, Source
from wit_world.imports import context as host

from . import errors, guest, instance

_NAME = "rehearsal"
_FILE = f"{_NAME}.py"
_EVENT = '{"name":"world","list":[1,2.5,null,true,{"a":"b"}]}'

_SAMPLES = (
    "return {'text': 'Hello ' + str(name), 'list': [1, 2.5, None, True]}",
    "import asyncio\nawait asyncio.sleep(0)\nreturn f'Hello {name}'",
    "lambda event, context: {'text': event['name'], 'list': event.get('list')}",
    "import json\ntable = {'en': 'Hello'}\n\ndef greet(name):\n    return f\"{table['en']} {name}\"\n\n"
    "def handler(event, context):\n    return {'text': greet(event['name']), 'event': json.loads(json.dumps(event))}\n",
    "async def handler(event, context=None):\n    try:\n        raise ValueError(event['name'])\n"
    "    except ValueError as error:\n        return {'statusCode': 200, 'body': str(error)}\n",
    "from dataclasses import dataclass\nfrom compute_modules.annotations import function\n\n@dataclass\nclass Event:\n"
    "    name: str\n    list: list\n\n@function\ndef hello(context, event: Event) -> str:\n    return 'Hello ' + event.name\n",
    "def first(name, list=(), **rest):\n    return name\n\ndef rehearsal(name, list):\n    return [name, *list]\n",
)
# What most functions are loaded with.
_RULES = ImportRules(["asyncio", "json"], True, "", [])
# So often does CPython run a piece of code before it settles on a form for it.
_LOADS, _CALLS = 4, 20


def up():
    """Runs all samples. The host is not there yet: its environment is made up, and no sample asks it for more."""
    asked, close = host.environment, host.close_folders
    host.close_folders = lambda: None
    for loads in range(_LOADS):
        host.environment = lambda: [("LANG", "C.UTF-8"), ("TZ", "UTC"), ("ROUND", str(loads))]
        for code in _SAMPLES:
            _run(code)
    host.environment = lambda: []
    instance.refresh()
    host.environment, host.close_folders = asked, close


def _run(code):
    server = guest.Guest()
    server.load(Source(_NAME, _FILE, code, ["name"], [_NAME, "other"], [], _RULES))
    for _ in range(_CALLS):
        server.invoke(None, _EVENT)
    guest.forget()
    errors.remember_source("", "")
    for made in (_FILE, ""):
        linecache.cache.pop(made, None)
    sys.modules.pop(_NAME)
