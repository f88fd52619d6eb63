"""Decides on versions, with pip's own resolver. Runs in pip's Python, in a process with limits of its own.

Reads a task as JSON from standard input, and leaves what came of it in `resolved.json`. What users write reaches pip as
names, extras and versions only; the markers are those of the interpreter that functions run in.
"""

import json
import re
import sys
from urllib.parse import unquote, urlsplit

# All that a requirement is made of once its marker is decided: no path, no URL, no option.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?[A-Za-z0-9.,<>=!~*+_-]*")


def finish(outcome, code):
    with open("resolved.json", "w") as file:
        json.dump(outcome, file)
    sys.exit(code)


try:
    import pip
    from pip._internal.cli.main import main
    from pip._vendor.packaging import markers
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name
except ImportError as error:
    finish({"tool": f"this Python has no pip that can be used: {error}"}, 4)

if int(pip.__version__.split(".")[0]) < 23:
    finish({"tool": f"pip {pip.__version__} is too old, 23 is the first that can be used"}, 4)

task = json.load(sys.stdin)
of_this_python = markers.default_environment
markers.default_environment = lambda: {**of_this_python(), **task["markers"]}


def plain(line):
    """The canonical name, and what pip is asked for; None where the marker leaves it out."""
    try:
        requirement = Requirement(line)
    except Exception as error:
        finish({"refused": {"line": line, "reason": str(error).split("\n")[0]}}, 3)
    if requirement.url:
        finish({"refused": {"line": line, "reason": "it names a URL"}}, 3)
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return canonicalize_name(requirement.name), None
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    text = f"{requirement.name}{extras}{requirement.specifier}"
    if not PLAIN.fullmatch(text):
        finish({"refused": {"line": line, "reason": "it is not a name with versions"}}, 3)
    return canonicalize_name(requirement.name), text


def needs(package):
    """The canonical names that a package asks for here, and those that only its extras do."""
    sure, by_extras = [], []
    for line in package["metadata"].get("requires_dist", ()):
        try:
            requirement = Requirement(line)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                sure.append(canonicalize_name(requirement.name))
            elif "extra" in str(requirement.marker):
                by_extras.append(canonicalize_name(requirement.name))
        except Exception:
            continue
    return sure, by_extras


asked = [plain(line) for line in task["requirements"]]
wanted = [text for _, text in asked if text]
packages = []
if wanted:
    constraints = []
    if task["locked"]:
        with open("locked.txt", "w") as file:
            file.writelines(f"{each}\n" for each in task["locked"])
        constraints = ["-c", "locked.txt"]
    code = main(["install", "--dry-run", "--ignore-installed", "--target", "target", "--report", "report.json",
                 *task["arguments"], *constraints, "--", *wanted])
    if code:
        sys.exit(code)
    with open("report.json") as file:
        report = json.load(file)["install"]
    named = {canonicalize_name(each["metadata"]["name"]): each for each in report}
    needed_by = {name: ([], []) for name in named}
    for name, each in named.items():
        for kind, others in enumerate(needs(each)):
            for other in others:
                if other in named and other != name:
                    needed_by[other][kind].append(name)
    for name, each in sorted(named.items()):
        if not PLAIN.fullmatch(f"{name}=={each['metadata']['version']}"):
            finish({"refused": {"line": name, "reason": "its version is none"}}, 3)
        hashes = each["download_info"].get("archive_info", {}).get("hashes", {})
        packages.append({
            "name": name,
            "version": each["metadata"]["version"],
            "file": unquote(urlsplit(each["download_info"]["url"]).path.rsplit("/", 1)[-1]),
            "sha256": hashes.get("sha256", ""),
            "direct": any(text and other == name for other, text in asked),
            "needed_by": needed_by[name][0] or needed_by[name][1],
        })
finish({"asked": [name for name, _ in asked], "packages": packages}, 0)
