//! QuickJS, with a faster `JSON.parse` and `JSON.stringify` for what holds no surprise.
//!
//! The engine's file is included as it is, since objects are made of known shapes by functions that it keeps to itself.
//! What is read here of its objects is checked by its compiler; what it means, by `tests/it/json.rs` and test262.
//! A surprise is a syntax error, a reviver, a getter, a cycle, a lack of memory: nothing has happened yet then, and the
//! engine's own functions do the whole of it, errors and all.

#include "quickjs.c"
#include <wasm_simd128.h>

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)

#include "parser.h"
#include "writer.h"
#include "bytes.h"
#include "eval.h"

#define UNIT uint8_t
#define WIDE 0
#define NAME(name) PASTE(latin1_, name)
#define LANES 16
#define LANE(operation) PASTE(wasm_i8x16_, operation)
#define ULANE(operation) PASTE(wasm_u8x16_, operation)
#define LANE_SPLAT wasm_i8x16_splat
#include "parse.h"
#include "write.h"
#undef UNIT
#undef WIDE
#undef NAME
#undef LANES
#undef LANE
#undef ULANE
#undef LANE_SPLAT

#define UNIT uint16_t
#define WIDE 1
#define NAME(name) PASTE(utf16_, name)
#define LANES 8
#define LANE(operation) PASTE(wasm_i16x8_, operation)
#define ULANE(operation) PASTE(wasm_u16x8_, operation)
#define LANE_SPLAT wasm_i16x8_splat
#include "parse.h"
#include "write.h"

/// Parses where nothing surprises. No exception is left behind.
static no_inline bool parse_plainly(JSContext *ctx, const void *text, size_t length, bool is_wide, JSValue *value)
{
    JSRuntime *rt = ctx->rt;
    Parser parser;
    // What is being made holds no cycle: collecting meanwhile would walk all of it over and over.
    size_t threshold = rt->malloc_gc_threshold;
    rt->malloc_gc_threshold = SIZE_MAX;
    start_parser(&parser, ctx);
    bool done = is_wide ? utf16_parse(&parser, text, (const uint16_t *)text + length, value)
                        : latin1_parse(&parser, text, (const uint8_t *)text + length, value);
    end_parser(&parser);
    rt->malloc_gc_threshold = threshold;
    if (!done)
        JS_FreeValue(ctx, JS_GetException(ctx));
    return done;
}

static JSValue json_parse(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    if (count > 1 && JS_IsFunction(ctx, arguments[1]))
        return js_json_parse(ctx, this_value, count, arguments);
    JSValue text = JS_ToString(ctx, arguments[0]);
    if (JS_IsException(text))
        return text;
    JSString *string = JS_VALUE_GET_STRING(text);
    JSValue value;
    if (!parse_plainly(ctx, strv(string), string->len, string->is_wide_char, &value))
        value = js_json_parse(ctx, this_value, 1, (JSValueConst *)&text);
    JS_FreeValue(ctx, text);
    return value;
}

static JSValue json_stringify(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    static const uint8_t SPACES[] = "          ";
    JSValueConst value = arguments[0], replacer = arguments[1], space = arguments[2];
    Writer writer = { .ctx = ctx };
    bool plain = JS_IsUndefined(replacer) || JS_IsNull(replacer);
    int tag = JS_VALUE_GET_TAG(space);
    if (tag == JS_TAG_INT) {
        writer.gap = SPACES;
        writer.gap_length = max_int(min_int(JS_VALUE_GET_INT(space), 10), 0);
    } else if (tag == JS_TAG_STRING && !JS_VALUE_GET_STRING(space)->is_wide_char) {
        writer.gap = str8(JS_VALUE_GET_STRING(space));
        writer.gap_length = min_int(JS_VALUE_GET_STRING(space)->len, 10);
    } else if (tag != JS_TAG_UNDEFINED && tag != JS_TAG_NULL) {
        plain = false;
    }
    if (plain && !js_check_stack_overflow(ctx->rt, DEEPEST_WRITTEN * 512)) {
        JSValue text;
        if (latin1_write(&writer, value, &text) || (writer.wants_wide && utf16_write(&writer, value, &text)))
            return text;
        JS_FreeValue(ctx, JS_GetException(ctx));
    }
    return js_json_stringify(ctx, this_value, count, arguments);
}

static bool replace(JSContext *ctx, JSValueConst object, const char *name, JSCFunction *function, int length, int flags)
{
    return JS_DefinePropertyValueStr(ctx, object, name, JS_NewCFunction(ctx, function, name, length), flags) >= 0;
}

/// Puts the faster functions in the place of the engine's.
bool thimble_install(JSContext *ctx)
{
    JSValue global = JS_GetGlobalObject(ctx), json = JS_GetPropertyStr(ctx, global, "JSON");
    int hidden = JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE;
    bool done = replace(ctx, json, "parse", json_parse, 2, hidden) &&
                replace(ctx, json, "stringify", json_stringify, 3, hidden) &&
                replace(ctx, global, "atob", fast_atob, 1, JS_PROP_C_W_E) &&
                replace(ctx, global, "btoa", fast_btoa, 1, JS_PROP_C_W_E);
    ctx->eval_internal = eval_in_file;
    JS_FreeValue(ctx, json);
    JS_FreeValue(ctx, global);
    return done;
}

/// As `JS_ParseJSON`: UTF-8 that ends with a zero byte.
JSValue thimble_json_parse(JSContext *ctx, const char *text, size_t length, bool is_ascii, const char *name)
{
    JSValue value;
    if (is_ascii) {
        if (parse_plainly(ctx, text, length, false, &value))
            return value;
    } else {
        JSValue string = JS_NewStringLen(ctx, text, length);
        if (JS_IsException(string)) {
            JS_FreeValue(ctx, JS_GetException(ctx));
        } else {
            JSString *units = JS_VALUE_GET_STRING(string);
            bool done = parse_plainly(ctx, strv(units), units->len, units->is_wide_char, &value);
            JS_FreeValue(ctx, string);
            if (done)
                return value;
        }
    }
    return JS_ParseJSON(ctx, text, length, name);
}
