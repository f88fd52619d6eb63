//! Results to JSON text, strictly: what JSON cannot hold is a failure that names its place, not a silent `null`.
//!
//! `undefined` alone is `null`, an undefined property is left out, and `toJSON` is honoured, all as in `JSON.stringify`.

use std::cell::OnceCell;
use std::ptr::null_mut;

use crate::js::{Thrown, Value, context, pending, sys};

/// Deeper than any result that is meant, shallow enough for the stack.
const MAX_DEPTH: usize = 500;

/// Why a value has no JSON text.
pub enum Refused {
    /// A getter or `toJSON` of the user's code threw.
    Thrown(Thrown),
    /// What JSON cannot hold, where it was found, and what to do.
    NotJson(String),
}

impl From<Thrown> for Refused {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

thread_local! {
    static CLASSES: OnceCell<Classes> = const { OnceCell::new() };
}

/// Which internal classes are refused, and which are boxes around a primitive value.
struct Classes {
    refused: Vec<(u32, &'static str)>,
    boxes: Vec<u32>,
    plain: u32,
}

/// Notes the class numbers while the standard library is still as QuickJS made it.
pub fn start(sample: impl Fn(&str) -> Value) {
    // SAFETY: reads the class of a live value.
    let class = |expression| unsafe { sys::JS_GetClassID(sample(expression).raw()) };
    let refused = [
        ("new Map", "a Map"),
        ("new Set", "a Set"),
        ("new WeakMap", "a WeakMap"),
        ("new WeakSet", "a WeakSet"),
        ("new WeakRef({})", "a WeakRef"),
        ("Promise.resolve()", "a Promise that is not awaited"),
        ("new ArrayBuffer(1)", "an ArrayBuffer"),
        ("new SharedArrayBuffer(1)", "a SharedArrayBuffer"),
        ("new DataView(new ArrayBuffer(1))", "a DataView"),
        ("new Uint8Array", "a Uint8Array"),
        ("new Uint8ClampedArray", "a Uint8ClampedArray"),
        ("new Int8Array", "an Int8Array"),
        ("new Uint16Array", "a Uint16Array"),
        ("new Int16Array", "an Int16Array"),
        ("new Uint32Array", "a Uint32Array"),
        ("new Int32Array", "an Int32Array"),
        ("new Float32Array", "a Float32Array"),
        ("new Float64Array", "a Float64Array"),
        ("new BigInt64Array", "a BigInt64Array"),
        ("new BigUint64Array", "a BigUint64Array"),
        ("(function*(){})()", "a generator"),
        ("(async function*(){})()", "an async generator"),
    ];
    let boxes = ["new Number(1)", "new String('')", "new Boolean(true)", "Object(1n)", "Object(Symbol())"];
    let classes = Classes {
        refused: refused.map(|(expression, name)| (class(expression), name)).into(),
        boxes: boxes.map(class).into(),
        plain: class("({})"),
    };
    CLASSES.with(|cell| {
        let _ = cell.set(classes);
    });
}

/// The JSON text of a whole value. `what` names it in messages: "the result".
pub fn stringify(value: &Value, what: &'static str) -> Result<String, Refused> {
    let mut writer = Writer { out: String::new(), path: Vec::new(), parents: Vec::new(), what };
    if value.is_undefined() {
        writer.out.push_str("null");
    } else {
        writer.value(value.raw(), Step::Root)?;
    }
    Ok(writer.out)
}

#[derive(Clone, Copy)]
enum Step {
    Root,
    Index(u32),
    Key(sys::JSAtom),
}

struct Writer {
    out: String,
    path: Vec<Step>,
    parents: Vec<*mut std::ffi::c_void>,
    what: &'static str,
}

impl Writer {
    /// Writes a value that the caller keeps alive.
    fn value(&mut self, raw: sys::JSValue, step: Step) -> Result<(), Refused> {
        // SAFETY: reads tags and the numbers behind them.
        unsafe {
            match sys::JS_VALUE_GET_NORM_TAG(raw) {
                sys::JS_TAG_STRING | sys::JS_TAG_STRING_ROPE => return self.string(raw),
                sys::JS_TAG_INT => {
                    self.integer(sys::JS_VALUE_GET_INT(raw));
                    return Ok(());
                }
                sys::JS_TAG_BOOL => {
                    self.out.push_str(if sys::JS_VALUE_GET_BOOL(raw) { "true" } else { "false" });
                    return Ok(());
                }
                sys::JS_TAG_NULL => {
                    self.out.push_str("null");
                    return Ok(());
                }
                sys::JS_TAG_FLOAT64 => return self.float(sys::JS_VALUE_GET_FLOAT64(raw), raw, step),
                sys::JS_TAG_OBJECT => {}
                sys::JS_TAG_UNDEFINED => {
                    return self.refuse(step, "undefined", "leave it out or use null");
                }
                sys::JS_TAG_SYMBOL => return self.refuse(step, "a symbol", "use a string"),
                _ => {
                    return self.refuse(step, "a BigInt", "convert it by Number() or String()");
                }
            }
        }
        self.path.push(step);
        self.object(raw)?;
        self.path.pop();
        Ok(())
    }

    fn object(&mut self, raw: sys::JSValue) -> Result<(), Refused> {
        // SAFETY: the caller keeps the object alive.
        let to_json =
            Value::checked(unsafe { sys::JS_GetProperty(context(), raw, sys::JS_ATOM_toJSON as sys::JSAtom) })?;
        if to_json.is_function() {
            return self.converted(raw, &to_json);
        }
        self.walk(raw)
    }

    /// Writes an object as it is, without asking its `toJSON`.
    fn walk(&mut self, raw: sys::JSValue) -> Result<(), Refused> {
        // SAFETY: the caller keeps the object alive.
        let (class, pointer, is_function) =
            unsafe { (sys::JS_GetClassID(raw), sys::JS_VALUE_GET_PTR(raw), sys::JS_IsFunction(context(), raw)) };
        if is_function {
            return self.refuse_here("a function", "return what it gives instead");
        }
        let (plain, boxed, refused) = CLASSES.with(|classes| {
            classes.get().map_or((true, false, None), |classes| {
                let refused = classes.refused.iter().find(|(refused, _)| *refused == class);
                (class == classes.plain, classes.boxes.contains(&class), refused.map(|found| found.1))
            })
        });
        if !plain {
            if let Some(name) = refused {
                let advice = match name {
                    "a Map" => "use Object.fromEntries(map)",
                    "a Set" => "use [...set]",
                    "a Promise that is not awaited" => "await it first",
                    _ => "convert it to an array, an object or a string",
                };
                return self.refuse_here(name, advice);
            }
            if boxed {
                let primitive = Value::dup(raw).get("valueOf")?.call(&Value::dup(raw), &[])?;
                if primitive.is_object() {
                    return self.refuse_here("a boxed value", "use the plain value");
                }
                return self.in_place(&primitive);
            }
        }
        if self.parents.contains(&pointer) {
            return self.refuse_here("a cycle (an object that holds itself)", "break it");
        }
        if self.parents.len() >= MAX_DEPTH {
            return self.refuse_here("more than 500 levels", "make it flatter");
        }
        self.parents.push(pointer);
        // SAFETY: the object is alive.
        if unsafe { is_array(raw) } {
            self.array(raw)?
        } else {
            self.properties(raw)?
        }
        self.parents.pop();
        Ok(())
    }

    fn converted(&mut self, raw: sys::JSValue, to_json: &Value) -> Result<(), Refused> {
        let key = match self.path.last() {
            Some(Step::Index(index)) => Value::string(&index.to_string()),
            // SAFETY: the atom is alive while its object is walked.
            Some(Step::Key(atom)) => Value::checked(unsafe { sys::JS_AtomToString(context(), *atom) })?,
            _ => Value::string(""),
        };
        let converted = to_json.call(&Value::dup(raw), &[&key])?;
        if converted.is_object() {
            return self.walk(converted.raw());
        }
        if converted.is_undefined() {
            return self.refuse_here("a toJSON() that answers undefined", "answer null");
        }
        self.in_place(&converted)
    }

    /// Writes a primitive value in place of the object that the path ends with.
    fn in_place(&mut self, primitive: &Value) -> Result<(), Refused> {
        let step = self.path.pop().unwrap_or(Step::Root);
        let result = self.value(primitive.raw(), step);
        if result.is_ok() {
            self.path.push(step);
        }
        result
    }

    fn array(&mut self, raw: sys::JSValue) -> Result<(), Refused> {
        let mut length = 0;
        // SAFETY: the array is alive.
        if unsafe { sys::JS_GetLength(context(), raw, &mut length) } < 0 {
            return Err(pending().into());
        }
        self.out.push('[');
        for index in 0..length.clamp(0, i64::from(u32::MAX)) as u32 {
            if index > 0 {
                self.out.push(',');
            }
            // SAFETY: the array is alive; the item is owned until the end of the round.
            let item = Value::checked(unsafe { sys::JS_GetPropertyUint32(context(), raw, index) })?;
            self.value(item.raw(), Step::Index(index))?;
        }
        self.out.push(']');
        Ok(())
    }

    fn properties(&mut self, raw: sys::JSValue) -> Result<(), Refused> {
        let table = Properties::of(raw)?;
        self.out.push('{');
        let mut first = true;
        for index in 0..table.count {
            let atom = table.atom(index);
            // SAFETY: object and atom are alive; the value is owned until the end of the round.
            let value = Value::checked(unsafe { sys::JS_GetProperty(context(), raw, atom) })?;
            if value.is_undefined() {
                continue;
            }
            if !first {
                self.out.push(',');
            }
            first = false;
            // SAFETY: the atom is alive.
            let key = Value::checked(unsafe { sys::JS_AtomToString(context(), atom) })?;
            self.string(key.raw())?;
            self.out.push(':');
            self.value(value.raw(), Step::Key(atom))?;
        }
        self.out.push('}');
        Ok(())
    }

    fn integer(&mut self, value: i32) {
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            self.out.push('-');
        }
        self.out.extend(digits[at..].iter().map(|&digit| digit as char));
    }

    fn float(&mut self, number: f64, raw: sys::JSValue, step: Step) -> Result<(), Refused> {
        if !number.is_finite() {
            let name = match number {
                number if number.is_nan() => "NaN",
                number if number > 0.0 => "Infinity",
                _ => "-Infinity",
            };
            return self.refuse(step, name, "use null or a string");
        }
        if number == 0.0 {
            self.out.push('0');
            return Ok(());
        }
        // JavaScript's own shortest form.
        self.out.push_str(&Value::dup(raw).text()?);
        Ok(())
    }

    fn string(&mut self, raw: sys::JSValue) -> Result<(), Refused> {
        let mut length = 0;
        // SAFETY: the bytes live until they are freed.
        unsafe {
            let text = sys::JS_ToCStringLen2(context(), &mut length, raw, false);
            if text.is_null() {
                return Err(pending().into());
            }
            quote(&mut self.out, std::slice::from_raw_parts(text.cast(), length as usize));
            sys::JS_FreeCString(context(), text);
        }
        Ok(())
    }

    fn refuse<T>(&mut self, step: Step, found: &str, advice: &str) -> Result<T, Refused> {
        self.path.push(step);
        self.refuse_here(found, advice)
    }

    fn refuse_here<T>(&self, found: &str, advice: &str) -> Result<T, Refused> {
        let mut path = "$".to_owned();
        for step in &self.path {
            match step {
                Step::Root => {}
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Key(atom) => {
                    // SAFETY: the atoms of the path belong to objects that are being walked.
                    let key = unsafe { sys::JS_AtomToString(context(), *atom) };
                    let key = Value::own(key).text().unwrap_or_default();
                    if is_identifier(&key) {
                        path.push('.');
                        path.push_str(&key);
                    } else {
                        path.push('[');
                        quote(&mut path, key.as_bytes());
                        path.push(']');
                    }
                }
            }
        }
        let what = self.what;
        Err(Refused::NotJson(format!("{what} holds {found} at {path}, which JSON cannot hold: {advice}")))
    }
}

/// The own enumerable string properties of an object, given back when dropped.
struct Properties {
    table: *mut sys::JSPropertyEnum,
    count: u32,
}

impl Properties {
    fn of(raw: sys::JSValue) -> Result<Self, Thrown> {
        let (mut table, mut count) = (null_mut(), 0);
        let flags = (sys::JS_GPN_STRING_MASK | sys::JS_GPN_ENUM_ONLY) as i32;
        // SAFETY: QuickJS fills table and count together.
        match unsafe { sys::JS_GetOwnPropertyNames(context(), &mut table, &mut count, raw, flags) } {
            0 => Ok(Self { table, count }),
            _ => Err(pending()),
        }
    }

    fn atom(&self, index: u32) -> sys::JSAtom {
        // SAFETY: the caller stays below `count`.
        unsafe { (*self.table.add(index as usize)).atom }
    }
}

impl Drop for Properties {
    fn drop(&mut self) {
        // SAFETY: table and count are as QuickJS gave them.
        unsafe { sys::JS_FreePropertyEnum(context(), self.table, self.count) }
    }
}

/// Whether the object is an array, or a proxy of one.
///
/// # Safety
/// The object is alive.
unsafe fn is_array(mut raw: sys::JSValue) -> bool {
    // SAFETY: the caller's promise; a proxy keeps its target alive, so the reference that is given back at once was not
    // the last one.
    unsafe {
        while sys::JS_IsProxy(raw) {
            let target = sys::JS_GetProxyTarget(context(), raw);
            raw = target;
            sys::JS_FreeValue(context(), target);
        }
        sys::JS_IsArray(raw)
    }
}

pub fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$'))
        && characters.all(|other| other.is_alphanumeric() || matches!(other, '_' | '$'))
}

/// Writes UTF-8 text in quotes; a lone surrogate, which QuickJS encodes like any code point, becomes an escape.
fn quote(out: &mut String, bytes: &[u8]) {
    out.push('"');
    let mut from = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (escape, width) = match byte {
            b'"' => ("\\\"".to_owned(), 1),
            b'\\' => ("\\\\".to_owned(), 1),
            b'\n' => ("\\n".to_owned(), 1),
            b'\r' => ("\\r".to_owned(), 1),
            b'\t' => ("\\t".to_owned(), 1),
            0x08 => ("\\b".to_owned(), 1),
            0x0c => ("\\f".to_owned(), 1),
            0..0x20 => (format!("\\u{byte:04x}"), 1),
            0xed if bytes.get(at + 1).is_some_and(|&next| next >= 0xa0) => {
                let second = u32::from(bytes[at + 1] & 0x3f);
                let third = u32::from(bytes.get(at + 2).copied().unwrap_or(0x80) & 0x3f);
                (format!("\\u{:04x}", 0xd000 | second << 6 | third), 3)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        push_bytes(out, &bytes[from..at]);
        out.push_str(&escape);
        at = (at + width).min(bytes.len());
        from = at;
    }
    push_bytes(out, &bytes[from..]);
    out.push('"');
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(bytes)),
    }
}
