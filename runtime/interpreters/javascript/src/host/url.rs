//! Natives over URLs and query strings, by the `url` crate.

use url::{Url, form_urlencoded, quirks};

use crate::host::{pairs, pairs_of};
use crate::js::{Result, Value};
use crate::natives::Arguments;

/// A URL, read against a base where one is given: its text, and where its parts are in it. Undefined where it is none.
pub fn parse(arguments: &Arguments) -> Result<Value> {
    let text = arguments.text(0)?;
    let base = arguments.value(1);
    let parsed = if base.is_undefined() {
        Url::parse(&text)
    } else {
        Url::parse(&base.text()?).and_then(|base| base.join(&text))
    };
    Ok(parsed.map_or(Value::UNDEFINED, |url| parts(&url)))
}

/// A URL with one part changed: address, part, new text. Unchanged where the new text does not fit.
pub fn change(arguments: &Arguments) -> Result<Value> {
    let Ok(mut url) = Url::parse(&arguments.text(0)?) else {
        return Ok(Value::UNDEFINED);
    };
    let (part, value) = (arguments.text(1)?, arguments.text(2)?);
    let has_authority = url.has_authority() || part.starts_with("host");
    // What the URL standard ignores is ignored.
    let _ = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => Err(()),
    };
    Ok(parts(&rewritten(url, has_authority)))
}

/// A URL whose text is what its parts give. The crate's setters leave out, or leave in, the `/.` that keeps apart a path with two
/// slashes and a host that is not there.
fn rewritten(url: Url, has_authority: bool) -> Url {
    if url.is_special() || url.cannot_be_a_base() {
        return url;
    }
    let path = url.path();
    let path = match path.strip_prefix("/.") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    };
    let before = match has_authority {
        true => &url.as_str()[..url.as_str().len() - url.path().len() - behind_path(&url)],
        false => &url.as_str()[..url.scheme().len() + 1],
    };
    let before = before.strip_suffix("/.").unwrap_or(before);
    let dot = if !has_authority && path.starts_with("//") { "/." } else { "" };
    let behind = &url.as_str()[url.as_str().len() - behind_path(&url)..];
    Url::parse(&format!("{before}{dot}{path}{behind}")).unwrap_or(url)
}

/// The length of query and fragment with their marks.
fn behind_path(url: &Url) -> usize {
    let with_mark = |part: Option<&str>| part.map_or(0, |text| text.len() + 1);
    with_mark(url.query()) + with_mark(url.fragment())
}

/// The text of a URL, which is ASCII, and the places where its parts begin and end: scheme (end), username, password, host, port
/// and path (begin and end), query (end).
///
/// Counted here from the parts' lengths: slicing by the crate's `Position` panics on `foo://`.
fn parts(url: &Url) -> Value {
    let scheme = url.scheme().len();
    let (mut username, mut username_end) = (scheme + 1, scheme + 1);
    let (mut password, mut password_end) = (username, username);
    let (mut host, mut host_end) = (username, username);
    let (mut port, mut port_end) = (username, username);
    if url.has_authority() {
        username = scheme + 3;
        username_end = username + url.username().len();
        (password, password_end) = match url.password() {
            Some(text) => (username_end + 1, username_end + 1 + text.len()),
            None => (username_end, username_end),
        };
        let has_credentials = password_end > username;
        host = password_end + usize::from(has_credentials);
        host_end = host + url.host_str().map_or(0, str::len);
        (port, port_end) = match url.port() {
            Some(number) => (host_end + 1, host_end + 1 + number.to_string().len()),
            None => (host_end, host_end),
        };
    }
    let with_mark = |part: Option<&str>| part.map_or(0, |text| text.len() + 1);
    let query_end = url.as_str().len() - with_mark(url.fragment());
    let path_end = query_end - with_mark(url.query());
    let path = path_end - url.path().len();
    let places = [
        scheme,
        username,
        username_end,
        password,
        password_end,
        host,
        host_end,
        port,
        port_end,
        path,
        path_end,
        query_end,
    ];
    let places = places.map(|place| Value::number(place as f64));
    Value::array([Value::string(url.as_str())].into_iter().chain(places))
}

pub fn origin(arguments: &Arguments) -> Result<Value> {
    let origin = Url::parse(&arguments.text(0)?).map(|url| match url.scheme() {
        // Of what a blob: URL holds, only the web's own schemes have an origin.
        "blob" => match Url::parse(url.path()) {
            Ok(inner) if matches!(inner.scheme(), "http" | "https") => quirks::origin(&inner),
            _ => "null".to_owned(),
        },
        _ => quirks::origin(&url),
    });
    Ok(Value::string(origin.as_deref().unwrap_or("null")))
}

/// A query string as a flat array of names and values.
pub fn parse_query(arguments: &Arguments) -> Result<Value> {
    let text = arguments.text(0)?;
    Ok(pairs(form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
}

pub fn format_query(arguments: &Arguments) -> Result<Value> {
    let pairs = pairs_of(&arguments.value(0))?;
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Ok(Value::string(&text))
}
