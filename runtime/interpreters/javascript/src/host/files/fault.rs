//! Errors of `fs` in Node's words: code, number, text, system call and paths.

use crate::bindings::wasi::filesystem::types::ErrorCode;
use crate::js::{self, Thrown, Value};
use crate::natives::Arguments;

pub type Outcome<T> = Result<T, Fault>;

/// Why something was not done.
pub enum Fault {
    Host(ErrorCode),
    /// It would write outside of `/tmp`.
    Outside,
    /// It would write while the top level runs.
    Loading,
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Host(code)
    }
}

/// What is done and to what: the system call that Node names in errors, and the paths as they were written.
pub struct Subject {
    pub syscall: &'static str,
    pub path: String,
    to: Option<String>,
}

impl Subject {
    pub fn new(syscall: &'static str, arguments: &Arguments) -> js::Result<Self> {
        Ok(Self { syscall, path: arguments.text(0)?, to: None })
    }

    /// Something that is done for the module loader.
    pub fn of(syscall: &'static str, path: &str) -> Self {
        Self { syscall, path: path.to_owned(), to: None }
    }

    pub fn with_two(syscall: &'static str, arguments: &Arguments) -> js::Result<Self> {
        Ok(Self { syscall, path: arguments.text(0)?, to: Some(arguments.text(1)?) })
    }

    /// The second path.
    pub fn to(&self) -> &str {
        self.to.as_deref().unwrap_or_default()
    }

    /// The error as Node has it.
    pub fn error(&self, fault: Fault) -> Thrown {
        let (code, number, text) = match fault {
            Fault::Host(code) => described(code),
            Fault::Outside => ("EROFS", 30, "read-only file system: only /tmp can be written"),
            Fault::Loading => (
                "EROFS",
                30,
                "read-only file system: /tmp cannot be written while the top level runs, since it is emptied before \
                 each invocation; write inside the handler",
            ),
        };
        let Self { syscall, path, to } = self;
        let mut message = format!("{code}: {text}, {syscall} '{path}'");
        if let Some(to) = to {
            message.push_str(&format!(" -> '{to}'"));
        }
        let mut error = Thrown::new("Error", &message);
        // A fresh error takes any property.
        let _ = error.0.set("errno", Value::number(-f64::from(number)));
        error = error.with("code", code).with("syscall", syscall).with("path", path);
        match to {
            Some(to) => error.with("dest", to),
            None => error,
        }
    }

    pub fn answer(&self, outcome: Outcome<Value>) -> js::Result<Value> {
        outcome.map_err(|fault| self.error(fault))
    }

    pub fn done(&self, outcome: Outcome<()>) -> js::Result<Value> {
        self.answer(outcome.map(|()| Value::UNDEFINED))
    }
}

/// Name, Linux number and text of an error.
fn described(code: ErrorCode) -> (&'static str, u8, &'static str) {
    match code {
        ErrorCode::Access => ("EACCES", 13, "permission denied"),
        ErrorCode::BadDescriptor => ("EBADF", 9, "bad file descriptor"),
        ErrorCode::Busy => ("EBUSY", 16, "resource busy or locked"),
        ErrorCode::CrossDevice => ("EXDEV", 18, "cross-device link not permitted"),
        ErrorCode::Exist => ("EEXIST", 17, "file already exists"),
        ErrorCode::FileTooLarge => ("EFBIG", 27, "file too large"),
        ErrorCode::IllegalByteSequence => ("EILSEQ", 84, "illegal byte sequence"),
        ErrorCode::InsufficientMemory => ("ENOMEM", 12, "not enough memory"),
        ErrorCode::InsufficientSpace => ("ENOSPC", 28, "no space left on device"),
        ErrorCode::Invalid => ("EINVAL", 22, "invalid argument"),
        ErrorCode::IsDirectory => ("EISDIR", 21, "illegal operation on a directory"),
        ErrorCode::Loop => ("ELOOP", 40, "too many symbolic links encountered"),
        ErrorCode::NameTooLong => ("ENAMETOOLONG", 36, "name too long"),
        ErrorCode::NoEntry => ("ENOENT", 2, "no such file or directory"),
        ErrorCode::NotDirectory => ("ENOTDIR", 20, "not a directory"),
        ErrorCode::NotEmpty => ("ENOTEMPTY", 39, "directory not empty"),
        ErrorCode::NotPermitted => ("EPERM", 1, "operation not permitted"),
        ErrorCode::Overflow => ("EOVERFLOW", 75, "value too large for defined data type"),
        ErrorCode::Quota => ("EMFILE", 24, "too many open files"),
        ErrorCode::ReadOnly => ("EROFS", 30, "read-only file system"),
        ErrorCode::Unsupported => ("ENOTSUP", 95, "operation not supported"),
        _ => ("EIO", 5, "i/o error"),
    }
}
