/* The modules are of CPython 3.13, whose source Debian keeps; the headers are 3.14's. */
#define PY_SSIZE_T_CLEAN
#include "Python.h"
#include "pycore_modsupport.h"
/* 3.14 has one argument more, for functions that take any number of positional ones. */
#undef _PyArg_UnpackKeywords
#define _PyArg_UnpackKeywords(args, nargs, kwargs, names, parser, least, most, keywords, buffer) \
    (_PyArg_UnpackKeywords)(args, nargs, kwargs, names, parser, least, most, keywords, 0, buffer)
