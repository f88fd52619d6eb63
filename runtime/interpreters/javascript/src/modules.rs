//! The modules that can be imported: "thimble", the host API, and those of Node that the library has.

use std::ffi::{CString, c_char};
use std::ptr::null_mut;

use crate::js::{self, Opaque, Thrown, Value, context, sys};
use crate::{library, natives};

pub fn start() {
    // SAFETY: the loader has the type that QuickJS asks for and needs no opaque pointer.
    unsafe { sys::JS_SetModuleLoaderFunc(js::runtime(), Some(keep_name), Some(load), null_mut()) }
}

/// A module by its name; none where there is no such module.
fn find(name: &str) -> Option<js::Result<Value>> {
    match name {
        // What is behind the globals is not an interface.
        name if name.starts_with("thimble:") => None,
        "thimble" => Some(natives::internal("thimble")),
        name => library::find(name),
    }
}

/// The error for a package or built-in module that is not there.
pub fn not_found(name: &str) -> Thrown {
    let message = format!(
        "Cannot find module '{name}': packages are not available in this version; \"thimble\" and most of Node's \
         built-in modules can be imported"
    );
    Thrown::new("Error", &message).with("code", "MODULE_NOT_FOUND")
}

/// `require(name)`.
pub fn require(name: &str) -> js::Result<Value> {
    find(name).unwrap_or_else(|| Err(not_found(name)))
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
    let exports = match require(&text).and_then(|module| js::keys(&module)) {
        Ok(exports) => exports,
        Err(thrown) => {
            thrown.throw();
            return null_mut();
        }
    };
    // SAFETY: name and initialiser live as long as they are used; exports are declared before instantiation.
    unsafe {
        let module = sys::JS_NewCModule(context, name, Some(fill));
        if !module.is_null() {
            sys::JS_AddModuleExport(context, module, c"default".as_ptr());
            for export in exports {
                if let Ok(export) = CString::new(export) {
                    sys::JS_AddModuleExport(context, module, export.as_ptr());
                }
            }
        }
        module
    }
}

unsafe extern "C" fn fill(_: *mut sys::JSContext, definition: *mut sys::JSModuleDef) -> i32 {
    // SAFETY: QuickJS passes a definition that `load` made.
    let module = unsafe { js::module_name(definition) }.and_then(|name| require(&name));
    let (module, exports) = match module.and_then(|module| js::keys(&module).map(|exports| (module, exports))) {
        Ok(found) => found,
        Err(thrown) => {
            thrown.throw();
            return -1;
        }
    };
    // SAFETY: the exports were declared by `load`; each value is handed over.
    unsafe {
        for name in exports {
            let value = module.get(&name).unwrap_or(Value::UNDEFINED);
            if let Ok(name) = CString::new(name) {
                sys::JS_SetModuleExport(context(), definition, name.as_ptr(), value.into_raw());
            }
        }
        sys::JS_SetModuleExport(context(), definition, c"default".as_ptr(), module.into_raw())
    }
}
