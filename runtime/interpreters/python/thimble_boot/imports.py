"""What a function may import: its own files, the packages of its workspace, and what the server's rules name of the
standard library and of the packages that are there for every workspace.

A policy with a clear message, and no boundary: that is what the interpreter's world imports. Only the function's own
sources are looked at: a package, or the standard library itself, imports what it likes. Statements are checked when a
source is loaded, and cost nothing when they run; `__import__` is watched in sources that name what imports by a text.
"""

import ast
import builtins
import html.parser
import importlib
import importlib.machinery
import sys

from wit_world.exports.guest import FailureKind

from . import errors, files

# What the runtime brings along, and what its functions cannot do without: calls of each other are awaited.
_ALWAYS = frozenset({"__future__", "asyncio", "thimble", "compute_modules"})
# Names by which a source gets at modules without an import statement.
_BY_TEXT = frozenset({"__import__", "__builtins__", "builtins", "compile", "eval", "exec", "importlib"})


class _Rules:
    """Those of the instance's one function."""

    # Names of modules; None for all.
    modules = None
    shared = None
    shared_folder = ""


class _Kept:
    """The loader of a module whose file does not exist any more, for those who execute it once more."""

    def __init__(self, code):
        self._code = code

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self._code, module.__dict__)


def install():
    for module in (html.parser,):
        # Markdown executes its own copy of it.
        module.__spec__.loader = module.__loader__ = _Kept(module.__loader__.get_code(module.__name__))


def begin(source, is_body):
    """Before a source is loaded: takes its rules, and the folders that modules are found in."""
    files.search(source.search)
    rules = source.imports
    _Rules.modules = _Rules.shared = None
    if rules is None:
        return
    if is_body or not rules.bodies_only:
        _Rules.modules = _named(rules.modules)
    if rules.shared_folder in source.search:
        _Rules.shared, _Rules.shared_folder = _named(rules.shared), rules.shared_folder
    if _limited() and source.file.startswith("/"):
        _watch_files()


def check(tree, namespace):
    """Refuses what a source imports and may not; raises `NotAllowed`."""
    if not _limited():
        return
    by_text = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _check(alias.name, (), node)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                _check(node.module, [alias.name for alias in node.names], node)
        elif isinstance(node, ast.Name):
            by_text = by_text or node.id in _BY_TEXT
    if by_text:
        # Its own view of the built-in names; those of packages and of the library stay as they are.
        namespace["__builtins__"] = {**vars(builtins), "__import__": _import}


class NotAllowed(ImportError):
    """An import that the server's rules do not let a function make."""

    def __init__(self, message, name, node=None):
        super().__init__(message, name=name)
        self.node = node


# What is caught, and shown, is Python's own error.
NotAllowed.__name__ = "ImportError"


def bring(tree):
    """Of a body, whose imports run when it is called: refuses what is not there, and imports what is no part of the
    interpreter, so that it stands in the function's image. Raises `NotAllowed`."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                _bring(alias.name, node)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            _bring(node.module, node)


def failure(error, file=None):
    """An import that is refused, in the contract's words."""
    node = error.node
    at = errors.position(node.lineno, node.col_offset + 1, file) if node is not None else None
    name = "ModuleNotFoundError" if type(error) is not NotAllowed else "ImportError"
    stack = f'  File "{at.file}", line {at.line}\n    {at.text.strip()}\n{name}: {error}' if at else f"{name}: {error}"
    return errors.failure(FailureKind.THROWN, name, str(error), stack, at)


class _NotThere(NotAllowed):
    """A module that cannot be found."""


def _named(names):
    return None if "*" in names else frozenset(names)


def _limited():
    return _Rules.modules is not None or _Rules.shared is not None


def _is_named(names, module):
    """Whether a module, or one that it lies in, is among the names."""
    while module:
        if module in names:
            return True
        module = module.rpartition(".")[0]
    return False


def _check(module, names, node=None):
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        allowed = _Rules.modules
        if (allowed is None or top in _ALWAYS or _is_named(allowed, module)
                or names and all(f"{module}.{name}" in allowed for name in names)):
            return
        raise NotAllowed(f"import of '{module}' is not allowed: this server lets functions import these modules of the "
                         f"standard library: {', '.join(sorted(allowed))} (PYTHON_BUILTIN_MODULES)", module, node)
    if _Rules.shared is not None and not _is_named(_Rules.shared, module) and _is_shared(top):
        raise NotAllowed(f"import of '{module}' is not allowed: of the packages that are installed for every workspace, "
                         f"this server lets functions import: {', '.join(sorted(_Rules.shared))} "
                         "(PYTHON_PACKAGES_WHITELIST_IMPORT)", module, node)


def _is_shared(top):
    spec = _find(top)
    places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else ()
    return any(place.startswith(f"{_Rules.shared_folder}/") for place in places)


def _find(top):
    try:
        return importlib.machinery.PathFinder.find_spec(top)
    except (ImportError, ValueError):
        return None


def _bring(module, node):
    top = module.partition(".")[0]
    if module in sys.modules or top in sys.stdlib_module_names and top in sys.modules:
        return
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise _NotThere(f"{error}{errors.hint(error)}", module, node) from None
    except Exception:
        # What it says then is the call's to tell, if it says so again.
        pass


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    # What is there already was checked before, unless it is the library's or a package's own.
    if not level:
        _check(name, fromlist or ())
    return __import__(name, globals, locals, fromlist, level)


class _Checked(importlib.machinery.SourceFileLoader):
    """Loads the function's own files."""

    def source_to_code(self, data, path, *, _optimize=-1):
        tree = ast.parse(data, path)
        try:
            check(tree, {})
        except NotAllowed as error:
            error.args = (f"{path}:{error.node.lineno}: {error}",)
            error.msg = error.args[0]
            raise
        return super().source_to_code(data, path, _optimize=_optimize)


def _watch_files():
    task = files.FOLDERS[0].rstrip("/")
    finder = importlib.machinery.FileFinder.path_hook((_Checked, importlib.machinery.SOURCE_SUFFIXES))

    def hook(path):
        if path != task and not path.startswith(f"{task}/"):
            raise ImportError
        return finder(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(task, None)
