//! A call of an app's operation: parameters as a request, and the answer as a result.

use super::Outcome;
use crate::deployment::operations::{BODY, Need, Operation, Parameter, ParameterKind, Place, Scalar};
use crate::instance::failure::{Failure, FailureKind, Misfit};
use crate::limits;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// What stands in a path or a query as it is.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Of an answer that is none of the description's, as much as a person reads.
const SHOWN: usize = 1000;
/// What the crate `http` takes.
const MAX_URL: usize = 65_534;
const FITS: &str = "parameters that fit into a URL of 64 KiB";

/// What the caller gave, by name, as it was written: what goes on as it came must not change on its way.
type Given<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

/// The request that a call with these parameters stands for; what does not fit is the caller's fault.
pub fn request(operation: &Operation, event: &str) -> Result<Request<Bytes>, Failure> {
    let Ok(mut given) = serde_json::from_str::<Given<'_>>(event) else {
        let misfit = misfit("$".into(), "an object of parameters", "another value");
        return Err(refused(operation, vec![misfit]));
    };
    let mut misfits = Vec::new();
    let (mut parts, mut query) = (HashMap::new(), String::new());
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = operation.method.clone();
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    for parameter in &operation.parameters {
        let Some(values) = texts(parameter, &mut given, &mut misfits) else { continue };
        for value in values {
            match &parameter.place {
                Place::Path => {
                    // An empty one, and these, would make it another path.
                    if matches!(value.as_ref(), "" | "." | "..") {
                        misfits.push(misfit(place(parameter), "a text that can be a part of a path", &quoted(&value)));
                    }
                    let encoded = utf8_percent_encode(&value, &PLAIN).to_string();
                    parts.insert(parameter.name.as_str(), encoded);
                }
                Place::Query => {
                    query.push(if query.is_empty() { '?' } else { '&' });
                    query.extend(utf8_percent_encode(&parameter.name, &PLAIN));
                    query.push('=');
                    query.extend(utf8_percent_encode(&value, &PLAIN));
                    if query.len() > MAX_URL {
                        misfits.push(misfit(place(parameter), FITS, "more"));
                        break;
                    }
                }
                Place::Header(name) => match HeaderValue::from_str(&value) {
                    Ok(value) => drop(headers.insert(name.clone(), value)),
                    Err(_) => {
                        misfits.push(misfit(place(parameter), "a text that can be a header's value", &quoted(&value)));
                    }
                },
            }
        }
    }
    if let Some(need) = operation.body {
        match given.remove(BODY) {
            Some(body) => {
                let body = body.get().to_string();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(header::CONTENT_LENGTH, body.len().into());
                *request.body_mut() = body.into();
            }
            None if need == Need::Required => {
                misfits.push(misfit(format!("$.{BODY}"), "the body of the request", "nothing"));
            }
            None => {}
        }
    }
    let unknown = |name: &Cow<'_, str>| {
        misfit(format!("$.{name}"), "nothing: the operation has no parameter of that name", "a value")
    };
    misfits.extend(given.keys().take(limits::MAX_MISFITS).map(unknown));
    if misfits.is_empty() {
        match Uri::try_from(format!("{}{query}", path(&operation.path, &parts))) {
            Ok(uri) => {
                *request.uri_mut() = uri;
                return Ok(request);
            }
            Err(_) => misfits.push(misfit("$".into(), FITS, "more")),
        }
    }
    Err(refused(operation, misfits))
}

/// The path with its parts in their places. Each has one place, as the description was checked for.
fn path(template: &str, parts: &HashMap<&str, String>) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, (name, behind))) =
        rest.split_once('{').and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
    {
        path.push_str(before);
        path.push_str(parts.get(name).map_or("", String::as_str));
        rest = behind;
    }
    path + rest
}

/// The result that an answer stands for: the one of the status that the description names.
pub fn result(operation: &Operation, answer: &Response<Bytes>) -> Outcome {
    let body = std::str::from_utf8(answer.body());
    let text = String::from_utf8_lossy(answer.body());
    let status = answer.status().as_u16();
    let fails = |kind, said: &str| {
        let shown: String = text.chars().take(SHOWN).collect();
        let mut failure = Failure::new(kind, format!("the operation `{}` {said}: {shown}", operation.id));
        failure.reusable = true;
        Err(failure)
    };
    if status != operation.status {
        let said = format!("answered with the status {status}, and its description knows {}", operation.status);
        return fails(FailureKind::Thrown, &said);
    }
    match body.ok().filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()) {
        Some(text) => Ok(text.to_string()),
        None => fails(FailureKind::NotJson, "answered with a body that is no JSON"),
    }
}

/// A parameter's values as texts; none where it is not there.
fn texts(parameter: &Parameter, given: &mut Given<'_>, misfits: &mut Vec<Misfit>) -> Option<Vec<Cow<'static, str>>> {
    let Some(value) = given.remove(parameter.name.as_str()).filter(|value| value.get() != "null") else {
        if parameter.need == Need::Required {
            misfits.push(misfit(place(parameter), expected(parameter.kind), "nothing"));
        }
        return None;
    };
    let (values, kind) = match parameter.kind {
        ParameterKind::One(kind) => (vec![value], kind),
        ParameterKind::Many(kind) => match serde_json::from_str(value.get()) {
            Ok(values) => (values, kind),
            Err(_) => {
                misfits.push(misfit(place(parameter), expected(parameter.kind), &shown(value.get())));
                return None;
            }
        },
    };
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        match text(kind, value.get()) {
            Some(text) => texts.push(text),
            None => misfits.push(misfit(place(parameter), expected(ParameterKind::One(kind)), &shown(value.get()))),
        }
        if misfits.len() > limits::MAX_MISFITS {
            break;
        }
    }
    Some(texts)
}

/// The text of a value of JSON, where it is of that kind.
fn text(kind: Scalar, written: &str) -> Option<Cow<'static, str>> {
    let is_number = written.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match kind {
        Scalar::Text | Scalar::Any if written.starts_with('"') => {
            serde_json::from_str::<String>(written).ok().map(Cow::Owned)
        }
        Scalar::Boolean | Scalar::Any if matches!(written, "true" | "false") => Some(written.to_string().into()),
        Scalar::Number | Scalar::Any if is_number => Some(written.to_string().into()),
        Scalar::Integer if is_number => integer(written).map(Cow::Owned),
        _ => None,
    }
}

/// A whole number, however it is written; `1.0` and `1e3` are some.
fn integer(written: &str) -> Option<String> {
    if written.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        return Some(written.to_string());
    }
    let number: f64 = written.parse().ok()?;
    (number.fract() == 0.0 && number.abs() < 2f64.powi(53)).then(|| format!("{number:.0}"))
}

fn expected(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Many(_) => "an array",
        ParameterKind::One(Scalar::Text) => "a string",
        ParameterKind::One(Scalar::Integer) => "an integer",
        ParameterKind::One(Scalar::Number) => "a number",
        ParameterKind::One(Scalar::Boolean) => "a boolean",
        ParameterKind::One(Scalar::Any) => "a string, a number or a boolean",
    }
}

fn place(parameter: &Parameter) -> String {
    format!("$.{}", parameter.name)
}

fn misfit(path: String, expected: &str, given: &str) -> Misfit {
    Misfit { path, expected: expected.into(), given: given.into() }
}

fn quoted(text: &str) -> String {
    shown(&serde_json::Value::from(text).to_string())
}

/// As much of a value as a person reads.
fn shown(written: &str) -> String {
    written.chars().take(80).collect()
}

fn refused(operation: &Operation, misfits: Vec<Misfit>) -> Failure {
    let first = misfits.first().map_or(String::new(), |misfit| {
        format!(": {}: expected {}; given {}", misfit.path, misfit.expected, misfit.given)
    });
    let mut failure =
        Failure::new(FailureKind::Misfit, format!("the parameters do not fit the operation `{}`{first}", operation.id));
    failure.misfits = misfits.into_iter().take(limits::MAX_MISFITS).collect();
    failure.reusable = true;
    failure
}
