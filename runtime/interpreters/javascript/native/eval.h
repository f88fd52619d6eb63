//! Code that `eval` and `Function` compile is named by the file whose code asked for it: an `import()` in it is resolved
//! from there. QuickJS names all of it `<input>`.

/// The name of the file whose code is running; `JS_ATOM_NULL` where none is.
static JSAtom running_file(JSContext *ctx)
{
    for (JSStackFrame *frame = ctx->rt->current_stack_frame; frame; frame = frame->prev_frame) {
        if (JS_VALUE_GET_TAG(frame->cur_func) != JS_TAG_OBJECT)
            continue;
        JSObject *function = JS_VALUE_GET_OBJ(frame->cur_func);
        if (js_class_has_bytecode(function->class_id))
            return function->u.func.function_bytecode->filename;
    }
    return JS_ATOM_NULL;
}

/// In the place of the engine's `ctx->eval_internal`, which it calls.
static JSValue eval_in_file(JSContext *ctx, JSValueConst this_value, const char *input, size_t length,
                            const char *name, int line, int flags, int scope)
{
    static const char BEFORE[] = "eval (", AFTER[] = ")";
    int type = flags & JS_EVAL_TYPE_MASK;
    JSAtom file = type == JS_EVAL_TYPE_DIRECT || type == JS_EVAL_TYPE_INDIRECT ? running_file(ctx) : JS_ATOM_NULL;
    const char *path = file == JS_ATOM_NULL ? NULL : JS_AtomToCString(ctx, file);
    char *named = NULL;
    if (path && path[0] == '/') {
        named = js_malloc(ctx, sizeof(BEFORE) + strlen(path) + sizeof(AFTER));
        if (!named) {
            JS_FreeCString(ctx, path);
            return JS_EXCEPTION;
        }
        strcpy(named, BEFORE);
        strcat(named, path);
        strcat(named, AFTER);
        name = named;
    } else if (path && !strncmp(path, BEFORE, sizeof(BEFORE) - 1)) {
        name = path;
    }
    JSValue value = __JS_EvalInternal(ctx, this_value, input, length, name, line, flags, scope);
    js_free(ctx, named);
    if (path)
        JS_FreeCString(ctx, path);
    return value;
}
