"""How a source is written, and what can be invoked of it: body, expression or module.

Reads the source into a syntax tree, decides its form, runs its top level where it has one, and names the entry points.
Positions stay the user's in every form.
"""

import ast
import builtins
import keyword
import re
import sys
import types
import unicodedata

from wit_world.exports.guest import FailureKind, Form

from . import apps, calling, errors, files, imports, registry, scripts, signature

_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ANSWERS = (ast.Return, ast.Yield, ast.YieldFrom)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Refused(Exception):
    """The source cannot be loaded; carries the failure."""

    def __init__(self, failure):
        self.failure = failure


class Program:
    """What a source was found to define. `plans` are by entry; None is the function itself, where it is callable."""

    def __init__(self, form):
        self.form = form
        self.plans = {}
        self.entries = []
        # The plan of its app, if it has one.
        self.app = None

    def takes_requests(self):
        """Whether the function itself is an app, which reads the bodies of requests as they arrive."""
        return self.app is not None and self.plans.get(None) is self.app

    def signatures(self):
        """What is known of the entry points' types; of the function itself, where it is none of these."""
        shown = (plan.shown(entry) for entry, plan in self.plans.items() if entry is not None or not self.entries)
        return [each for each in shown if each is not None]


def read(source, provided):
    """Reads and loads a source. `provided` are the names that its module begins with. Raises `Refused`, or whatever
    the top level of the user's module raises."""
    errors.remember_source(source.file, source.code)
    files.begin(source.file)
    tree = _parse(source)
    module = _module(source.name)
    namespace = module.__dict__
    namespace.update(provided)
    registry.take()
    main = _registers_itself(tree)
    is_body = not main and _is_body(tree)
    imports.begin(source, is_body and (bool(source.parameters) or _answers(tree)))
    try:
        imports.check(tree, namespace)
        if is_body:
            imports.bring(tree)
    except imports.NotAllowed as error:
        raise Refused(imports.failure(error)) from None
    if is_body:
        return _read_body(source, tree, namespace, provided)
    if _is_lambda(tree):
        program = Program(Form.EXPRESSION)
        function = eval(_compile(ast.fix_missing_locations(ast.Expression(tree.body[0].value)), source.file, "eval"),
                        namespace)
        program.plans[None] = signature.plan(function, "the function")
        return program
    if not main and not _has_handler(source, tree) and scripts.is_script(tree, source.code):
        return _read_script(source, tree, provided)
    if main:
        # It registers its functions when it is run, which a module is not.
        module.__name__ = "__main__"
        sys.modules["__main__"] = module
    return _read_module(source, tree, namespace)


def _parse(source):
    try:
        return ast.parse(source.code, source.file)
    except SyntaxError as error:
        raise Refused(errors.from_syntax_error(error, in_bytes=False)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refused(_unreadable(error)) from None


def _compile(tree, file, mode):
    try:
        return compile(tree, file, mode, dont_inherit=True)
    except SyntaxError as error:
        raise Refused(errors.from_syntax_error(error, in_bytes=True)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refused(_unreadable(error)) from None


def _unreadable(error):
    message = str(error) if isinstance(error, ValueError) else "the source is nested too deeply"
    return errors.failure(FailureKind.SYNTAX, "SyntaxError", message, f"SyntaxError: {message}", errors.position(1, 1))


def _module(name):
    """A fresh module, known to `sys.modules` as dataclasses, pickle and typing look their classes' modules up there."""
    own = identifier(name)
    if own in sys.modules or own in sys.stdlib_module_names:
        own = f"{own}_function"
    module = types.ModuleType(own)
    module.__file__ = errors.current_file()
    module.__builtins__ = builtins
    sys.modules[own] = module
    return module


def identifier(name):
    """A deployment's name as a Python name."""
    own = re.sub(r"\W", "_", name)
    return f"_{own}" if own[:1].isdigit() or keyword.iskeyword(own) or not own else own


def _top_level(statements):
    """Every node of the module's own scope; of nested functions and classes only themselves."""
    todo = list(reversed(statements))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _OWN_SCOPE):
            todo.extend(reversed(list(ast.iter_child_nodes(node))))


def _is_asynchronous(node):
    return (isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))
            or isinstance(node, _COMPREHENSIONS) and any(part.is_async for part in node.generators))


def _is_lambda(tree):
    return len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Lambda)


def _is_body(tree):
    if _is_lambda(tree):
        return False
    defines_function = False
    for node in _top_level(tree.body):
        if isinstance(node, _ANSWERS) or _is_asynchronous(node):
            return True
        defines_function = (defines_function or isinstance(node, _FUNCTIONS) or bool(_lambda_names(node))
                            or apps.may_be_defined_by(node))
    return not defines_function


def _answers(tree):
    """Whether a body gives a result, or waits: what does neither may be a program that prints."""
    return any(isinstance(node, _ANSWERS) or _is_asynchronous(node) for node in _top_level(tree.body))


def _assigned_names(node):
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else ()
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _lambda_names(node):
    return _assigned_names(node) if isinstance(getattr(node, "value", None), ast.Lambda) else []


def _registers_itself(tree):
    """Whether a program calls `add_function` and its like of `compute_modules`, which it does when it is run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "compute_modules":
            if any(alias.name in ("add_function", "add_functions", "start_compute_module") for alias in node.names):
                return True
        elif isinstance(node, ast.Import) and any(alias.name == "compute_modules" for alias in node.names):
            return True
    return False


def _has_handler(source, tree):
    """Whether a source has a function that is meant to be called with the event."""
    names = ("main", identifier(source.name))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("compute_modules"):
            return True
        if isinstance(node, _FUNCTIONS) and (node.name == "handler" or node.name in names
                                             and len(node.args.posonlyargs + node.args.args) > len(node.args.defaults)):
            return True
    return False


def _read_script(source, tree, provided):
    code = _compile(tree, source.file, "exec")
    program = Program(Form.MODULE)
    program.plans[None] = signature.Plan(scripts.plan(scripts.run_as_main(code, source.file, provided)))
    return program


def _read_body(source, tree, namespace, provided):
    answers = _answers(tree)
    if not answers and not source.parameters and scripts.is_script(tree, source.code):
        return _read_script(source, tree, provided)
    parameters = {}
    for name in (*(source.parameters or ()), "event", "context"):
        if name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__":
            # The tokenizer normalises the names in the source.
            parameters.setdefault(unicodedata.normalize("NFKC", name), name)
    before = [node for node in tree.body if _only_at_top_level(node)]
    body = [node for node in tree.body if not _only_at_top_level(node)]
    kind = ast.AsyncFunctionDef if any(_is_asynchronous(node) for node in _top_level(body)) else ast.FunctionDef
    own = identifier(source.name)
    first = {"lineno": body[0].lineno if body else 1, "col_offset": 0}
    function = kind(
        name=own,
        args=ast.arguments(posonlyargs=[], args=[ast.arg(arg=name, **first) for name in parameters], vararg=None,
                           kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[]),
        body=body or [ast.Pass(**first)], decorator_list=[], returns=None, type_comment=None, type_params=[],
        **first, end_lineno=first["lineno"], end_col_offset=0)
    module = ast.fix_missing_locations(ast.Module(body=[*before, function], type_ignores=[]))
    code = _compile(module, source.file, "exec")
    # The function's own name stays what it was: a call of itself goes through the workspace, with JSON in and out.
    provided = namespace.get(own)
    exec(code, namespace)
    function = namespace.pop(own)
    if provided is not None:
        namespace[own] = provided
    program = Program(Form.BODY)
    call = calling.plan_of_body(function, list(parameters.values()))
    if not answers and not source.parameters:
        call = scripts.plan(call, scripts.mentions(source.code))
    elif scripts.mentions(source.code):
        call = scripts.with_variables(call)
    program.plans[None] = signature.Plan(call)
    return program


def _only_at_top_level(node):
    """What Python takes in a module only: imports of the future and of everything."""
    return isinstance(node, ast.ImportFrom) and (node.module == "__future__"
                                                 or any(alias.name == "*" for alias in node.names))


def _read_module(source, tree, namespace):
    own = identifier(source.name)
    bare_names = ("handler", own, "main")
    names = {}
    for node in _top_level(tree.body):
        found = [node.name] if isinstance(node, _FUNCTIONS) else _lambda_names(node)
        # Under these names, whatever was assigned counts: a decorated or a partial function.
        found = found or [name for name in _assigned_names(node) if name in bare_names]
        for name in found:
            if not name.startswith("_") or name == own:
                names[name] = None
    exec(_compile(tree, source.file, "exec"), namespace)
    program = Program(Form.MODULE)
    registered = registry.take()
    app = None if registered else apps.find(namespace)
    if app is not None and "handler" not in names:
        # Its other functions are the app's to call: what guards them stands in the app.
        name, plan = app
        program.app = program.plans[None] = program.plans[name] = signature.Plan(plan)
        program.entries.append(name)
        return program
    reads_variables = scripts.mentions(source.code)
    for name in registered or names:
        function = registered.get(name) or namespace.get(name)
        if not callable(function):
            continue
        try:
            plan = signature.plan_registered(function, name) if registered else signature.plan(function, name)
        except signature.Refused as refused:
            raise Refused(refused.failure) from None
        if reads_variables:
            plan.call = scripts.with_variables(plan.call)
        program.plans[name] = plan
        program.entries.append(name)
    if app is not None and app[0] not in program.plans:
        program.app = program.plans[app[0]] = signature.Plan(app[1])
        program.entries.append(app[0])
    bare = next((name for name in bare_names if name in program.plans), None)
    if bare is None and len(program.entries) == 1:
        bare = program.entries[0]
    if bare is not None:
        program.plans[None] = program.plans[bare]
    if not program.plans:
        message = ("the source defines nothing to invoke: write a function body with `return`, or define "
                   f"`handler(event, context)`, `{own}`, `main` or any function whose name has no leading underscore, or "
                   "a WSGI or ASGI app called `app` or `application`")
        raise Refused(errors.failure(FailureKind.NO_HANDLER, "NoHandler", message, "", errors.position(1, 1)))
    return program
