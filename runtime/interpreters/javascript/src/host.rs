//! The native functions behind the boot JavaScript, by the names that it calls them by.

mod bytes;
mod compression;
mod crypto;
mod encoding;
pub mod files;
mod multipart;
mod network;
pub mod output;
mod programs;
mod script;
pub mod tcp;
mod text;
mod url;
mod workspace;

use crate::bindings::thimble::runtime::{context, log};
use crate::bindings::wasi::random::random;
use crate::js::{Result, Thrown, Value, context as js_context, sys};
use crate::json::{self, Refused};
use crate::natives::{Arguments, Native};
use crate::{async_context, command, failure, instance, invoke, library, natives, reactor, tasks};

pub const NATIVES: [(&str, Native); 53] = [
    ("natives", natives_of),
    ("builtinModules", |_| Ok(Value::array(library::names().into_iter().map(Value::string)))),
    ("log", write_log),
    ("invocation", invocation),
    ("remaining", |_| Ok(Value::number(context::remaining_ms() as f64))),
    ("environment", environment),
    ("epoch", |_| Ok(Value::number(f64::from(instance::epoch())))),
    ("elapsed", |_| Ok(Value::number(instance::elapsed_ms()))),
    ("now", |_| Ok(Value::number(now()))),
    ("random", fill_random),
    ("timer", timer),
    ("cancel", cancel),
    ("stringify", stringify),
    ("setContextPrototype", set_context_prototype),
    ("promiseState", promise_state),
    ("isProxy", is_proxy),
    ("encode", text::encode),
    ("decode", text::decode),
    ("cleanStack", |arguments| Ok(Value::string(&failure::clean_stack(&arguments.text(0)?)))),
    ("encodeInto", encoding::encode_into),
    ("encodingName", encoding::name),
    ("newDecoder", encoding::new_decoder),
    ("decodeWith", encoding::decode_with),
    ("classOf", class_of),
    ("uncaught", uncaught),
    ("parseUrl", url::parse),
    ("changeUrl", url::change),
    ("urlOrigin", url::origin),
    ("parseQuery", url::parse_query),
    ("formatQuery", url::format_query),
    ("parseMultipart", multipart::parse),
    ("cacheGet", workspace::cache_get),
    ("cacheSet", workspace::cache_set),
    ("cacheDelete", workspace::cache_delete),
    ("cacheKeys", workspace::cache_keys),
    ("cacheIncrement", workspace::cache_increment),
    ("secret", workspace::secret),
    ("startCall", workspace::start_call),
    ("finishCall", workspace::finish_call),
    ("send", network::send),
    ("response", network::response),
    ("read", network::read),
    ("chunk", network::chunk),
    ("close", network::close),
    ("wanted", output::wanted),
    ("begin", output::begin),
    ("write", output::write),
    ("written", output::written),
    ("end", output::end),
    ("noteWaiting", output::note_waiting),
    ("evaluateScript", script::evaluate_script),
    ("newRealm", script::new_realm),
    ("memory", |_| Ok(Value::number(core::arch::wasm32::memory_size(0) as f64 * 65536.0))),
];

/// Natives that only some module of the library needs, as a new object: most functions never ask for them.
fn natives_of(arguments: &Arguments) -> Result<Value> {
    let natives: &[(&str, Native)] = match arguments.text(0)?.as_str() {
        "asyncContext" => &async_context::NATIVES,
        "bytes" => &bytes::NATIVES,
        "compression" => &compression::NATIVES,
        "crypto" => &crypto::NATIVES,
        "files" => &files::NATIVES,
        "programs" => &programs::NATIVES,
        "requests" => &network::REQUESTS,
        "tasks" => &tasks::NATIVES,
        "tcp" => &tcp::NATIVES,
        name => return Err(Thrown::new("TypeError", &format!("there are no natives '{name}'"))),
    };
    let table = Value::object();
    for (name, native) in natives {
        table.set(name, natives::function(name, *native))?;
    }
    Ok(table)
}

fn write_log(arguments: &Arguments) -> Result<Value> {
    let level = match arguments.number(0)? as u32 {
        0 => log::Level::Debug,
        1 => log::Level::Info,
        2 => log::Level::Warn,
        _ => log::Level::Error,
    };
    let text = arguments.text(1)?;
    if level == log::Level::Info {
        command::hear(&text);
    }
    log::write(level, &text);
    Ok(Value::UNDEFINED)
}

/// One field of the current invocation, by name.
fn invocation(arguments: &Arguments) -> Result<Value> {
    let field = arguments.text(0)?;
    Ok(invoke::with_invocation(|current| match field.as_str() {
        "requestId" => Value::string(&current.request_id),
        "workspace" => Value::string(&current.workspace),
        "function" => Value::string(&current.function),
        "version" => Value::string(&current.version),
        "memory" => Value::number(f64::from(current.memory_limit_mib)),
        "timeout" => Value::number(current.timeout_ms as f64),
        "caller" => Value::option(current.caller.as_deref()),
        _ => Value::UNDEFINED,
    }))
}

/// The environment as a flat array: name, value, name, value.
fn environment(_: &Arguments) -> Result<Value> {
    Ok(pairs(context::environment()))
}

/// Pairs of texts as a flat array.
fn pairs(pairs: Vec<(String, String)>) -> Value {
    Value::array(pairs.iter().flat_map(|(name, value)| [Value::string(name), Value::string(value)]))
}

/// A flat array of texts as pairs.
fn pairs_of(array: &Value) -> Result<Vec<(String, String)>> {
    let length = array.get("length")?.to_f64()? as usize;
    (0..length / 2)
        .map(|pair| {
            let item = |index: usize| array.get(&index.to_string()).and_then(|item| item.text());
            Ok((item(pair * 2)?, item(pair * 2 + 1)?))
        })
        .collect()
}

/// A number that two values share where QuickJS made them of the same class, whatever their prototypes say.
fn class_of(arguments: &Arguments) -> Result<Value> {
    // SAFETY: the value is alive.
    Ok(Value::number(f64::from(unsafe { sys::JS_GetClassID(arguments.value(0).raw()) })))
}

/// Logs what nobody caught.
fn uncaught(arguments: &Arguments) -> Result<Value> {
    tasks::report("Uncaught", &Thrown(arguments.value(0)));
    Ok(Value::UNDEFINED)
}

/// Pieces as one `Uint8Array`, each copied once.
fn joined(pieces: &[Vec<u8>]) -> Result<Value> {
    if let [piece] = pieces {
        return Value::bytes(piece);
    }
    let all = Value::zeros(pieces.iter().map(|piece| piece.len() as u64).sum())?;
    all.with_bytes(|bytes| {
        let mut rest = bytes;
        for piece in pieces {
            let (here, after) = rest.split_at_mut(piece.len());
            here.copy_from_slice(piece);
            rest = after;
        }
    })?;
    Ok(all)
}

/// Milliseconds since 1970 with their fraction.
fn now() -> f64 {
    let now = crate::bindings::wasi::clocks::wall_clock::now();
    now.seconds as f64 * 1e3 + f64::from(now.nanoseconds) / 1e6
}

fn fill_random(arguments: &Arguments) -> Result<Value> {
    arguments.value(0).with_bytes(|bytes| {
        let random = random::get_random_bytes(bytes.len() as u64);
        let length = bytes.len().min(random.len());
        bytes[..length].copy_from_slice(&random[..length]);
    })?;
    Ok(arguments.value(0))
}

fn timer(arguments: &Arguments) -> Result<Value> {
    let milliseconds = arguments.number(0)?.max(0.0) as u64;
    Ok(Value::number(reactor::timer(milliseconds, arguments.value(1))? as f64))
}

fn cancel(arguments: &Arguments) -> Result<Value> {
    reactor::cancel(arguments.number(0)? as u64);
    Ok(Value::UNDEFINED)
}

/// Strict JSON text; the second argument says what the value is, in messages.
fn stringify(arguments: &Arguments) -> Result<Value> {
    strict_json(&arguments.value(0), "the value").map(|text| Value::string(&text))
}

fn strict_json(value: &Value, what: &'static str) -> Result<String> {
    json::stringify(value, what).map_err(|refused| match refused {
        Refused::Thrown(thrown) => thrown,
        Refused::NotJson(message) => Thrown::new("TypeError", &message),
    })
}

/// A value from JSON text.
pub fn from_json(text: &str) -> Result<Value> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    // SAFETY: the text ends with the zero byte that QuickJS asks for.
    Value::checked(unsafe {
        let file = c"json".as_ptr();
        sys::JS_ParseJSON(js_context(), bytes.as_ptr().cast(), text.len() as _, file)
    })
}

fn set_context_prototype(arguments: &Arguments) -> Result<Value> {
    invoke::set_context_prototype(arguments.value(0));
    Ok(Value::UNDEFINED)
}

/// "pending", "fulfilled" or "rejected" with the outcome; undefined for what is no promise.
fn promise_state(arguments: &Arguments) -> Result<Value> {
    let value = arguments.value(0);
    // SAFETY: the value is alive.
    let state = unsafe {
        match sys::JS_IsPromise(value.raw()) {
            true => sys::JS_PromiseState(js_context(), value.raw()),
            false => return Ok(Value::UNDEFINED),
        }
    };
    let name = match state {
        sys::JSPromiseStateEnum_JS_PROMISE_PENDING => return Ok(Value::array([Value::string("pending")])),
        sys::JSPromiseStateEnum_JS_PROMISE_FULFILLED => "fulfilled",
        _ => "rejected",
    };
    // SAFETY: as above.
    let outcome = Value::own(unsafe { sys::JS_PromiseResult(js_context(), value.raw()) });
    Ok(Value::array([Value::string(name), outcome]))
}

fn is_proxy(arguments: &Arguments) -> Result<Value> {
    // SAFETY: the value is alive.
    Ok(Value::bool(unsafe { sys::JS_IsProxy(arguments.value(0).raw()) }))
}
