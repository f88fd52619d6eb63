//! Strings and bytes for Rust without copies in between, and `atob` and `btoa` by its vectorised Base64.

/// Rust's. Both answer how many bytes they wrote, the second less than zero for what is not strictly Base64.
extern void thimble_to_base64(const uint8_t *from, size_t count, uint8_t *to);
extern ptrdiff_t thimble_from_base64(const uint8_t *from, size_t count, uint8_t *to);

/// The characters of a string that holds no others than Latin-1's, as long as it lives. NULL where it does not.
const uint8_t *thimble_latin1(JSValueConst value, size_t *length)
{
    if (JS_VALUE_GET_TAG(value) != JS_TAG_STRING || JS_VALUE_GET_STRING(value)->is_wide_char)
        return NULL;
    *length = JS_VALUE_GET_STRING(value)->len;
    return str8(JS_VALUE_GET_STRING(value));
}

/// A string of Latin-1 that the caller fills whole, at `*characters`, before anything else happens to it.
JSValue thimble_new_latin1(JSContext *ctx, size_t length, uint8_t **characters)
{
    if (length > JS_STRING_LEN_MAX)
        return JS_ThrowRangeError(ctx, "invalid string length");
    if (length == 0)
        return js_empty_string(ctx->rt);
    JSString *string = js_alloc_string(ctx, length, 0);
    if (!string)
        return JS_EXCEPTION;
    *characters = (uint8_t *)(string + 1);
    (*characters)[length] = 0;
    return JS_MKPTR(JS_TAG_STRING, string);
}

/// A `Uint8Array` of at least one byte that the caller fills whole, at `*bytes`, before anything else happens to it.
JSValue thimble_new_bytes(JSContext *ctx, size_t length, uint8_t **bytes)
{
    if (length > INT32_MAX)
        return JS_ThrowRangeError(ctx, "invalid array buffer length");
    *bytes = js_malloc(ctx, length);
    return *bytes ? JS_NewUint8Array(ctx, *bytes, length, js_array_buffer_realloc, NULL, false) : JS_EXCEPTION;
}

static JSValue fast_btoa(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length;
    uint8_t *to;
    JSValue input = JS_ToString(ctx, arguments[0]), output;
    if (JS_IsException(input))
        return input;
    const uint8_t *from = thimble_latin1(input, &length);
    if (from && length) {
        output = thimble_new_latin1(ctx, (length + 2) / 3 * 4, &to);
        if (!JS_IsException(output))
            thimble_to_base64(from, length, to);
    } else {
        output = js_btoa(ctx, this_value, 1, (JSValueConst *)&input);
    }
    JS_FreeValue(ctx, input);
    return output;
}

/// What has white space or is not strictly Base64 is the engine's.
static JSValue fast_atob(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length;
    uint8_t *to;
    JSValue input = JS_ToString(ctx, arguments[0]), output;
    if (JS_IsException(input))
        return input;
    const uint8_t *from = thimble_latin1(input, &length);
    if (from && length >= 4 && length % 4 == 0) {
        size_t padding = from[length - 1] == '=' ? 1 + (from[length - 2] == '=') : 0;
        output = thimble_new_latin1(ctx, length / 4 * 3 - padding, &to);
        if (JS_IsException(output) || thimble_from_base64(from, length - padding, to) >= 0)
            goto done;
        JS_FreeValue(ctx, output);
    }
    output = js_atob(ctx, this_value, 1, (JSValueConst *)&input);
done:
    JS_FreeValue(ctx, input);
    return output;
}
