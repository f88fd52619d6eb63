//! The one module that can be imported: "thimble", the host API.

use std::ffi::c_char;
use std::ptr::null_mut;

use crate::js::{self, Opaque, Thrown, Value, context, sys};
use crate::natives;

const NAME: &str = "thimble";

pub fn start() {
    // SAFETY: the loader has the type that QuickJS asks for and needs no opaque pointer.
    unsafe { sys::JS_SetModuleLoaderFunc(js::runtime(), Some(keep_name), Some(load), null_mut()) }
}

/// The error for a package or built-in module that is not there.
pub fn not_found(name: &str) -> Thrown {
    let message = format!(
        "Cannot find module '{name}': packages and Node's built-in modules are not available in this version; \
         only \"{NAME}\" can be imported"
    );
    Thrown::new("Error", &message).with("code", "MODULE_NOT_FOUND")
}

/// `require(name)`.
pub fn require(name: &str) -> js::Result<Value> {
    if name == NAME { natives::internal("thimble") } else { Err(not_found(name)) }
}

/// Module names are taken as they are written: nothing is relative to anything.
unsafe extern "C" fn keep_name(
    context: *mut sys::JSContext,
    _: *const c_char,
    name: *const c_char,
    _: Opaque,
) -> *mut c_char {
    // SAFETY: QuickJS frees the copy with its own allocator.
    unsafe { sys::js_strdup(context, name) }
}

unsafe extern "C" fn load(context: *mut sys::JSContext, name: *const c_char, _: Opaque) -> *mut sys::JSModuleDef {
    // SAFETY: QuickJS passes a text that ends with a zero byte.
    let text = unsafe { js::c_text(name) };
    if text != NAME {
        not_found(&text).throw();
        return null_mut();
    }
    // SAFETY: name and initialiser live as long as they are used; exports are declared before instantiation.
    unsafe {
        let module = sys::JS_NewCModule(context, name, Some(fill));
        if !module.is_null() {
            sys::JS_AddModuleExport(context, module, c"default".as_ptr());
            for export in exports() {
                if let Ok(export) = std::ffi::CString::new(export) {
                    sys::JS_AddModuleExport(context, module, export.as_ptr());
                }
            }
        }
        module
    }
}

fn exports() -> Vec<String> {
    natives::internal("thimble").and_then(|thimble| js::keys(&thimble)).unwrap_or_default()
}

unsafe extern "C" fn fill(_: *mut sys::JSContext, module: *mut sys::JSModuleDef) -> i32 {
    let Ok(thimble) = natives::internal("thimble") else {
        return -1;
    };
    // SAFETY: the exports were declared by `load`; each value is handed over.
    unsafe {
        for name in exports() {
            let value = thimble.get(&name).unwrap_or(Value::UNDEFINED);
            if let Ok(name) = std::ffi::CString::new(name) {
                sys::JS_SetModuleExport(context(), module, name.as_ptr(), value.into_raw());
            }
        }
        sys::JS_SetModuleExport(context(), module, c"default".as_ptr(), thimble.into_raw())
    }
}
