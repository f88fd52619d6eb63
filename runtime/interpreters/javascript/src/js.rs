//! QuickJS as safe Rust: the one context, owned values, thrown values, compiling and calling.
//!
//! A component instance holds exactly one context and runs on one thread, so the context is a static. A `Value` owns one
//! reference and gives it back when dropped; a raw `JSValue` never leaves this file except to `json.rs`, which walks
//! results without touching reference counts more than it must.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::forget;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use base64_simd::Out;
pub use rquickjs_sys as sys;
use sys::{JSAtom, JSContext, JSValue};

unsafe extern "C" {
    // What `native/bytes.h` says of them.
    fn thimble_latin1(value: JSValue, length: *mut usize) -> *const u8;
    fn thimble_new_latin1(context: *mut JSContext, length: usize, characters: *mut *mut u8) -> JSValue;
    fn thimble_new_bytes(context: *mut JSContext, length: usize, bytes: *mut *mut u8) -> JSValue;
}

/// How much of the stack in linear memory QuickJS may use before it throws a `RangeError`: about 2,000 calls deep. The
/// module is linked with twice as much, and natives of our own need little. The host's own stack must be large enough
/// for the frames that go with it, or deep recursion traps instead: 8 MiB for calls, `JSON.parse` and parsing, 16 MiB
/// for `JSON.stringify`, too.
const STACK_BYTES: u32 = 512 * 1024;

static CONTEXT: AtomicPtr<JSContext> = AtomicPtr::new(null_mut());

/// The context; null before `start`.
#[inline]
pub fn context() -> *mut JSContext {
    CONTEXT.load(Relaxed)
}

pub fn runtime() -> *mut sys::JSRuntime {
    // SAFETY: the context is set before anything else of this crate runs.
    unsafe { sys::JS_GetRuntime(context()) }
}

/// Creates the runtime and its context. Called once, while the build initialises the module.
pub fn start(allocator: &sys::JSMallocFunctions) {
    // SAFETY: the first calls into QuickJS, in the order that its header asks for.
    unsafe {
        let runtime = sys::JS_NewRuntime2(allocator, null_mut());
        sys::JS_SetMaxStackSize(runtime, STACK_BYTES);
        sys::JS_SetCanBlock(runtime, false);
        CONTEXT.store(sys::JS_NewContext(runtime), Relaxed);
    }
    assert!(!context().is_null(), "QuickJS gives a context");
}

/// Collects what the boot left behind, and puts off the next collection: it would write to every object that the
/// snapshot shares, for functions that make hardly any garbage.
pub fn settle() {
    const FIRST_COLLECTION: usize = 3 << 20;
    // SAFETY: the runtime lives as long as the instance.
    unsafe {
        sys::JS_RunGC(runtime());
        sys::JS_SetGCThreshold(runtime(), FIRST_COLLECTION as _);
    }
}

/// Tells QuickJS where its stack begins in this call from the host.
#[inline]
pub fn enter() {
    // SAFETY: the runtime lives as long as the instance.
    unsafe { sys::JS_UpdateStackTop(runtime()) }
}

/// One owned reference to a JavaScript value.
pub struct Value(JSValue);

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a `Value` owns the reference that it gives back here.
        unsafe {
            if sys::JS_VALUE_HAS_REF_COUNT(self.0) {
                sys::JS_FreeValue(context(), self.0);
            }
        }
    }
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Self {
        Self::dup(self.0)
    }
}

/// What JavaScript code threw.
pub struct Thrown(pub Value);

pub type Result<T> = std::result::Result<T, Thrown>;

impl Value {
    pub const UNDEFINED: Value = Value(sys::JS_UNDEFINED);

    /// Takes over the reference that the caller owns.
    #[inline]
    pub fn own(raw: JSValue) -> Self {
        Self(raw)
    }

    /// Takes a new reference to a value that the caller only borrows.
    #[inline]
    pub fn dup(raw: JSValue) -> Self {
        // SAFETY: the caller's value is alive.
        Self(unsafe { sys::JS_DupValue(context(), raw) })
    }

    /// Takes over what a QuickJS call returned, or the exception that it left.
    #[inline]
    pub fn checked(raw: JSValue) -> Result<Self> {
        // SAFETY: reads the tag only.
        if unsafe { sys::JS_IsException(raw) } {
            return Err(pending());
        }
        Ok(Self(raw))
    }

    #[inline]
    pub fn raw(&self) -> JSValue {
        self.0
    }

    #[inline]
    pub fn into_raw(self) -> JSValue {
        let raw = self.0;
        forget(self);
        raw
    }

    pub fn bool(value: bool) -> Self {
        Self(if value { sys::JS_TRUE } else { sys::JS_FALSE })
    }

    pub fn number(value: f64) -> Self {
        // SAFETY: allocates nothing.
        Self(unsafe { sys::JS_NewNumber(context(), value) })
    }

    pub fn string(text: &str) -> Self {
        // SAFETY: QuickJS copies `len` bytes of valid UTF-8.
        let raw = unsafe { sys::JS_NewStringLen(context(), text.as_ptr().cast(), text.len() as _) };
        Self::checked(raw).unwrap_or(Self::UNDEFINED)
    }

    pub fn option(text: Option<&str>) -> Self {
        text.map_or(Self::UNDEFINED, Self::string)
    }

    pub fn object() -> Self {
        // SAFETY: a plain allocation inside QuickJS.
        Self(unsafe { sys::JS_NewObject(context()) })
    }

    pub fn object_with_prototype(prototype: &Value) -> Self {
        // SAFETY: QuickJS takes its own reference to the prototype.
        Self(unsafe { sys::JS_NewObjectProto(context(), prototype.0) })
    }

    pub fn array(items: impl IntoIterator<Item = Value>) -> Self {
        // SAFETY: a plain allocation; `JS_SetPropertyUint32` takes over each item.
        unsafe {
            let array = Self(sys::JS_NewArray(context()));
            for (index, item) in items.into_iter().enumerate() {
                sys::JS_SetPropertyUint32(context(), array.0, index as u32, item.into_raw());
            }
            array
        }
    }

    pub fn bytes(bytes: &[u8]) -> Result<Self> {
        // SAFETY: QuickJS copies the bytes.
        Self::checked(unsafe { sys::JS_NewUint8ArrayCopy(context(), bytes.as_ptr(), bytes.len() as _) })
    }

    /// A new `Uint8Array` of zeros; where it does not fit, QuickJS's error.
    pub fn zeros(length: u64) -> Result<Self> {
        let mut arguments = [Self::number(length as f64).raw()];
        let kind = sys::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8;
        // SAFETY: a number, which needs no reference.
        Self::checked(unsafe { sys::JS_NewTypedArray(context(), 1, arguments.as_mut_ptr(), kind) })
    }

    pub fn global() -> Self {
        // SAFETY: returns a new reference.
        Self(unsafe { sys::JS_GetGlobalObject(context()) })
    }

    #[inline]
    pub fn is_undefined(&self) -> bool {
        self.0 == sys::JS_UNDEFINED
    }

    pub fn is_nullish(&self) -> bool {
        self.is_undefined() || self.0 == sys::JS_NULL
    }

    #[inline]
    pub fn is_object(&self) -> bool {
        // SAFETY: reads the tag only.
        unsafe { sys::JS_IsObject(self.0) }
    }

    pub fn is_string(&self) -> bool {
        // SAFETY: reads the tag only.
        unsafe { sys::JS_IsString(self.0) }
    }

    pub fn is_function(&self) -> bool {
        // SAFETY: the value is alive.
        unsafe { sys::JS_IsFunction(context(), self.0) }
    }

    pub fn is_error(&self) -> bool {
        // SAFETY: the value is alive.
        unsafe { sys::JS_IsError(self.0) }
    }

    pub fn is_true(&self) -> bool {
        self.0 == sys::JS_TRUE
    }

    pub fn get(&self, name: &str) -> Result<Value> {
        self.get_atom(&Atom::new(name))
    }

    #[inline]
    pub fn get_atom(&self, name: &Atom) -> Result<Value> {
        // SAFETY: value and atom are alive.
        Self::checked(unsafe { sys::JS_GetProperty(context(), self.0, name.0) })
    }

    /// Sets an ordinary property. Fails only where a setter or a proxy of the user's code throws.
    pub fn set(&self, name: &str, value: Value) -> Result<()> {
        let name = Atom::new(name);
        // SAFETY: `JS_SetProperty` takes over the value's reference.
        let answer = unsafe { sys::JS_SetProperty(context(), self.0, name.0, value.into_raw()) };
        if answer < 0 { Err(pending()) } else { Ok(()) }
    }

    /// Defines a property that can be written but is not listed.
    pub fn define_hidden(&self, name: &str, value: Value) -> Result<()> {
        let name = Atom::new(name);
        let flags = (sys::JS_PROP_WRITABLE | sys::JS_PROP_CONFIGURABLE) as c_int;
        // SAFETY: `JS_DefinePropertyValue` takes over the value's reference.
        let answer = unsafe { sys::JS_DefinePropertyValue(context(), self.0, name.0, value.into_raw(), flags) };
        if answer < 0 { Err(pending()) } else { Ok(()) }
    }

    #[inline]
    pub fn call(&self, this: &Value, arguments: &[&Value]) -> Result<Value> {
        // SAFETY: `&Value` is a pointer to a struct of one JSValue, so they are copied into an array of JSValues, which
        // stay borrowed during the call.
        unsafe {
            let mut raw = [sys::JS_UNDEFINED; 8];
            assert!(arguments.len() <= raw.len(), "natives pass few arguments");
            for (slot, argument) in raw.iter_mut().zip(arguments) {
                *slot = argument.0;
            }
            self.call_raw(this, &mut raw[..arguments.len()])
        }
    }

    /// # Safety
    /// The raw values are alive during the call.
    #[inline]
    pub unsafe fn call_raw(&self, this: &Value, arguments: &mut [JSValue]) -> Result<Value> {
        let count = arguments.len() as c_int;
        // SAFETY: the caller keeps the arguments alive, and `self` and `this` are.
        Self::checked(unsafe { sys::JS_Call(context(), self.0, this.0, count, arguments.as_mut_ptr()) })
    }

    /// The value as text; none for undefined and null.
    pub fn optional_text(&self) -> Result<Option<String>> {
        if self.is_nullish() { Ok(None) } else { self.text().map(Some) }
    }

    /// The value as text, as `String(value)` gives it; lone surrogates become U+FFFD.
    pub fn text(&self) -> Result<String> {
        let mut length = 0;
        // SAFETY: the returned bytes live until they are freed, below.
        unsafe {
            let text = sys::JS_ToCStringLen2(context(), &mut length, self.0, false);
            if text.is_null() {
                return Err(pending());
            }
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
            let owned = scalar_values(bytes);
            sys::JS_FreeCString(context(), text);
            Ok(owned)
        }
    }

    /// The UTF-16 units of the value as text, lone surrogates and all.
    pub fn with_units<T>(&self, read: impl FnOnce(&[u16]) -> T) -> Result<T> {
        let mut length = 0;
        // SAFETY: the units live until they are freed, below; `read` runs no JavaScript.
        unsafe {
            let units = sys::JS_ToCStringLenUTF16(context(), &mut length, self.0);
            if units.is_null() {
                return Err(pending());
            }
            let answer = read(std::slice::from_raw_parts(units, length as usize));
            sys::JS_FreeCStringUTF16(context(), units);
            Ok(answer)
        }
    }

    /// The value as one string, in one piece.
    pub fn to_string(&self) -> Result<Self> {
        // SAFETY: the value is alive.
        Self::checked(unsafe { sys::JS_ToString(context(), self.0) })
    }

    /// A string's characters where all are Latin-1's and it is in one piece, without a copy.
    pub fn with_latin1<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut length = 0;
        // SAFETY: the characters live as long as this value; `read` runs no JavaScript.
        unsafe {
            let characters = thimble_latin1(self.0, &mut length);
            if characters.is_null() { None } else { Some(read(std::slice::from_raw_parts(characters, length))) }
        }
    }

    /// A new string of Latin-1's characters, all of which `fill` writes.
    pub fn latin1(length: usize, fill: impl FnOnce(Out<[u8]>)) -> Result<Self> {
        let mut start = std::ptr::NonNull::dangling().as_ptr();
        // SAFETY: QuickJS answers room for `length` characters, which nothing reads before they are written.
        unsafe {
            let text = Self::checked(thimble_new_latin1(context(), length, &mut start))?;
            fill(room(start, length));
            Ok(text)
        }
    }

    /// A new `Uint8Array`, all of whose bytes `fill` writes; none where it answers `false`.
    pub fn filled_bytes(length: usize, fill: impl FnOnce(Out<[u8]>) -> bool) -> Result<Option<Self>> {
        if length == 0 {
            return Self::bytes(&[]).map(Some);
        }
        let mut start = null_mut();
        // SAFETY: as for `latin1`; an array that was not filled is dropped unread.
        unsafe {
            let bytes = Self::checked(thimble_new_bytes(context(), length, &mut start))?;
            Ok(if fill(room(start, length)) { Some(bytes) } else { None })
        }
    }

    /// A string of UTF-16 units.
    pub fn units(units: &[u16]) -> Self {
        // SAFETY: QuickJS copies the units.
        let raw = unsafe { sys::JS_NewStringUTF16(context(), units.as_ptr(), units.len() as _) };
        Self::checked(raw).unwrap_or(Self::UNDEFINED)
    }

    /// A string's text; none for every other kind of value.
    pub fn as_text(&self) -> Option<String> {
        if self.is_string() { self.text().ok() } else { None }
    }

    pub fn to_f64(&self) -> Result<f64> {
        let mut number = 0.0;
        // SAFETY: writes to `number` only.
        match unsafe { sys::JS_ToFloat64(context(), &mut number, self.0) } {
            0 => Ok(number),
            _ => Err(pending()),
        }
    }

    /// The bytes of an `ArrayBuffer` or of a view on one, borrowed until JavaScript runs again.
    pub fn with_bytes<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> Result<T> {
        // SAFETY: QuickJS answers pointer and length of the same live buffer, and `read` runs no JavaScript.
        unsafe {
            let mut length = 0;
            if sys::JS_IsArrayBuffer(self.0) {
                let start = sys::JS_GetArrayBuffer(context(), &mut length, self.0);
                return slice_of(start, 0, length as usize, read);
            }
            let (mut offset, mut size, mut element) = (0, 0, 0);
            if sys::JS_GetTypedArrayType(self.0) >= 0 {
                let buffer = sys::JS_GetTypedArrayBuffer(context(), self.0, &mut offset, &mut size, &mut element);
                let buffer = Value::checked(buffer)?;
                let start = sys::JS_GetArrayBuffer(context(), &mut length, buffer.0);
                return slice_of(start, offset as usize, size as usize, read);
            }
            if sys::JS_IsDataView(self.0) {
                let buffer = self.get("buffer")?;
                let offset = self.get("byteOffset")?.to_f64()? as usize;
                let size = self.get("byteLength")?.to_f64()? as usize;
                let start = sys::JS_GetArrayBuffer(context(), &mut length, buffer.0);
                if offset.saturating_add(size) > length as usize {
                    return Err(Thrown::new("TypeError", "the buffer has shrunk"));
                }
                return slice_of(start, offset, size, read);
            }
        }
        Err(Thrown::new("TypeError", "expected an ArrayBuffer, a typed array or a DataView"))
    }
}

/// # Safety
/// `start` begins `length` bytes that are the caller's alone.
unsafe fn room<'a>(start: *mut u8, length: usize) -> Out<'a, [u8]> {
    // SAFETY: the caller's promise.
    Out::from_uninit_slice(unsafe { std::slice::from_raw_parts_mut(start.cast(), length) })
}

/// # Safety
/// `start + offset` begins `size` bytes that nothing else reads or writes during `read`; or `start` is null.
unsafe fn slice_of<T>(start: *mut u8, offset: usize, size: usize, read: impl FnOnce(&mut [u8]) -> T) -> Result<T> {
    if start.is_null() || size == 0 {
        // An empty buffer has no address; a detached one left an exception behind that says nothing more.
        drop(pending());
        return Ok(read(&mut []));
    }
    // SAFETY: the caller's promise.
    Ok(read(unsafe { std::slice::from_raw_parts_mut(start.add(offset), size) }))
}

/// What QuickJS gives as UTF-8 has lone surrogates in it, encoded like any code point: each becomes one U+FFFD.
fn scalar_values(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(2) {
        if bytes[at] == 0xed && bytes[at + 1] >= 0xa0 {
            bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Thrown {
    /// A new error of one of the standard classes.
    pub fn new(class: &str, message: &str) -> Self {
        let error = Value::global()
            .get(class)
            .and_then(|constructor| {
                let message = Value::string(message);
                let mut arguments = [message.raw()];
                // SAFETY: the message outlives the call.
                Value::checked(unsafe { sys::JS_CallConstructor(context(), constructor.0, 1, arguments.as_mut_ptr()) })
            })
            .unwrap_or_else(|thrown| thrown.0);
        Self(error)
    }

    pub fn with(self, property: &str, value: &str) -> Self {
        // A fresh error takes any property; where it does not, the error itself still says enough.
        let _ = self.0.set(property, Value::string(value));
        self
    }

    /// Hands the exception back to QuickJS, as the result of a native function.
    pub fn throw(self) -> JSValue {
        // SAFETY: `JS_Throw` takes over the reference.
        unsafe { sys::JS_Throw(context(), self.0.into_raw()) }
    }
}

/// Takes the exception that a failed call left.
pub fn pending() -> Thrown {
    // SAFETY: returns undefined-like where there is none.
    Thrown(Value(unsafe { sys::JS_GetException(context()) }))
}

/// An interned property name.
pub struct Atom(pub JSAtom);

impl Atom {
    pub fn new(name: &str) -> Self {
        // SAFETY: QuickJS copies the text.
        Self(unsafe { sys::JS_NewAtomLen(context(), name.as_ptr().cast(), name.len() as _) })
    }
}

impl Drop for Atom {
    fn drop(&mut self) {
        // SAFETY: an `Atom` owns the reference that it gives back here.
        unsafe { sys::JS_FreeAtom(context(), self.0) }
    }
}

/// What is compiled.
#[derive(Clone, Copy)]
pub enum Goal {
    Script,
    /// A script in which `await` may stand at the top level.
    AsyncScript,
    Module,
}

/// Compiles without running. `line` is the number of the first line; zero cannot be asked for.
pub fn compile(code: &str, file: &str, line: i32, goal: Goal) -> Result<Value> {
    let length = code.len();
    // QuickJS reads a zero byte behind the end.
    let mut text = Vec::with_capacity(length + 1);
    text.extend_from_slice(code.as_bytes());
    text.push(0);
    let file = CString::new(file.replace('\0', "")).unwrap_or_default();
    let flags = sys::JS_EVAL_FLAG_COMPILE_ONLY
        | match goal {
            Goal::Script => sys::JS_EVAL_TYPE_GLOBAL,
            Goal::AsyncScript => sys::JS_EVAL_TYPE_GLOBAL | sys::JS_EVAL_FLAG_ASYNC,
            Goal::Module => sys::JS_EVAL_TYPE_MODULE,
        };
    let mut options = sys::JSEvalOptions {
        version: sys::JS_EVAL_OPTIONS_VERSION as c_int,
        eval_flags: flags as c_int,
        filename: file.as_ptr(),
        line_num: line,
    };
    // SAFETY: text and file name live through the call, which copies what it keeps.
    Value::checked(unsafe { sys::JS_Eval2(context(), text.as_ptr().cast(), length as _, &mut options) })
}

/// Runs what was compiled: a script's value, or a module's promise.
pub fn run(compiled: Value) -> Result<Value> {
    // SAFETY: `JS_EvalFunction` takes over the reference.
    Value::checked(unsafe { sys::JS_EvalFunction(context(), compiled.into_raw()) })
}

/// What was compiled, as bytes: code without its source, with the places that stacks show.
pub fn bytecode(compiled: &Value) -> Result<Vec<u8>> {
    let mut length = 0;
    let flags = (sys::JS_WRITE_OBJ_BYTECODE | sys::JS_WRITE_OBJ_STRIP_SOURCE) as c_int;
    // SAFETY: QuickJS answers a block of that length, which is copied and given back.
    unsafe {
        let bytes = sys::JS_WriteObject(context(), &mut length, compiled.0, flags);
        if bytes.is_null() {
            return Err(pending());
        }
        let copy = std::slice::from_raw_parts(bytes, length as usize).to_vec();
        sys::js_free(context(), bytes.cast());
        Ok(copy)
    }
}

/// What [`bytecode`] made, compiled again. Never to be given bytes of anybody else: QuickJS trusts them.
pub fn from_bytecode(bytes: &'static [u8]) -> Result<Value> {
    // SAFETY: the bytes are ours and live for good.
    Value::checked(unsafe {
        sys::JS_ReadObject(context(), bytes.as_ptr(), bytes.len() as _, sys::JS_READ_OBJ_BYTECODE as c_int)
    })
}

/// The exports of a compiled module that has run.
pub fn namespace(module: &Value) -> Result<Value> {
    // SAFETY: the caller compiled this value as a module, so it points to a module definition.
    Value::checked(unsafe { sys::JS_GetModuleNamespace(context(), definition(module)) })
}

/// What QuickJS knows a compiled module by.
pub fn definition(module: &Value) -> *mut sys::JSModuleDef {
    // SAFETY: reads the pointer only; the caller compiled this value as a module.
    unsafe { sys::JS_VALUE_GET_PTR(module.0).cast() }
}

/// The texts of an array.
pub fn texts(array: &Value) -> Result<Vec<String>> {
    let length = array.get("length")?.to_f64()? as usize;
    (0..length).map(|index| array.get(&index.to_string()).and_then(|item| item.text())).collect()
}

/// The name that a module was asked for by.
///
/// # Safety
/// The definition is one that QuickJS passes.
pub unsafe fn module_name(definition: *mut sys::JSModuleDef) -> Result<String> {
    // SAFETY: the caller's promise; the answered atom is owned from here.
    unsafe {
        let name = Atom(sys::JS_GetModuleName(context(), definition));
        Value::checked(sys::JS_AtomToString(context(), name.0)).and_then(|name| name.text())
    }
}

/// The own enumerable string keys of an object.
pub fn keys(object: &Value) -> Result<Vec<String>> {
    let mut table = null_mut();
    let mut count = 0;
    let flags = (sys::JS_GPN_STRING_MASK | sys::JS_GPN_ENUM_ONLY) as c_int;
    // SAFETY: QuickJS fills table and count together; both are freed below.
    unsafe {
        if sys::JS_GetOwnPropertyNames(context(), &mut table, &mut count, object.0, flags) < 0 {
            return Err(pending());
        }
        let names = (0..count as usize)
            .map(|index| {
                let atom = (*table.add(index)).atom;
                Value::checked(sys::JS_AtomToString(context(), atom)).and_then(|name| name.text())
            })
            .collect();
        sys::JS_FreePropertyEnum(context(), table, count);
        names
    }
}

/// The text behind a C string that QuickJS owns.
///
/// # Safety
/// `text` ends with a zero byte and lives as long as the answer is used.
pub unsafe fn c_text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

pub type Opaque = *mut c_void;
