//! Natives over text: UTF-8, URLs and query strings.

use url::{Url, form_urlencoded};

use crate::host::{pairs, pairs_of};
use crate::js::{Result, Thrown, Value};
use crate::natives::Arguments;

/// A string as UTF-8 bytes.
pub fn encode(arguments: &Arguments) -> Result<Value> {
    Value::bytes(arguments.text(0)?.as_bytes())
}

/// Bytes as text: the bytes, whether malformed ones are an error, whether a byte order mark stays.
pub fn decode(arguments: &Arguments) -> Result<Value> {
    let (fatal, keep_mark) = (arguments.value(1).is_true(), arguments.value(2).is_true());
    let text = arguments.value(0).with_bytes(|bytes| {
        let bytes = if keep_mark { bytes } else { skip_mark(bytes) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(Value::string(text)),
            Err(_) if fatal => None,
            Err(_) => Some(Value::string(&String::from_utf8_lossy(bytes))),
        }
    })?;
    text.ok_or_else(|| Thrown::new("TypeError", "The encoded data was not valid utf-8"))
}

fn skip_mark(bytes: &mut [u8]) -> &mut [u8] {
    if bytes.starts_with(b"\xef\xbb\xbf") { &mut bytes[3..] } else { bytes }
}

/// The parts of a URL, read against a base where one is given; undefined where it is none.
pub fn parse_url(arguments: &Arguments) -> Result<Value> {
    let text = arguments.text(0)?;
    let base = arguments.value(1);
    let parsed = if base.is_undefined() {
        Url::parse(&text)
    } else {
        match Url::parse(&base.text()?) {
            Ok(base) => base.join(&text),
            Err(error) => Err(error),
        }
    };
    Ok(parsed.map_or(Value::UNDEFINED, |url| parts(&url)))
}

/// A URL with one part changed: address, part, new text. Unchanged where the new text does not fit.
pub fn change_url(arguments: &Arguments) -> Result<Value> {
    let Ok(mut url) = Url::parse(&arguments.text(0)?) else {
        return Ok(Value::UNDEFINED);
    };
    let (part, value) = (arguments.text(1)?, arguments.text(2)?);
    let some = (!value.is_empty()).then_some(value.as_str());
    // What the URL standard ignores is ignored.
    let _ = match part.as_str() {
        "protocol" => url.set_scheme(value.trim_end_matches(':')),
        "username" => url.set_username(&value),
        "password" => url.set_password(some),
        "host" => {
            let (host, port) = match value.rsplit_once(':') {
                Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
                _ => (value.as_str(), None),
            };
            let changed = url.set_host(Some(host)).map_err(|_| ());
            if port.is_some() { changed.and_then(|()| url.set_port(port)) } else { changed }
        }
        "hostname" => url.set_host(some).map_err(|_| ()),
        "port" => url.set_port(value.parse().ok()),
        "pathname" => {
            url.set_path(&value);
            Ok(())
        }
        "search" => {
            url.set_query(some.map(|query| query.strip_prefix('?').unwrap_or(query)));
            Ok(())
        }
        "hash" => {
            url.set_fragment(some.map(|hash| hash.strip_prefix('#').unwrap_or(hash)));
            Ok(())
        }
        _ => Err(()),
    };
    Ok(parts(&url))
}

fn parts(url: &Url) -> Value {
    let hostname = url.host_str().unwrap_or("");
    let port = url.port().map(|port| port.to_string()).unwrap_or_default();
    let host = if port.is_empty() { hostname.to_owned() } else { format!("{hostname}:{port}") };
    let prefixed = |mark: char, part: Option<&str>| match part {
        Some(part) if !part.is_empty() => format!("{mark}{part}"),
        _ => String::new(),
    };
    Value::array(
        [
            url.as_str(),
            &format!("{}:", url.scheme()),
            url.username(),
            url.password().unwrap_or(""),
            &host,
            hostname,
            &port,
            url.path(),
            &prefixed('?', url.query()),
            &prefixed('#', url.fragment()),
            &url.origin().ascii_serialization(),
        ]
        .map(Value::string),
    )
}

/// A query string as a flat array of names and values.
pub fn parse_query(arguments: &Arguments) -> Result<Value> {
    let text = arguments.text(0)?;
    let text = text.strip_prefix('?').unwrap_or(&text);
    Ok(pairs(form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
}

pub fn format_query(arguments: &Arguments) -> Result<Value> {
    let pairs = pairs_of(&arguments.value(0))?;
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Ok(Value::string(&text))
}
