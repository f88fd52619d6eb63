"""Loggers whose entries are the function's logs."""

import logging

import thimble

__all__ = ["get_logger", "set_internal_log_level", "setup_logger_formatter"]

_INTERNAL = "compute_modules_internal"
_handlers = {}
_formatter = None


class _JobHandler(logging.Handler):
    """Hands a record on, with the job that it belongs to, in the formatter's words where there is one."""

    def emit(self, record):
        record.job_id = thimble.context.request_id
        record.process_id = "0"
        line = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, self.format(record), (), None)
        for handler in logging.root.handlers or (logging.lastResort,):
            handler.handle(line)


def get_logger(name):
    """A logger as `logging.getLogger` gives it."""
    logger = logging.getLogger(name)
    if name not in _handlers and _formatter is not None:
        _attach(logger)
    _handlers.setdefault(name, None)
    return logger


def _attach(logger):
    handler = _handlers.get(logger.name)
    if handler is None:
        handler = _handlers[logger.name] = _JobHandler()
        logger.addHandler(handler)
        logger.propagate = False
    handler.setFormatter(_formatter)


def setup_logger_formatter(formatter):
    """A formatter for all loggers of `get_logger`; its records have `job_id` and `process_id`."""
    global _formatter
    _formatter = formatter
    for name in _handlers:
        _attach(logging.getLogger(name))


def set_internal_log_level(level):
    """The level of this package's own entries, which has none to make."""
    logging.getLogger(_INTERNAL).setLevel(level)
