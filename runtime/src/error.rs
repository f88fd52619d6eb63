//! From a stage's error to what a caller reads: status, code, text, and whose fault it is. The one place that knows both.

use crate::auth::AuthError;
use crate::context::milliseconds;
use crate::deployment::AssembleError;
use crate::deployment::layers::LayerError;
use crate::deployment::spec::SpecError;
use crate::deployment::typescript::TranslateError;
use crate::deployment::upload::UploadError;
use crate::engine::compiler::CompileError;
use crate::host_api::log::Log;
use crate::instance::StartError;
use crate::instance::failure::{Failure, FailureKind, Misfit};
use crate::invoke::event::AnswerError;
use crate::packages::{Fault, Problem, python};
use crate::routing::RoutingError;
use crate::store::StoreError;
use crate::workspace::admission::AdmissionError;
use crate::workspace::registry::RegistryError;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// A request that is answered with an error.
#[derive(Debug)]
pub struct RequestError {
    pub status: StatusCode,
    /// For programs: stable.
    pub code: &'static str,
    /// For people: what was wrong, where, and what to do about it.
    pub message: String,
    pub details: Option<Value>,
    pub retry_after: Option<Duration>,
}

impl RequestError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, retry_after: None }
    }

    /// Ours: the caller reads the id to report, the server's log has the rest.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        let id = uuid::Uuid::now_v7();
        let mut causes = String::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        tracing::error!(incident = %id, "{error}{causes}");
        let message = format!("the server failed; its log has the reason under the incident {id}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The answer, with what the function had printed by then and how long it took.
    pub fn respond(&self, log: Option<&Log>, took: Duration) -> Response<Bytes> {
        #[derive(Serialize)]
        struct Shown<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Value>,
        }
        let shown = Shown { code: self.code, message: &self.message, details: self.details.as_ref() };
        let mut body = br#"{"error":"#.to_vec();
        serde_json::to_writer(&mut body, &shown).expect("strings can always be written to memory");
        body.extend_from_slice(br#","logs":"#);
        match log {
            Some(log) => log.append_json(&mut body),
            None => body.extend_from_slice(b"[]"),
        }
        body.extend_from_slice(format!(r#","duration":{}}}"#, milliseconds(took)).as_bytes());
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AuthError> for RequestError {
    fn from(error: AuthError) -> Self {
        let (status, code) = match &error {
            AuthError::Missing | AuthError::Unknown => (StatusCode::UNAUTHORIZED, "unauthorized"),
            AuthError::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<RoutingError> for RequestError {
    fn from(error: RoutingError) -> Self {
        let (status, code) = match &error {
            RoutingError::Name { .. } | RoutingError::Reserved(_) => (StatusCode::BAD_REQUEST, "invalid_name"),
            RoutingError::NoSuchPath => (StatusCode::NOT_FOUND, "not_found"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        let mut answer = Self::internal(&error);
        (answer.status, answer.code) = (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable");
        answer
    }
}

impl From<RegistryError> for RequestError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NoWorkspace(_) => Self::new(StatusCode::NOT_FOUND, "workspace_not_found", error.to_string()),
            RegistryError::Store(error) => error.into(),
            RegistryError::Upload { ref function, ref source } => {
                let message = format!("function `{function}`: {source}");
                match upload_code(source) {
                    Some((status, code)) => Self::new(status, code, message),
                    None => Self::internal(&error),
                }
            }
            RegistryError::NotText(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_source", format!("{error}: it must be UTF-8"))
            }
            RegistryError::Assemble(AssembleError::MissingCode(_) | AssembleError::MissingFolder { .. }) => {
                Self::internal(&error)
            }
            RegistryError::Assemble(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_setting", error.to_string())
            }
        }
    }
}

fn upload_code(error: &UploadError) -> Option<(StatusCode, &'static str)> {
    Some(match error {
        UploadError::Compile(CompileError::Invalid(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_component"),
        UploadError::Compile(CompileError::Precompiled) => (StatusCode::BAD_REQUEST, "unsupported_artifact"),
        UploadError::Compile(CompileError::TooExpensive) => (StatusCode::UNPROCESSABLE_ENTITY, "too_expensive"),
        UploadError::UnknownImport(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_import"),
        UploadError::NoHandler { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_handler"),
        UploadError::Link(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_component"),
        UploadError::Compile(CompileError::Run(_) | CompileError::Artefact(_)) => return None,
    })
}

impl From<TranslateError> for RequestError {
    fn from(error: TranslateError) -> Self {
        let code = match &error {
            TranslateError::TooDeep { .. } => "syntax_error",
            TranslateError::TooExpensive { .. } => "too_expensive",
            TranslateError::Failed { .. } => "invalid_source",
            TranslateError::Run(_) => return Self::internal(&error),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
    }
}

impl From<Problem> for RequestError {
    fn from(problem: Problem) -> Self {
        about_packages(problem.fault(), problem.code(), &problem)
    }
}

impl From<python::Problem> for RequestError {
    fn from(problem: python::Problem) -> Self {
        about_packages(problem.fault(), problem.code(), &problem)
    }
}

fn about_packages(fault: Fault, code: &'static str, problem: &dyn std::error::Error) -> RequestError {
    let status = match fault {
        Fault::Asked => StatusCode::UNPROCESSABLE_ENTITY,
        Fault::Registry => StatusCode::BAD_GATEWAY,
        Fault::Server => StatusCode::SERVICE_UNAVAILABLE,
    };
    if fault != Fault::Asked {
        tracing::warn!(%problem, "packages could not be installed");
    }
    RequestError::new(status, code, problem.to_string())
}

impl From<SpecError> for RequestError {
    fn from(error: SpecError) -> Self {
        match error {
            SpecError::Name(error) => error.into(),
            SpecError::Bundle { ref function, ref source } => {
                let (status, code) = match source.is_too_large() {
                    true => (StatusCode::PAYLOAD_TOO_LARGE, "bundle_too_large"),
                    false => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_bundle"),
                };
                let details = json!({ "function": function, "entry": source.entry() });
                Self { details: Some(details), ..Self::new(status, code, error.to_string()) }
            }
            SpecError::Layer { ref function, ref source } => {
                let (status, code) = match source {
                    LayerError::NoLayer { .. } | LayerError::NoVersion { .. } => {
                        (StatusCode::UNPROCESSABLE_ENTITY, "layer_not_found")
                    }
                    LayerError::TooLarge { .. } | LayerError::TooManyFiles => {
                        (StatusCode::PAYLOAD_TOO_LARGE, "bundle_too_large")
                    }
                    _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_setting"),
                };
                let details = json!({ "function": function });
                Self { details: Some(details), ..Self::new(status, code, error.to_string()) }
            }
            SpecError::Operations { .. } | SpecError::OpenApi { .. } | SpecError::NoApp { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_signature", error.to_string())
            }
            SpecError::Requirement(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_dependency", error.to_string())
            }
            other => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_setting", other.to_string()),
        }
    }
}

impl From<LayerError> for RequestError {
    fn from(error: LayerError) -> Self {
        let (status, code) = match &error {
            LayerError::Name(_) => (StatusCode::BAD_REQUEST, "invalid_name"),
            LayerError::NoLayer { .. } | LayerError::NoVersion { .. } => (StatusCode::NOT_FOUND, "layer_not_found"),
            LayerError::InUse { .. } => (StatusCode::CONFLICT, "layer_in_use"),
            LayerError::Bundle { source, .. } if source.is_too_large() => {
                (StatusCode::PAYLOAD_TOO_LARGE, "bundle_too_large")
            }
            LayerError::Bundle { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_bundle"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_setting"),
        };
        let details = match &error {
            LayerError::InUse { functions, .. } => Some(json!({ "functions": functions })),
            LayerError::Bundle { source, .. } => Some(json!({ "entry": source.entry() })),
            _ => None,
        };
        Self { details, ..Self::new(status, code, error.to_string()) }
    }
}

impl From<AdmissionError> for RequestError {
    fn from(error: AdmissionError) -> Self {
        let (status, code) = match &error {
            AdmissionError::NoFunction { .. } => (StatusCode::NOT_FOUND, "function_not_found"),
            AdmissionError::NoEntry { .. } => (StatusCode::BAD_REQUEST, "entry_required"),
            AdmissionError::WorkspaceBusy { .. } | AdmissionError::TooFast { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
            }
            AdmissionError::ServerBusy => (StatusCode::SERVICE_UNAVAILABLE, "capacity"),
        };
        Self { retry_after: error.retry_after(), ..Self::new(status, code, error.to_string()) }
    }
}

impl From<AnswerError> for RequestError {
    fn from(error: AnswerError) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "invalid_response", error.to_string())
    }
}

impl From<StartError> for RequestError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Function(failure) => failure.into(),
            StartError::NoRoom => Self {
                retry_after: Some(Duration::from_secs(1)),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "capacity", "the server has no room for another instance")
            },
            StartError::Host(error) => Self::internal(error.as_ref()),
            StartError::Interpreter(error) => Self::internal(&error),
        }
    }
}

impl FailureKind {
    /// The code in the API.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "syntax_error",
            Self::NoHandler => "no_handler",
            Self::Thrown => "function_error",
            Self::NoSuchEntry => "function_not_found",
            Self::BadArguments => "bad_arguments",
            Self::Misfit => "invalid_input",
            Self::BadSignature => "invalid_signature",
            Self::NotJson => "result_not_json",
            Self::NeverSettles => "never_settles",
            Self::StackOverflow => "stack_overflow",
            Self::Memory => "memory_limit",
            Self::Timeout => "timeout",
            Self::Fuel => "fuel_exhausted",
            Self::ResultTooLarge => "result_too_large",
            Self::Trap => "trap",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadArguments => StatusCode::BAD_REQUEST,
            Self::NoSuchEntry => StatusCode::NOT_FOUND,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Syntax | Self::NoHandler | Self::Misfit | Self::BadSignature => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Failure {
    /// What the caller is told besides code and message.
    pub fn details(&self) -> Option<Value> {
        let mut details = serde_json::Map::new();
        if let Some(name) = &self.name {
            details.insert("name".into(), json!(name));
        }
        if let Some(stack) = &self.stack {
            details.insert("stack".into(), json!(stack));
        }
        if let Some(place) = &self.position {
            details.insert("file".into(), json!(place.file));
            details.insert("line".into(), json!(place.line));
            details.insert("column".into(), json!(place.column));
            details.insert("text".into(), json!(place.text));
        }
        if !self.misfits.is_empty() {
            let shown =
                |misfit: &Misfit| json!({ "path": misfit.path, "expected": misfit.expected, "given": misfit.given });
            details.insert("misfits".into(), self.misfits.iter().map(shown).collect());
        }
        (!details.is_empty()).then_some(Value::Object(details))
    }
}

impl From<Failure> for RequestError {
    fn from(failure: Failure) -> Self {
        let details = failure.details();
        Self { details, ..Self::new(failure.kind.status(), failure.kind.code(), failure.message) }
    }
}
