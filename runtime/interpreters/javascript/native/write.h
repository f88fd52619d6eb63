//! Values to JSON text, of one width: included once for Latin-1 (UNIT is uint8_t), once for UTF-16.
//!
//! Nothing here runs code of the function's: a getter, a proxy, a `toJSON`, a class of its own text ends it in `false`,
//! and the engine's own `JSON.stringify` begins again from the start.

static no_inline bool NAME(make_room)(Writer *writer, size_t more)
{
    size_t wanted = (size_t)writer->count + more, room = writer->room;
    if (wanted > JS_STRING_LEN_MAX)
        return false;
    room = max_size(wanted, room + room / 2);
    JSString *grown = js_realloc_rt(writer->ctx->rt, writer->text, sizeof(JSString) + room * sizeof(UNIT) + 1);
    if (!grown)
        return false;
    writer->text = grown;
    writer->room = room;
    return true;
}

/// Where `more` units may be written. NULL where there is no room.
static inline UNIT *NAME(room)(Writer *writer, size_t more)
{
    if (unlikely(more > writer->room - writer->count) && !NAME(make_room)(writer, more))
        return NULL;
    return (UNIT *)(writer->text + 1) + writer->count;
}

static inline bool NAME(write_ascii)(Writer *writer, const char *text, size_t count)
{
    UNIT *to = NAME(room)(writer, count);
    if (!to)
        return false;
    for (size_t i = 0; i < count; i++)
        to[i] = text[i];
    writer->count += count;
    return true;
}

/// One unit that JSON escapes: a quote, a backslash, a control character, a lone surrogate.
static no_inline UNIT *NAME(escape)(UNIT *to, uint32_t unit)
{
    static const char LETTERS[] = "btn.fr", DIGITS[] = "0123456789abcdef";
    *to++ = '\\';
    if (unit == '"' || unit == '\\') {
        *to++ = unit;
    } else if (unit >= 8 && unit <= 13 && unit != 11) {
        *to++ = LETTERS[unit - 8];
    } else {
        *to++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4)
            *to++ = DIGITS[unit >> shift & 15];
    }
    return to;
}

static bool NAME(write_string)(Writer *writer, JSString *string)
{
    size_t length = string->len;
#if !WIDE
    if (string->is_wide_char) {
        writer->wants_wide = true;
        return false;
    }
#endif
    // Room for escapes is made where one is met.
    UNIT *to = NAME(room)(writer, length + 2);
    if (!to)
        return false;
    UNIT *start = to;
    *to++ = '"';
    size_t at = 0;
#if WIDE
    if (string->is_wide_char) {
        const uint16_t *from = str16(string);
        while (at < length) {
            uint32_t unit = from[at++];
            if (unlikely(unit < 0x20 || unit == '"' || unit == '\\' || (is_surrogate(unit) && !(is_hi_surrogate(unit)
                && at < length && is_lo_surrogate(from[at]))))) {
                writer->count += to - start;
                if (!(start = to = NAME(room)(writer, length - at + 8)))
                    return false;
                to = NAME(escape)(to, unit);
            } else {
                writer->has_wide |= unit > 0xff;
                *to++ = unit;
                if (is_surrogate(unit))
                    *to++ = from[at++];
            }
        }
        *to++ = '"';
        writer->count += to - start;
        return true;
    }
#endif
    const uint8_t *from = str8(string);
    for (;;) {
        size_t stop = latin1_plain_run(from + at, from + length) - from;
#if WIDE
        for (size_t i = at; i < stop; i++)
            *to++ = from[i];
#else
        copy_bytes(to, from + at, stop - at);
        to += stop - at;
#endif
        at = stop;
        if (at == length)
            break;
        writer->count += to - start;
        if (!(start = to = NAME(room)(writer, length - at + 8)))
            return false;
        to = NAME(escape)(to, from[at++]);
    }
    *to++ = '"';
    writer->count += to - start;
    return true;
}

/// A line's end and its indentation, where the text is to have lines.
static inline bool NAME(write_line)(Writer *writer)
{
    if (!writer->gap_length)
        return true;
    if (!NAME(write_ascii)(writer, "\n", 1))
        return false;
    for (uint32_t i = 0; i < writer->depth; i++) {
        UNIT *to = NAME(room)(writer, writer->gap_length);
        if (!to)
            return false;
        for (uint32_t j = 0; j < writer->gap_length; j++)
            to[j] = writer->gap[j];
        writer->count += writer->gap_length;
    }
    return true;
}

static bool NAME(write_object)(Writer *writer, JSObject *object);

static bool NAME(write_value)(Writer *writer, JSValueConst value)
{
    char text[32];
    switch (JS_VALUE_GET_NORM_TAG(value)) {
    case JS_TAG_STRING:
        return NAME(write_string)(writer, JS_VALUE_GET_STRING(value));
    case JS_TAG_STRING_ROPE: {
        JSValue flat = js_linearize_string_rope(writer->ctx, value);
        if (JS_IsException(flat))
            return false;
        bool done = NAME(write_string)(writer, JS_VALUE_GET_STRING(flat));
        JS_FreeValue(writer->ctx, flat);
        return done;
    }
    case JS_TAG_INT:
        return NAME(write_ascii)(writer, text, i32toa(text, JS_VALUE_GET_INT(value)));
    case JS_TAG_FLOAT64: {
        double number = JS_VALUE_GET_FLOAT64(value);
        if (!isfinite(number))
            return NAME(write_ascii)(writer, "null", 4);
        return NAME(write_ascii)(writer, text, thimble_write_double(number, (uint8_t *)text));
    }
    case JS_TAG_BOOL:
        return JS_VALUE_GET_BOOL(value) ? NAME(write_ascii)(writer, "true", 4) : NAME(write_ascii)(writer, "false", 5);
    case JS_TAG_NULL:
        return NAME(write_ascii)(writer, "null", 4);
    case JS_TAG_OBJECT:
        return NAME(write_object)(writer, JS_VALUE_GET_OBJ(value));
    default:
        return false;
    }
}

static bool NAME(write_items)(Writer *writer, JSObject *array)
{
    uint32_t count = array->u.array.count;
    JSValueConst length = array->prop[0].u.value;
    // A length of more than there are items: the others may be anything that the prototypes have.
    if (JS_VALUE_GET_TAG(length) != JS_TAG_INT || (uint32_t)JS_VALUE_GET_INT(length) != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (i && !NAME(write_ascii)(writer, ",", 1))
            return false;
        if (!NAME(write_line)(writer))
            return false;
        JSValueConst value = array->u.array.u.values[i];
        int tag = JS_VALUE_GET_TAG(value);
        if (tag == JS_TAG_UNDEFINED || tag == JS_TAG_SYMBOL)
            value = JS_NULL;
        if (!NAME(write_value)(writer, value))
            return false;
    }
    writer->depth--;
    return !count || NAME(write_line)(writer);
}

static bool NAME(write_properties)(Writer *writer, JSObject *object)
{
    JSRuntime *rt = writer->ctx->rt;
    JSShape *shape = object->shape;
    JSShapeProperty *keys = get_shape_prop(shape);
    bool is_first = true;
    for (int i = 0; i < shape->prop_count; i++) {
        JSAtom key = keys[i].atom;
        if (key == JS_ATOM_NULL)
            continue;
        // Keys that are numbers come in another order than the shape's; a value that is not there yet is made by code.
        if (__JS_AtomIsTaggedInt(key) || (keys[i].flags & JS_PROP_TMASK) != JS_PROP_NORMAL)
            return false;
        JSAtomStruct *name = rt->atom_array[key];
        uint32_t index;
        if (name->len && is_digit_unit(string_get(name, 0)) && JS_AtomIsArrayIndex(writer->ctx, &index, key))
            return false;
        if (!(keys[i].flags & JS_PROP_ENUMERABLE) || name->atom_type != JS_ATOM_TYPE_STRING)
            continue;
        JSValueConst value = object->prop[i].u.value;
        int tag = JS_VALUE_GET_TAG(value);
        if (tag == JS_TAG_UNDEFINED || tag == JS_TAG_SYMBOL)
            continue;
        if (!is_first && !NAME(write_ascii)(writer, ",", 1))
            return false;
        is_first = false;
        if (!NAME(write_line)(writer) || !NAME(write_string)(writer, name) ||
            !NAME(write_ascii)(writer, ": ", writer->gap_length ? 2 : 1) || !NAME(write_value)(writer, value))
            return false;
    }
    writer->depth--;
    return is_first || NAME(write_line)(writer);
}

static bool NAME(write_object)(Writer *writer, JSObject *object)
{
    bool is_array = object->class_id == JS_CLASS_ARRAY && object->fast_array;
    if (!is_array && (object->class_id != JS_CLASS_OBJECT || object->is_exotic))
        return false;
    if (find_own_property1(object, JS_ATOM_toJSON) || !has_plain_prototypes(writer, object->shape->proto))
        return false;
    // A cycle ends here as well.
    if (writer->depth == DEEPEST_WRITTEN)
        return false;
    writer->depth++;
    if (!NAME(write_ascii)(writer, is_array ? "[" : "{", 1))
        return false;
    if (!(is_array ? NAME(write_items)(writer, object) : NAME(write_properties)(writer, object)))
        return false;
    return NAME(write_ascii)(writer, is_array ? "]" : "}", 1);
}

/// The whole text of a value.
static bool NAME(write)(Writer *writer, JSValueConst value, JSValue *result)
{
    JSRuntime *rt = writer->ctx->rt;
    writer->count = writer->depth = 0;
    writer->room = 240;
    writer->text = js_alloc_string_rt(rt, 240, WIDE);
    if (!writer->text)
        return false;
    if (!NAME(write_value)(writer, value)) {
        js_free_rt(rt, writer->text);
        return false;
    }
#if WIDE
    if (!writer->has_wide) {
        *result = narrowed(writer);
        js_free_rt(rt, writer->text);
        return !JS_IsException(*result);
    }
#endif
    JSString *text = js_realloc_rt(rt, writer->text, sizeof(JSString) + writer->count * sizeof(UNIT) + 1 - WIDE);
    if (!text)
        text = writer->text;
    text->len = writer->count;
#if !WIDE
    ((uint8_t *)(text + 1))[writer->count] = 0;
#endif
    *result = JS_MKPTR(JS_TAG_STRING, text);
    return true;
}
