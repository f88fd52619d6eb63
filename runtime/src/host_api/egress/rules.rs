//! A workspace's `egress` list: hosts, addresses and ranges, each with or without a port.

use super::EgressError;
use super::addresses::is_public;
use std::net::{IpAddr, SocketAddr};

/// The list, parsed. Empty: nothing may be reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules(Vec<Rule>);

/// The ports of `http:` and `https:`.
const HTTP_PORTS: [u16; 2] = [80, 443];

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    target: Target,
    /// None: every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    /// `*`: every host that has a public address.
    Any,
    /// `example.com`.
    Host(String),
    /// `*.example.com`: everything below, not itself. Kept with its leading dot.
    Below(String),
    /// `10.1.2.3`, `10.0.0.0/8`, `[fd00::1]`, `[fd00::]/8`.
    Range { net: IpAddr, bits: u32 },
}

/// An entry of the list is none that we know.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is no host that can be allowed; expected a host (`api.example.com`, `*.example.com`, `*`), an address \
     (`10.1.2.3`, `[fd00::1]`) or a range (`10.0.0.0/8`), each with or without a port (`:8080`)"
)]
pub struct RuleError(String);

impl Rules {
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, RuleError> {
        let rules = entries.into_iter().map(|entry| Rule::parse(entry).ok_or_else(|| RuleError(entry.into())));
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }

    /// Whether a host may be asked for at all. `host` is in lower case, without brackets and without a final dot.
    pub(super) fn allow_host(&self, host: &str, port: u16) -> Result<(), EgressError> {
        let literal = host.parse::<IpAddr>().ok();
        let allowed = self.0.iter().filter(|rule| rule.port.is_none_or(|only| only == port)).any(|rule| {
            match (&rule.target, literal) {
                (Target::Any, _) => true,
                (Target::Host(name), None) => name == host,
                (Target::Below(suffix), None) => host.ends_with(suffix.as_str()) && host.len() > suffix.len(),
                (Target::Range { net, bits }, Some(address)) => contains(*net, *bits, address),
                // A range names addresses: a name that resolves into it must be named as well.
                (Target::Range { .. }, None) | (Target::Host(_) | Target::Below(_), Some(_)) => false,
            }
        });
        if allowed { Ok(()) } else { Err(EgressError::HostProhibited { host: host.into(), port }) }
    }

    /// Whether a host may be connected to without HTTP: where its entry names the port, since such a connection can carry
    /// anything. Without a port, an entry means HTTP's own two: clients in the guest bring HTTP and TLS along.
    pub(super) fn allow_socket(&self, host: &str, port: u16) -> Result<(), EgressError> {
        let own = HTTP_PORTS.contains(&port);
        let named = Self(self.0.iter().filter(|rule| own || rule.port.is_some()).cloned().collect());
        named.allow_host(host, port).map_err(|_| EgressError::SocketProhibited { host: host.into(), port })
    }

    /// Whether that address of a host may be connected to: a public one always, a private one only where it is named.
    pub(super) fn allow_address(&self, host: &str, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        is_public(ip)
            || self.0.iter().filter(|rule| rule.port.is_none_or(|only| only == address.port())).any(|rule| {
                match &rule.target {
                    Target::Range { net, bits } => contains(*net, *bits, ip),
                    // `localhost` names its address as clearly as `127.0.0.1` does.
                    Target::Host(name) => name == "localhost" && host == "localhost" && ip.is_loopback(),
                    Target::Any | Target::Below(_) => false,
                }
            })
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        // An address in brackets, or bare where it has no port to be confused with.
        if let Some(rest) = entry.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            let address: IpAddr = address.parse().ok().filter(IpAddr::is_ipv6)?;
            let (range, port) = split_port(rest)?;
            return Some(Self { target: range_of(address, range)?, port });
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Some(Self { target: range_of(address, "")?, port: None });
        }
        let (host, port) = split_port(&entry)?;
        let (address, range) = host.split_at(host.find('/').unwrap_or(host.len()));
        if let Ok(address) = address.parse::<IpAddr>() {
            return Some(Self { target: range_of(address, range)?, port });
        }
        let host = host.trim_end_matches('.');
        let target = match host.strip_prefix("*.") {
            _ if host == "*" => Target::Any,
            Some(parent) if is_name(parent) => Target::Below(format!(".{parent}")),
            None if is_name(host) => Target::Host(host.into()),
            _ => return None,
        };
        Some(Self { target, port })
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        None => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok().filter(|port| *port > 0)?))),
    }
}

/// `range` is empty or `/bits`.
fn range_of(address: IpAddr, range: &str) -> Option<Target> {
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match range.strip_prefix('/') {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= width)?,
        None if range.is_empty() => width,
        None => return None,
    };
    Some(Target::Range { net: address, bits })
}

/// A name must have a letter: `127.1` and `0x7f.1` are addresses to some resolvers, and names to none.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && text.rsplit('.').next().is_some_and(|last| last.parse::<u64>().is_err())
}

fn contains(net: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (net.to_canonical(), address.to_canonical()) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            bits == 0
                || u32::from(net) >> 32u32.saturating_sub(bits) == u32::from(address) >> 32u32.saturating_sub(bits)
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            bits == 0 || u128::from(net) >> (128 - bits) == u128::from(address) >> (128 - bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rules: &[&str], host: &str, port: u16, address: &str) -> bool {
        let rules = Rules::parse(rules.iter().copied()).unwrap();
        let address = SocketAddr::new(address.parse().unwrap(), port);
        rules.allow_host(host, port).is_ok() && rules.allow_address(host, address)
    }

    #[test]
    fn only_what_is_named_is_allowed() {
        assert!(allowed(&["api.example.com"], "api.example.com", 443, "1.1.1.1"));
        assert!(!allowed(&[], "api.example.com", 443, "1.1.1.1"));
        assert!(!allowed(&["api.example.com"], "example.com", 443, "1.1.1.1"));
        assert!(allowed(&["api.example.com:443"], "api.example.com", 443, "1.1.1.1"));
        assert!(!allowed(&["api.example.com:443"], "api.example.com", 80, "1.1.1.1"));
        assert!(allowed(&["*.example.com"], "a.b.example.com", 80, "1.1.1.1"));
        assert!(!allowed(&["*.example.com"], "example.com", 80, "1.1.1.1"));
        assert!(!allowed(&["*.example.com"], "evilexample.com", 80, "1.1.1.1"));
        assert!(allowed(&["*"], "anything.org", 80, "1.1.1.1"));
    }

    #[test]
    fn a_private_address_must_be_named_itself() {
        assert!(!allowed(&["*"], "rebind.example.com", 80, "127.0.0.1"));
        assert!(!allowed(&["*"], "127.0.0.1", 80, "127.0.0.1"));
        assert!(!allowed(&["rebind.example.com"], "rebind.example.com", 80, "10.0.0.1"));
        assert!(allowed(&["db.example.com", "10.0.0.0/8"], "db.example.com", 80, "10.0.0.1"));
        assert!(!allowed(&["10.0.0.0/8"], "db.example.com", 80, "10.0.0.1"));
        assert!(allowed(&["127.0.0.1:9000"], "127.0.0.1", 9000, "127.0.0.1"));
        assert!(!allowed(&["127.0.0.1:9000"], "127.0.0.1", 9001, "127.0.0.1"));
        assert!(allowed(&["localhost:9000"], "localhost", 9000, "::1"));
        assert!(!allowed(&["localhost:9000"], "localhost", 9000, "10.0.0.1"));
        assert!(allowed(&["[fd00::]/8"], "fd00::1", 80, "fd00::1"));
        assert!(allowed(&["[::1]:80"], "::1", 80, "::1"));
        assert!(!allowed(&["127.0.0.1"], "::ffff:127.0.0.2", 80, "::ffff:127.0.0.2"));
    }

    #[test]
    fn a_socket_needs_an_entry_with_its_port() {
        let allowed =
            |rules: &[&str]| Rules::parse(rules.iter().copied()).unwrap().allow_socket("db.test", 5432).is_ok();
        assert!(allowed(&["db.test:5432"]) && allowed(&["*.test:5432"]) && allowed(&["*:5432"]));
        assert!(!allowed(&["db.test"]) && !allowed(&["*"]) && !allowed(&["db.test:5433", "db.test"]) && !allowed(&[]));
    }

    #[test]
    fn an_entry_without_a_port_allows_sockets_to_the_ports_of_http() {
        let allowed =
            |rules: &[&str], port| Rules::parse(rules.iter().copied()).unwrap().allow_socket("api.test", port).is_ok();
        for port in [80, 443] {
            assert!(allowed(&["api.test"], port) && allowed(&["*"], port) && allowed(&["*.test"], port));
            assert!(!allowed(&["other.test"], port) && !allowed(&["api.test:8080"], port) && !allowed(&[], port));
        }
        assert!(!allowed(&["api.test"], 8080) && !allowed(&["*"], 22));
    }

    #[test]
    fn entries_that_mean_nothing_are_refused() {
        for wrong in [
            "",
            ":80",
            "a b",
            "http://x.org",
            "x.org/path",
            "x.org:0",
            "x.org:http",
            "10.0.0.0/33",
            "*.*",
            "**",
            "127.1",
            "é.org",
            "[1.2.3.4]",
            "a..b",
        ] {
            assert!(Rules::parse([wrong]).is_err(), "{wrong}");
        }
    }
}
