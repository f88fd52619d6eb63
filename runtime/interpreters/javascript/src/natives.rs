//! The bridge to the boot JavaScript: the table of native functions, the evaluation of `boot/*.js`, and the few things
//! that Rust asks back of it.

use std::cell::RefCell;
use std::ffi::{CString, c_int};

use crate::host::files::place;
use crate::js::{self, Goal, Result, Value, context, sys};
use crate::{boxed, engine_json, host, instance, json, library, modules, tasks};

/// Each file is one function that takes the object `host`: the natives, and what earlier files have put there.
const BOOT: [(&str, &str); 6] = [
    ("thimble:callsites.js", include_str!("../boot/callsites.js")),
    ("thimble:inspect.js", include_str!("../boot/inspect.js")),
    ("thimble:console.js", include_str!("../boot/console.js")),
    ("thimble:timers.js", include_str!("../boot/timers.js")),
    ("thimble:workspace.js", include_str!("../boot/workspace.js")),
    ("thimble:lazy.js", include_str!("../boot/lazy.js")),
];

/// The arguments of a native call.
pub struct Arguments<'a>(&'a [sys::JSValue]);

impl Arguments<'_> {
    pub fn value(&self, index: usize) -> Value {
        self.0.get(index).map_or(Value::UNDEFINED, |&raw| Value::dup(raw))
    }

    pub fn text(&self, index: usize) -> Result<String> {
        self.value(index).text()
    }

    pub fn number(&self, index: usize) -> Result<f64> {
        self.value(index).to_f64()
    }
}

pub type Native = fn(&Arguments) -> Result<Value>;

thread_local! {
    static TABLE: RefCell<Vec<Native>> = const { RefCell::new(Vec::new()) };
    static HOST: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
}

/// Evaluates the boot JavaScript in a new context.
pub fn boot() {
    let host = Value::object();
    HOST.set(host.clone());
    engine_json::install();
    boxed::start();
    tasks::start();
    modules::start();
    json::start(|expression| {
        let code = format!("({expression})");
        ok(js::compile(&code, "thimble:json", 1, Goal::Script).and_then(js::run))
    });
    for (name, native) in host::NATIVES {
        ok(host.set(name, function(name, native)));
    }
    let math = ok(Value::global().get("Math"));
    ok(math.set("random", function("random", |_| Ok(Value::number(instance::next_random())))));
    // A function body asks for it as a module does; both get the same answer.
    ok(Value::global().set("require", function("require", |arguments| modules::require(&arguments.text(0)?))));
    // What the library asks for is the library's, whatever files a function brings.
    ok(host.set(
        "require",
        function("require", |arguments| {
            let name = arguments.text(0)?;
            library::find(&name).unwrap_or_else(|| Err(modules::not_found(&name)))
        }),
    ));
    ok(host.set("cwd", function("cwd", |_| Ok(Value::string(&place::working())))));
    ok(host.set("fileNatives", function("fileNatives", |_| modules::natives())));
    library::shelve();
    for (file, code) in BOOT {
        let function = ok(js::compile(code, file, 1, Goal::Script).and_then(js::run));
        ok(function.call(&Value::UNDEFINED, &[&host]));
    }
}

/// The object that boot JavaScript and library share: the natives, and what each file puts there for the others.
pub fn host() -> Value {
    HOST.with_borrow(Clone::clone)
}

/// A member of the boot JavaScript's `host` object.
pub fn internal(name: &str) -> Result<Value> {
    host().get(name)
}

/// A value as `console.log` shows it inside an object.
pub fn inspect(value: &Value) -> String {
    internal("inspect")
        .and_then(|inspect| inspect.call(&Value::UNDEFINED, &[value]))
        .and_then(|text| text.text())
        .unwrap_or_else(|_| "(a value that cannot be shown)".to_owned())
}

/// Wraps a Rust function for JavaScript.
pub fn function(name: &str, native: Native) -> Value {
    let index = TABLE.with_borrow_mut(|table| {
        table.push(native);
        table.len() - 1
    });
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: a generic function with magic has the trampoline's real type, which QuickJS asks to be cast.
    unsafe {
        type WithMagic =
            unsafe extern "C" fn(*mut sys::JSContext, sys::JSValue, c_int, *mut sys::JSValue, c_int) -> sys::JSValue;
        let plain = std::mem::transmute::<WithMagic, sys::JSCFunction>(trampoline);
        let kind = sys::JSCFunctionEnum_JS_CFUNC_generic_magic;
        Value::own(sys::JS_NewCFunction2(context(), plain, name.as_ptr(), 0, kind, index as c_int))
    }
}

unsafe extern "C" fn trampoline(
    _: *mut sys::JSContext,
    _: sys::JSValue,
    count: c_int,
    arguments: *mut sys::JSValue,
    index: c_int,
) -> sys::JSValue {
    let arguments = if count > 0 {
        // SAFETY: QuickJS passes `count` values that it keeps alive during the call.
        unsafe { std::slice::from_raw_parts(arguments, count as usize) }
    } else {
        &[]
    };
    let native = TABLE.with_borrow(|table| table[index as usize]);
    match native(&Arguments(arguments)) {
        Ok(value) => value.into_raw(),
        Err(thrown) => thrown.throw(),
    }
}

/// Boot code that fails is a defect of the build, which then stops here.
pub fn ok<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(js::Thrown(value)) => {
            let text = |name: &str| value.get(name).and_then(|value| value.text()).unwrap_or_default();
            panic!("boot: {} {}", text("message"), text("stack"))
        }
    }
}
