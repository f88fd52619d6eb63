"""What the sandbox says of itself, put right where the build of CPython for WASI gets it wrong."""

import os
import socket
import sysconfig


def gethostname():
    """The name of the machine, which a sandbox has not."""
    return os.uname().nodename


def install():
    if not hasattr(socket, "gethostname"):
        socket.gethostname = gethostname
    settings = sysconfig.get_config_vars()
    arguments = settings.get("CONFIG_ARGS") or ""
    if arguments.count("'") % 2:
        # Cut off at a length; `shlex.split` is what everybody reads it with.
        settings["CONFIG_ARGS"] = arguments + "'"
