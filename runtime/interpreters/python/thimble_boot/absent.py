"""What a sandbox cannot have, said clearly: modules that are not there, processes, signals of one's own."""

import errno
import multiprocessing.process
import os
import signal
import subprocess
import sys
from concurrent.futures import process as pools

_PROCESSES = ("a function cannot start processes. Call other functions of the workspace by `functions`, or use asyncio for what is to "
              "run side by side")
_MODULES = {
    "ctypes": "there are no native libraries in the sandbox",
    "_ctypes": "there are no native libraries in the sandbox",
    "mmap": "files cannot be mapped into the sandbox's memory: read them by `open`",
    "fcntl": "the sandbox has no file locks: no other instance sees this one's /tmp",
    "resource": "the limits of a function are in its deployment: `memory` and `timeout`",
    "pwd": "there are no users in the sandbox",
    "grp": "there are no groups in the sandbox",
    "termios": "a function has no terminal",
    "tty": "a function has no terminal",
    "pty": "a function has no terminal",
    "readline": "a function has no terminal",
    "curses": "a function has no terminal",
    "tkinter": "a function has no display",
    "turtle": "a function has no display",
    "syslog": "use `logging`, which writes to the function's log",
    "venv": "packages are named in the deployment",
    "ensurepip": "packages are named in the deployment",
    "_multiprocessing": _PROCESSES,
    "multiprocessing.synchronize": _PROCESSES,
    "multiprocessing.popen_fork": _PROCESSES,
    "multiprocessing.popen_forkserver": _PROCESSES,
    "multiprocessing.popen_spawn_posix": _PROCESSES,
}
_OF_OS = dict.fromkeys(
    ("fork", "forkpty", "system", "posix_spawn", "posix_spawnp", "spawnl", "spawnv", "execl", "execle", "execlp", "execv", "execve",
     "execvp", "wait", "waitpid", "kill", "pipe"), _PROCESSES)
_OF_SIGNAL = dict.fromkeys(("alarm", "setitimer", "pause"),
                           "a function gets no signals: use asyncio.timeout, or the function's `timeout`")


class _Finder:
    """The last one to be asked for a module."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        reason = _MODULES.get(name)
        if reason is not None:
            raise ModuleNotFoundError(f"No module named {name!r}: {reason}", name=name)
        return None


def _explain(module, reasons):
    def missing(name):
        reason = reasons.get(name)
        text = f"module {module.__name__!r} has no attribute {name!r}"
        raise AttributeError(f"{text}: {reason}" if reason else text, name=name, obj=module)

    # `hasattr` stays false, as portable programs ask.
    module.__getattr__ = missing


def _no_process(self, *_, **__):
    raise OSError(errno.ENOTSUP, _PROCESSES)


def _no_pool():
    raise NotImplementedError(_PROCESSES)


def install():
    sys.meta_path.append(_Finder)
    _explain(os, _OF_OS)
    _explain(signal, _OF_SIGNAL)
    subprocess.Popen.__init__ = _no_process
    multiprocessing.process.BaseProcess.start = _no_process
    pools._check_system_limits = _no_pool
