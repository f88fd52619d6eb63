//! Rust values that JavaScript holds: state between two calls of a native, dropped when the collector finds nobody to want it.

use std::any::Any;
use std::cell::Cell;

use crate::js::{self, Result, Thrown, Value, context, sys};

thread_local! {
    static CLASS: Cell<sys::JSClassID> = const { Cell::new(0) };
}

/// Registers the class. Called once, at boot.
pub fn start() {
    let definition = sys::JSClassDef {
        class_name: c"Native".as_ptr(),
        finalizer: Some(finalize),
        gc_mark: None,
        call: None,
        exotic: std::ptr::null_mut(),
    };
    let mut class = 0;
    // SAFETY: the definition is copied; its name is static.
    unsafe {
        sys::JS_NewClassID(js::runtime(), &mut class);
        sys::JS_NewClass(js::runtime(), class, &definition);
    }
    CLASS.set(class);
}

/// An object without properties that owns the value.
pub fn wrap<T: Any>(value: T) -> Result<Value> {
    let boxed: Box<Box<dyn Any>> = Box::new(Box::new(value));
    // SAFETY: the object takes over the box, which `finalize` gives back.
    unsafe {
        let object = Value::checked(sys::JS_NewObjectProtoClass(context(), sys::JS_NULL, CLASS.get()))?;
        sys::JS_SetOpaque(object.raw(), Box::into_raw(boxed).cast());
        Ok(object)
    }
}

/// Lends the value that such an object owns. `use_it` runs no JavaScript.
pub fn with<T: Any, R>(object: &Value, use_it: impl FnOnce(&mut T) -> R) -> Result<R> {
    // SAFETY: objects of this class hold a box that `wrap` made, and one thread runs.
    let inner = unsafe {
        let pointer: *mut Box<dyn Any> = sys::JS_GetOpaque(object.raw(), CLASS.get()).cast();
        pointer.as_mut().and_then(|inner| inner.downcast_mut())
    };
    inner.map(use_it).ok_or_else(|| Thrown::new("TypeError", "this is not what the native made"))
}

unsafe extern "C" fn finalize(_: *mut sys::JSRuntime, object: sys::JSValue) {
    // SAFETY: QuickJS finalises each object once; the box is as `wrap` made it.
    unsafe {
        let pointer: *mut Box<dyn Any> = sys::JS_GetOpaque(object, CLASS.get()).cast();
        if !pointer.is_null() {
            drop(Box::from_raw(pointer));
        }
    }
}
