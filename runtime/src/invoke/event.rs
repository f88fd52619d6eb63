//! An HTTP request as an event, and a result as an HTTP answer: the shapes that functions behind gateways know.

use crate::host_api::output::CONNECTION_HEADERS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;
use uuid::Uuid;

/// A request, as a function gets it: the payload of an HTTP API (version 2.0), with `method`, `path` and `query` at hand.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent<'a> {
    version: &'static str,
    method: &'a str,
    path: &'a str,
    query: &'a BTreeMap<Cow<'a, str>, String>,
    raw_path: &'a str,
    raw_query_string: &'a str,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    /// Those that came more than once, each value by itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multi_value_headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    query_string_parameters: &'a BTreeMap<Cow<'a, str>, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    time_epoch: u64,
    /// What stands before `path` in the request's own.
    base_path: &'a str,
    http: HttpContext<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
}

/// The request as an event, in JSON. Repeated headers and query parameters are joined by commas.
pub fn of_request(request: &http::request::Parts, path: &str, body: &Bytes, id: Uuid) -> String {
    let whole = request.uri.path();
    let base_path = whole.strip_suffix(path).unwrap_or(whole);
    let mut headers: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    let mut multi_value_headers: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.entry(name.as_str()) {
            std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(value)),
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let all = multi_value_headers.entry(name.as_str()).or_insert_with(|| vec![entry.get().clone()]);
                all.push(value.clone());
                let joined = format!("{},{value}", entry.get());
                entry.insert(joined.into());
            }
        }
    }
    let raw_query = request.uri.query().unwrap_or("");
    let mut query: BTreeMap<Cow<'_, str>, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(raw_query.as_bytes()) {
        query.entry(name).and_modify(|all| *all = format!("{all},{value}")).or_insert_with(|| value.into_owned());
    }
    let text = std::str::from_utf8(body).ok();
    let encoded = match text {
        _ if body.is_empty() => None,
        Some(text) => Some(Cow::Borrowed(text)),
        None => Some(Cow::Owned(STANDARD.encode(body))),
    };
    let method = request.method.as_str();
    let event = HttpEvent {
        version: "2.0",
        method,
        path,
        query: &query,
        raw_path: path,
        raw_query_string: raw_query,
        headers,
        multi_value_headers,
        query_string_parameters: &query,
        request_context: RequestContext {
            request_id: id.to_string(),
            time_epoch: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
            base_path,
            http: HttpContext { method, path, protocol: "HTTP/1.1" },
        },
        body: encoded,
        is_base64_encoded: text.is_none(),
    };
    serde_json::to_string(&event).expect("maps of strings can always be written to memory")
}

/// A result that is meant as an HTTP answer: an object with `statusCode`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpResult<'a> {
    status_code: u16,
    #[serde(default, borrow)]
    headers: BTreeMap<Cow<'a, str>, HeaderText<'a>>,
    #[serde(default, borrow)]
    multi_value_headers: BTreeMap<Cow<'a, str>, Vec<HeaderText<'a>>>,
    #[serde(default, borrow)]
    cookies: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderText<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Number(serde_json::Number),
    Flag(bool),
}

impl HeaderText<'_> {
    fn value(&self) -> Option<HeaderValue> {
        match self {
            Self::Text(text) => HeaderValue::from_bytes(text.as_bytes()).ok(),
            Self::Number(number) => HeaderValue::from_str(&number.to_string()).ok(),
            Self::Flag(flag) => Some(HeaderValue::from_static(if *flag { "true" } else { "false" })),
        }
    }
}

/// A result has `statusCode` and is yet no answer that could be sent.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("the function's answer is not well formed: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("the function's answer has the status {0}; it must be between 200 and 599")]
    Status(u16),
    #[error("the function's answer has the header `{}`, which is not well formed", .0.escape_debug())]
    Header(String),
    #[error("the function's answer says that its body is Base64, and it is not")]
    Base64,
}

/// The answer that a result stands for: the one it spells out, or itself as JSON.
pub fn answer(result: String) -> Result<Response<Bytes>, AnswerError> {
    if !result.starts_with('{') || !result.contains("\"statusCode\"") {
        return Ok(json(result));
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        status_code: Option<serde_json::Value>,
    }
    // `statusCode` deeper inside makes no answer.
    let probe: Probe = serde_json::from_str(&result)?;
    if probe.status_code.is_none() {
        return Ok(json(result));
    }
    let spelled: HttpResult<'_> = serde_json::from_str(&result)?;
    let status = StatusCode::from_u16(spelled.status_code)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or(AnswerError::Status(spelled.status_code))?;
    let mut headers = HeaderMap::new();
    let single = spelled.headers.iter();
    let multiple =
        spelled.multi_value_headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    for (name, value) in single.chain(multiple) {
        let wrong = || AnswerError::Header(name.to_string());
        let checked = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let value = value.value().ok_or_else(wrong)?;
        if !CONNECTION_HEADERS.contains(&checked) {
            headers.append(checked, value);
        }
    }
    for cookie in &spelled.cookies {
        let value = HeaderValue::from_str(cookie).map_err(|_| AnswerError::Header("cookies".into()))?;
        headers.append(header::SET_COOKIE, value);
    }
    let body = match spelled.body.map(RawValue::get) {
        None | Some("null") => Bytes::new(),
        Some(raw) if raw.starts_with('"') => {
            let text: String = serde_json::from_str(raw)?;
            if spelled.is_base64_encoded {
                STANDARD.decode(text).map_err(|_| AnswerError::Base64)?.into()
            } else {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
                text.into()
            }
        }
        Some(raw) => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Bytes::copy_from_slice(raw.as_bytes())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn json(text: String) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_with_a_status_is_the_answer_itself() {
        let answer = |text: &str| answer(text.into()).unwrap();
        let plain = answer("[1,2]");
        assert_eq!((plain.status().as_u16(), &plain.body()[..]), (200, &b"[1,2]"[..]));
        let spelled = answer(
            r#"{"statusCode":201,"headers":{"X-A":"1","n":2,"Connection":"close","content-length":"9"},"body":"hi","cookies":["a=b"]}"#,
        );
        assert_eq!(spelled.status(), 201);
        assert_eq!(spelled.headers()["x-a"], "1");
        assert_eq!(spelled.headers()["n"], "2");
        assert_eq!(spelled.headers()["set-cookie"], "a=b");
        assert!(!spelled.headers().contains_key("connection") && !spelled.headers().contains_key("content-length"));
        assert_eq!(&spelled.body()[..], b"hi");
        assert_eq!(&answer(r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#).body()[..], b"hi");
        assert_eq!(&answer(r#"{"statusCode":200,"body":{"a":1}}"#).body()[..], br#"{"a":1}"#);
        assert_eq!(answer(r#"{"deep":{"statusCode":404}}"#).status(), 200);
    }

    #[test]
    fn an_answer_that_cannot_be_sent_is_refused() {
        for wrong in [
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\r\nc: d"}}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":[1]}"#,
        ] {
            assert!(answer(wrong.into()).is_err(), "{wrong}");
        }
    }
}
