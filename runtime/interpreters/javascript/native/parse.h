//! JSON text to values, for text of one width: included once for Latin-1 (UNIT is uint8_t), once for UTF-16.
//!
//! One loop with a stack of its own, nothing recursive. Objects of one place in the text mostly have the same keys in
//! the same order: the shape that the last one ended with is what the next one is compared with, key by key as text. An
//! object that meets it whole is made at once of that shape and of its values; any other is made property by property.
//!
//! Whatever surprises ends in `false` with nothing left behind: the engine's own parser then says what is wrong.

/// The end of a plain run: at a quote, a backslash or a control character.
static const UNIT *NAME(plain_run)(const UNIT *at, const UNIT *end)
{
    while ((size_t)(end - at) >= LANES) {
        v128_t units = wasm_v128_load(at);
        v128_t stops = wasm_v128_or(wasm_v128_or(LANE(eq)(units, LANE_SPLAT('"')), LANE(eq)(units, LANE_SPLAT('\\'))),
                                    ULANE(lt)(units, LANE_SPLAT(0x20)));
        uint32_t mask = LANE(bitmask)(stops);
        if (mask)
            return at + __builtin_ctz(mask);
        at += LANES;
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20)
        at++;
    return at;
}

/// A string of units without escapes. NULL where there is no memory.
static JSString *NAME(string_of)(JSRuntime *rt, const UNIT *from, size_t count)
{
    if (count > JS_STRING_LEN_MAX)
        return NULL;
    JSString *string;
#if WIDE
    UNIT all = 0;
    for (size_t i = 0; i < count; i++)
        all |= from[i];
    if (all > 0xff) {
        string = js_alloc_string_rt(rt, count, 1);
        if (string)
            memcpy(str16(string), from, count * sizeof(UNIT));
        return string;
    }
#endif
    string = js_alloc_string_rt(rt, count, 0);
    if (!string)
        return NULL;
    uint8_t *to = (uint8_t *)(string + 1);
#if WIDE
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
#else
    copy_bytes(to, from, count);
#endif
    to[count] = 0;
    return string;
}

/// A string with escapes, from its first unit; `*text` goes behind the closing quote. NULL for whatever is wrong.
static JSString *NAME(escaped_string)(JSContext *ctx, const UNIT **text, const UNIT *end)
{
    StringBuffer buffer;
    const UNIT *at = *text;
    if (string_buffer_init(ctx, &buffer, 48))
        goto fail;
    for (;;) {
        const UNIT *from = at;
        at = NAME(plain_run)(at, end);
#if WIDE
        if (string_buffer_write16(&buffer, from, at - from))
#else
        if (string_buffer_write8(&buffer, from, at - from))
#endif
            goto fail;
        if (at >= end || *at < 0x20)
            goto fail;
        if (*at++ == '"')
            break;
        if (at >= end)
            goto fail;
        uint32_t unit = *at++;
        switch (unit) {
        case '"': case '\\': case '/': break;
        case 'b': unit = '\b'; break;
        case 'f': unit = '\f'; break;
        case 'n': unit = '\n'; break;
        case 'r': unit = '\r'; break;
        case 't': unit = '\t'; break;
        case 'u':
            if (end - at < 4)
                goto fail;
            unit = 0;
            for (int i = 0; i < 4; i++) {
                int digit = *at < 0x80 ? from_hex(*at) : -1;
                if (digit < 0)
                    goto fail;
                unit = unit << 4 | digit;
                at++;
            }
            break;
        default:
            goto fail;
        }
        if (string_buffer_putc16(&buffer, unit))
            goto fail;
    }
    JSValue value = string_buffer_end(&buffer);
    if (JS_IsException(value))
        goto forget;
    *text = at;
    return JS_VALUE_GET_STRING(value);
fail:
    string_buffer_free(&buffer);
forget:
    JS_FreeValue(ctx, JS_GetException(ctx));
    return NULL;
}

/// The number at `*text`, which begins with a digit or a minus; `*text` goes behind it.
static bool NAME(number)(JSContext *ctx, const UNIT **text, const UNIT *end, JSValue *value)
{
    const UNIT *from = *text, *at = from;
    bool minus = *at == '-';
    at += minus;
    uint64_t digits = 0;
    const UNIT *first = at;
    while (at < end && is_digit_unit(*at))
        digits = digits * 10 + (*at++ - '0');
    ptrdiff_t count = at - first;
    if (count == 0 || (*first == '0' && count > 1))
        return false;
    if (at >= end || (*at != '.' && (*at | 0x20) != 'e')) {
        if (count <= 18) {
            int64_t whole = minus ? -(int64_t)digits : (int64_t)digits;
            *text = at;
            *value = whole == 0 && minus ? js_float64(-0.0) : js_int64(whole);
            return true;
        }
    } else {
        int exponent = 0;
        if (*at == '.') {
            const UNIT *point = at++;
            while (at < end && is_digit_unit(*at))
                digits = digits * 10 + (*at++ - '0');
            ptrdiff_t fraction = at - point - 1;
            if (fraction == 0)
                return false;
            count += fraction;
            exponent = fraction < 1000 ? -(int)fraction : -1000;
        }
        if (at < end && (*at | 0x20) == 'e') {
            // The exact way below does not take these.
            count = 1000;
            at++;
            at += at < end && (*at == '+' || *at == '-');
            const UNIT *power = at;
            while (at < end && is_digit_unit(*at))
                at++;
            if (at == power)
                return false;
        }
        // Both are exact as doubles, so one division rounds once.
        if (count <= 19 && digits <= 1ull << 53 && exponent >= -22) {
            double number = (double)digits / POWERS_OF_TEN[-exponent];
            *text = at;
            *value = js_number(minus ? -number : number);
            return true;
        }
    }
    *text = at;
    double number;
#if WIDE
    uint8_t small[64], *ascii = small;
    size_t length = at - from;
    if (length > sizeof(small) && !(ascii = js_malloc_rt(ctx->rt, length)))
        return false;
    for (size_t i = 0; i < length; i++)
        ascii[i] = from[i];
    number = thimble_parse_double(ascii, length);
    if (ascii != small)
        js_free_rt(ctx->rt, ascii);
#else
    number = thimble_parse_double(from, at - from);
#endif
    *value = js_number(number);
    return true;
}

/// Whether the text goes on with this key and its closing quote. Atoms of keys that need an escape are never asked for.
static inline bool NAME(is_key)(const UNIT *at, const UNIT *end, JSString *key)
{
    size_t length = key->len;
    if ((size_t)(end - at) <= length || at[length] != '"')
        return false;
#if WIDE
    if (key->is_wide_char)
        return memcmp(at, str16(key), length * 2) == 0;
    const uint8_t *narrow = str8(key);
    for (size_t i = 0; i < length; i++)
        if (at[i] != narrow[i])
            return false;
    return true;
#else
    return !key->is_wide_char && equal_bytes(at, str8(key), length);
#endif
}

/// The atom of a key whose text has no escapes.
static JSAtom NAME(atom_of)(JSContext *ctx, const UNIT *from, size_t count)
{
#if !WIDE
    if (count == 0 || !is_digit_unit(*from)) {
        JSAtom atom = __JS_FindAtom(ctx->rt, (const char *)from, count, JS_ATOM_TYPE_STRING);
        if (atom != JS_ATOM_NULL)
            return atom;
    }
#endif
    JSString *string = NAME(string_of)(ctx->rt, from, count);
    return string ? JS_NewAtomStr(ctx, string) : JS_ATOM_NULL;
}

static inline const UNIT *NAME(skip_space)(const UNIT *at, const UNIT *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

#define SKIP_SPACE() do { if (at < end && *at <= ' ') at = NAME(skip_space)(at, end); if (at >= end) goto fail; } while (0)

static bool NAME(parse)(Parser *parser, const UNIT *at, const UNIT *end, JSValue *result)
{
    JSContext *ctx = parser->ctx;
    JSValue value;
    Frame *frame = NULL;

value:
    SKIP_SPACE();
    switch (*at) {
    case '{':
        at++;
        frame = push_frame(parser, frame, true);
        if (!frame)
            goto fail;
        SKIP_SPACE();
        if (*at == '}') {
            at++;
            goto object_ends;
        }
        goto key;
    case '[':
        at++;
        frame = push_frame(parser, frame, false);
        if (!frame)
            goto fail;
        SKIP_SPACE();
        if (*at == ']') {
            at++;
            goto array_ends;
        }
        goto value;
    case '"': {
        const UNIT *from = ++at;
        JSString *string;
        at = NAME(plain_run)(at, end);
        if (at < end && *at == '"') {
            if (at == from) {
                value = js_empty_string(ctx->rt);
                at++;
                break;
            }
            string = NAME(string_of)(ctx->rt, from, at - from);
            at++;
        } else {
            at = from;
            string = NAME(escaped_string)(ctx, &at, end);
        }
        if (!string)
            goto fail;
        value = JS_MKPTR(JS_TAG_STRING, string);
        break;
    }
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        if (!NAME(number)(ctx, &at, end, &value))
            goto fail;
        break;
    case 't':
        if (end - at < 4 || at[1] != 'r' || at[2] != 'u' || at[3] != 'e')
            goto fail;
        at += 4;
        value = JS_TRUE;
        break;
    case 'f':
        if (end - at < 5 || at[1] != 'a' || at[2] != 'l' || at[3] != 's' || at[4] != 'e')
            goto fail;
        at += 5;
        value = JS_FALSE;
        break;
    case 'n':
        if (end - at < 4 || at[1] != 'u' || at[2] != 'l' || at[3] != 'l')
            goto fail;
        at += 4;
        value = JS_NULL;
        break;
    default:
        goto fail;
    }

has_value:
    if (!frame) {
        at = NAME(skip_space)(at, end);
        if (at < end) {
            JS_FreeValue(ctx, value);
            goto fail;
        }
        *result = value;
        return true;
    }
    if (!take_value(parser, frame, value))
        goto fail;
    SKIP_SPACE();
    if (*at == ',') {
        at++;
        if (!frame->is_object)
            goto value;
        SKIP_SPACE();
    } else if (frame->is_object) {
        if (*at++ != '}')
            goto fail;
    object_ends:
        value = end_object(parser, frame);
        goto ended;
    } else {
        if (*at++ != ']')
            goto fail;
    array_ends:
        value = end_array(parser, frame);
    ended:
        if (JS_IsException(value))
            goto fail;
        frame = pop_frame(parser);
        goto has_value;
    }

key:
    if (*at++ != '"')
        goto fail;
    if (!frame->leaves) {
        JSShape *shape = frame->shape;
        if (shape && frame->matched < (uint32_t)shape->prop_count) {
            JSString *key = ctx->rt->atom_array[get_shape_prop(shape)[frame->matched].atom];
            if (NAME(is_key)(at, end, key)) {
                at += key->len + 1;
                goto colon;
            }
        }
        if (!leave_shape(parser, frame))
            goto fail;
    }
    {
        const UNIT *from = at;
        at = NAME(plain_run)(at, end);
        if (at < end && *at == '"') {
            frame->key = NAME(atom_of)(ctx, from, at - from);
            at++;
        } else {
            at = from;
            JSString *string = NAME(escaped_string)(ctx, &at, end);
            if (!string)
                goto fail;
            frame->key = JS_NewAtomStr(ctx, string);
            frame->unlike = true;
        }
        if (frame->key == JS_ATOM_NULL)
            goto fail;
        frame->unlike |= __JS_AtomIsTaggedInt(frame->key);
    }
colon:
    SKIP_SPACE();
    if (*at++ != ':')
        goto fail;
    goto value;

fail:
    return false;
}

#undef SKIP_SPACE
