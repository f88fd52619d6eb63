//! What the parser of JSON keeps beside the text: values that wait for their array or object, and the shapes of objects.

/// Deeper than data is; the engine's own parser, and its error, are for what is deeper.
#define DEEPEST 500
/// What needs no memory of the heap: most events.
#define VALUES_AT_FIRST 64
#define FRAMES_AT_FIRST 12
/// How many places of a text have their shape remembered; a power of two.
#define PLACES 32
/// Longer objects are dictionaries.
#define LONGEST_SHAPE 128

static const double POWERS_OF_TEN[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
};

/// Rust's, which is exact and fast; the text is a number of JSON.
extern double thimble_parse_double(const uint8_t *text, size_t length);

/// An array or an object that has begun.
typedef struct Frame {
    /// Where its values begin.
    uint32_t values;
    /// How many values it has so far.
    uint32_t matched;
    /// What its keys are compared with: a reference of its own, for another object may change what is expected here.
    JSShape *shape;
    /// The object, and the key whose value comes next, once it has left that shape.
    JSObject *leaves;
    JSAtom key;
    uint8_t place;
    bool is_object;
    /// Its shape is not to be expected again: its keys cannot be compared as text.
    bool unlike;
} Frame;

typedef struct Parser {
    JSContext *ctx;
    JSValue *values;
    uint32_t count, room;
    Frame *frames;
    uint32_t depth, frames_room;
    JSShape *expected[PLACES];
    JSValue values_at_first[VALUES_AT_FIRST];
    Frame frames_at_first[FRAMES_AT_FIRST];
} Parser;

static inline bool is_digit_unit(uint32_t unit)
{
    return unit - '0' <= 9;
}

/// Short runs, for which a call of `memcpy` costs more than the bytes.
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t count)
{
    if (count > 32) {
        memcpy(to, from, count);
    } else if (count >= 16) {
        v128_t tail = wasm_v128_load(from + count - 16);
        wasm_v128_store(to, wasm_v128_load(from));
        wasm_v128_store(to + count - 16, tail);
    } else if (count >= 8) {
        __builtin_memcpy(to, from, 8);
        __builtin_memcpy(to + count - 8, from + count - 8, 8);
    } else if (count >= 4) {
        __builtin_memcpy(to, from, 4);
        __builtin_memcpy(to + count - 4, from + count - 4, 4);
    } else if (count) {
        to[0] = from[0];
        to[count / 2] = from[count / 2];
        to[count - 1] = from[count - 1];
    }
}

static inline bool equal_bytes(const uint8_t *one, const uint8_t *other, size_t count)
{
    size_t at = 0;
    for (; count - at >= 8; at += 8) {
        uint64_t a, b;
        __builtin_memcpy(&a, one + at, 8);
        __builtin_memcpy(&b, other + at, 8);
        if (a != b)
            return false;
    }
    for (; at < count; at++)
        if (one[at] != other[at])
            return false;
    return true;
}

/// More room for `*items`, which began in the parser itself. No exception is left behind.
static no_inline bool grow(JSContext *ctx, void **items, void *at_first, uint32_t *room, size_t size)
{
    uint32_t wanted = *room * 2;
    if (wanted > INT32_MAX / size)
        return false;
    void *grown = *items == at_first ? js_malloc_rt(ctx->rt, wanted * size)
                                     : js_realloc_rt(ctx->rt, *items, wanted * size);
    if (!grown)
        return false;
    if (*items == at_first)
        memcpy(grown, at_first, *room * size);
    *items = grown;
    *room = wanted;
    return true;
}

/// Begins an array or an object inside of `outer`. NULL where it would be too deep.
static inline Frame *push_frame(Parser *parser, Frame *outer, bool is_object)
{
    // Values of one key, and all items of one array, are taken to be alike.
    uint32_t place = outer ? outer->place * 7 + 1 + (outer->is_object ? outer->matched : 0) : 0;
    if (parser->depth == parser->frames_room) {
        if (parser->depth >= DEEPEST || !grow(parser->ctx, (void **)&parser->frames, parser->frames_at_first,
                                              &parser->frames_room, sizeof(Frame)))
            return NULL;
    }
    Frame *frame = &parser->frames[parser->depth++];
    frame->values = parser->count;
    frame->matched = 0;
    frame->shape = NULL;
    frame->leaves = NULL;
    frame->key = JS_ATOM_NULL;
    frame->place = place & (PLACES - 1);
    frame->is_object = is_object;
    frame->unlike = false;
    if (is_object && parser->expected[frame->place])
        frame->shape = js_dup_shape(parser->expected[frame->place]);
    return frame;
}

static inline Frame *pop_frame(Parser *parser)
{
    return --parser->depth ? &parser->frames[parser->depth - 1] : NULL;
}

/// Adds a property, or replaces the value of one that is there. Takes over the value.
static bool put(JSContext *ctx, JSObject *object, JSAtom key, JSValue value)
{
    JSProperty *property;
    if (find_own_property(&property, object, key)) {
        JSValue old = property->u.value;
        property->u.value = value;
        JS_FreeValue(ctx, old);
        return true;
    }
    property = add_property(ctx, object, key, JS_PROP_C_W_E);
    if (!property) {
        JS_FreeValue(ctx, value);
        return false;
    }
    property->u.value = value;
    return true;
}

static inline void forget_shape(Parser *parser, Frame *frame)
{
    if (frame->shape)
        js_free_shape(parser->ctx->rt, frame->shape);
    frame->shape = NULL;
}

/// Makes the object of the keys that matched so far; from here on it is made property by property.
static no_inline bool leave_shape(Parser *parser, Frame *frame)
{
    JSContext *ctx = parser->ctx;
    JSValue object = JS_NewObject(ctx);
    if (JS_IsException(object))
        return false;
    frame->leaves = JS_VALUE_GET_OBJ(object);
    for (uint32_t i = 0; i < frame->matched; i++) {
        JSValue value = parser->values[frame->values + i];
        parser->values[frame->values + i] = JS_UNDEFINED;
        if (!put(ctx, frame->leaves, get_shape_prop(frame->shape)[i].atom, value))
            return false;
    }
    parser->count = frame->values;
    forget_shape(parser, frame);
    return true;
}

/// Takes over a value of the array or object that is under way.
static inline bool take_value(Parser *parser, Frame *frame, JSValue value)
{
    if (frame->leaves) {
        JSAtom key = frame->key;
        frame->key = JS_ATOM_NULL;
        bool done = put(parser->ctx, frame->leaves, key, value);
        JS_FreeAtom(parser->ctx, key);
        frame->matched++;
        return done;
    }
    if (parser->count == parser->room &&
        !grow(parser->ctx, (void **)&parser->values, parser->values_at_first, &parser->room, sizeof(JSValue))) {
        JS_FreeValue(parser->ctx, value);
        return false;
    }
    parser->values[parser->count++] = value;
    frame->matched++;
    return true;
}

/// Remembers the shape that an object ended with, where its keys can be compared as text.
static void expect_shape(Parser *parser, uint32_t place, JSShape *shape)
{
    JSShape *before = parser->expected[place];
    if (shape == before || !shape->is_hashed || shape->prop_count == 0 || shape->prop_count > LONGEST_SHAPE)
        return;
    parser->expected[place] = js_dup_shape(shape);
    if (before)
        js_free_shape(parser->ctx->rt, before);
}

static JSValue end_object(Parser *parser, Frame *frame)
{
    JSContext *ctx = parser->ctx;
    if (!frame->leaves) {
        JSShape *shape = frame->shape;
        if (shape && frame->matched == (uint32_t)shape->prop_count) {
            // Values and shape are the object's from here on, also where there is no memory for it.
            parser->count = frame->values;
            frame->shape = NULL;
            return JS_NewObjectFromShape(ctx, shape, JS_CLASS_OBJECT, (JSProperty *)&parser->values[frame->values]);
        }
        if (frame->matched == 0) {
            forget_shape(parser, frame);
            return JS_NewObject(ctx);
        }
        if (!leave_shape(parser, frame))
            return JS_EXCEPTION;
    }
    JSObject *object = frame->leaves;
    frame->leaves = NULL;
    if (!frame->unlike)
        expect_shape(parser, frame->place, object->shape);
    return JS_MKPTR(JS_TAG_OBJECT, object);
}

static JSValue end_array(Parser *parser, Frame *frame)
{
    parser->count = frame->values;
    return JS_NewArrayFrom(parser->ctx, frame->matched, parser->values + frame->values);
}

static void start_parser(Parser *parser, JSContext *ctx)
{
    parser->ctx = ctx;
    parser->values = parser->values_at_first;
    parser->room = VALUES_AT_FIRST;
    parser->frames = parser->frames_at_first;
    parser->frames_room = FRAMES_AT_FIRST;
    parser->count = parser->depth = 0;
    memset(parser->expected, 0, sizeof(parser->expected));
}

/// Gives back all that was under way, and an exception that this left.
static void end_parser(Parser *parser)
{
    JSContext *ctx = parser->ctx;
    for (uint32_t i = 0; i < parser->count; i++)
        JS_FreeValue(ctx, parser->values[i]);
    for (uint32_t i = 0; i < parser->depth; i++) {
        Frame *frame = &parser->frames[i];
        JS_FreeAtom(ctx, frame->key);
        forget_shape(parser, frame);
        if (frame->leaves)
            JS_FreeValue(ctx, JS_MKPTR(JS_TAG_OBJECT, frame->leaves));
    }
    for (int i = 0; i < PLACES; i++)
        if (parser->expected[i])
            js_free_shape(ctx->rt, parser->expected[i]);
    if (parser->values != parser->values_at_first)
        js_free_rt(ctx->rt, parser->values);
    if (parser->frames != parser->frames_at_first)
        js_free_rt(ctx->rt, parser->frames);
}
