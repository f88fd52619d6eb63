//! What the writer of JSON keeps beside the text.

/// Deeper than data is; the engine's own `JSON.stringify`, and its error, are for what is deeper, and for cycles.
#define DEEPEST_WRITTEN 200

/// Rust's: the shortest text of a finite number as JavaScript has it, at most 25 bytes.
extern size_t thimble_write_double(double number, uint8_t *to);

typedef struct Writer {
    JSContext *ctx;
    /// The text so far, in units of one width, and its room.
    JSString *text;
    uint32_t count, room;
    uint32_t depth;
    const uint8_t *gap;
    uint32_t gap_length;
    /// The prototype that was looked at last.
    JSObject *plain;
    /// The narrow text met what it cannot hold; the wide one holds what a narrow one cannot.
    bool wants_wide, has_wide;
} Writer;

static inline size_t max_size(size_t one, size_t other)
{
    return one > other ? one : other;
}

/// Whether no `toJSON` is inherited, and no code runs to find that out.
static inline bool has_plain_prototypes(Writer *writer, JSObject *prototype)
{
    if (!prototype || prototype == writer->plain)
        return true;
    for (JSObject *at = prototype; at; at = at->shape->proto) {
        bool is_plain = !at->is_exotic || (at->class_id == JS_CLASS_ARRAY && at->fast_array);
        if (!is_plain || find_own_property1(at, JS_ATOM_toJSON))
            return false;
    }
    writer->plain = prototype;
    return true;
}

/// The narrow string of a wide text that has no wide unit.
static JSValue narrowed(Writer *writer)
{
    JSString *narrow = js_alloc_string_rt(writer->ctx->rt, writer->count, 0);
    if (!narrow)
        return JS_EXCEPTION;
    const uint16_t *from = (const uint16_t *)(writer->text + 1);
    uint8_t *to = (uint8_t *)(narrow + 1);
    for (uint32_t i = 0; i < writer->count; i++)
        to[i] = from[i];
    to[writer->count] = 0;
    return JS_MKPTR(JS_TAG_STRING, narrow);
}
