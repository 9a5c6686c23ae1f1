//! Hosts of namespaces: `http://guest.localhost/…` is `/api/v1/web/guest/…`. Source: rest-api §14, and what the nginx in
//! front of an OpenWhisk does with such a request.

use std::str::FromStr;

use http::{HeaderMap, Uri, header};

use super::target::resolve_dots;

/// Longest name of a host, in bytes. Source: RFC 1035 §2.3.4.
const MAX_HOST: usize = 253;
/// Longest part between two dots. Source: RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;
/// What the root of a namespace's host shows.
const INDEX: &str = "/public/index.html";

/// The name of a host, in lower case: `localhost`, `openwhisk.example.com`. Never an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

/// A text that is no name of a host: empty, an address, with a port or a scheme, or with characters that names lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a host")]
pub struct HostNameError;

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // What ends with a number is an IPv4 address to browsers, or nothing.
        let is_address = text
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if text.len() > MAX_HOST || is_address || !text.split('.').all(is_label) {
            return Err(HostNameError);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// The names of a server below which each namespace has a host of its own, which shows its web actions. Without names
/// no namespace has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiHosts(Vec<HostName>);

impl FromIterator<HostName> for ApiHosts {
    fn from_iter<T: IntoIterator<Item = HostName>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

impl ApiHosts {
    /// Returns the namespace whose host a request is for, in lower case as hosts are; `None` for the server itself.
    ///
    /// Most requests are for the server itself: they cost a look at one header, and no memory.
    pub(crate) fn namespace_of(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        // What the request line says counts (RFC 9112 §3.2.2).
        let host = match uri.authority() {
            Some(authority) => authority.host().as_bytes(),
            None => headers.get(header::HOST)?.as_bytes(),
        };
        let name = host.split(|&byte| byte == b':').next()?;
        let name = name.strip_suffix(b".").unwrap_or(name);
        let label = self.0.iter().find_map(|host| host.label_before(name))?;
        // One name of the server may be below another.
        if self.0.iter().any(|host| host.is(name)) {
            return None;
        }
        std::str::from_utf8(label).ok().map(str::to_ascii_lowercase)
    }
}

impl HostName {
    fn is(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.0.as_bytes())
    }

    /// Returns the one label that a name has before this one, if it can be a namespace's.
    fn label_before<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        let (before, own) = name.split_at_checked(name.len().checked_sub(self.0.len())?)?;
        let label = before.strip_suffix(b".").filter(|_| self.is(own))?;
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        (!label.is_empty() && label.iter().all(fits)).then_some(label)
    }
}

/// Returns the path that a path on a namespace's host stands for: always one below `/api/v1/web/{namespace}/`.
///
/// As with nginx an escaped slash is one, several are one, and then `.` and `..`, escaped or not, are resolved;
/// other escapes stay. What would lead above the root stays there, where nginx refuses it.
pub(super) fn web_path(namespace: &str, path: &str) -> String {
    let path = path.replace("%2F", "/").replace("%2f", "/");
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let mut single: String = segments.flat_map(|segment| ["/", segment]).collect();
    if path.ends_with('/') {
        single.push('/');
    }
    let resolved = resolve_dots(&single);
    let below = match resolved.as_str() {
        "" | "/" => INDEX,
        below => below,
    };
    format!("/api/v1/web/{namespace}{below}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::percent_decode;

    fn hosts(names: &[&str]) -> ApiHosts {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn namespace(hosts: &ApiHosts, host: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        hosts.namespace_of(&Uri::from_static("/"), &headers)
    }

    /// rest-api §14.
    #[test]
    fn one_label_before_a_name_of_the_server_is_a_namespace() {
        let hosts = hosts(&["localhost", "Example.COM"]);
        for (host, expected) in [
            ("guest.localhost", "guest"),
            ("guest.localhost:3233", "guest"),
            ("guest.localhost.", "guest"),
            ("GUEST.LocalHost.:80", "guest"),
            ("my-ns-2.example.com", "my-ns-2"),
            ("-.example.com:x", "-"),
        ] {
            assert_eq!(namespace(&hosts, host).as_deref(), Some(expected), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_the_server_itself() {
        let hosts = hosts(&["localhost", "x.localhost"]);
        for host in [
            "localhost",
            "localhost:3233",
            "LOCALHOST.",
            "127.0.0.1:3233",
            "[::1]:3233",
            "[::ffff:1.2.3.4]",
            ".localhost",
            "a.guest.localhost",
            "a_b.localhost",
            "a%2e.localhost",
            "é.localhost",
            "user@guest.localhost",
            "guest.localhost.example.com",
            "guestxlocalhost",
            "guest.localhostx",
            "guest..localhost",
            "x.localhost",
            "host",
            "",
        ] {
            assert_eq!(namespace(&hosts, host), None, "{host}");
        }
        assert_eq!(namespace(&hosts, "a.x.localhost").as_deref(), Some("a"));
        assert_eq!(namespace(&ApiHosts::default(), "guest.localhost"), None);
    }

    #[test]
    fn host_of_the_request_line_counts() {
        let hosts = hosts(&["localhost"]);
        let mut headers = HeaderMap::new();
        let of = |uri: &'static str, headers: &HeaderMap| {
            hosts.namespace_of(&Uri::from_static(uri), headers)
        };
        assert_eq!(of("/", &headers), None);
        let uri = "http://u:p@guest.localhost:3233/x";
        assert_eq!(of(uri, &headers).as_deref(), Some("guest"));
        headers.insert(header::HOST, "other.localhost".parse().unwrap());
        assert_eq!(of(uri, &headers).as_deref(), Some("guest"));
        assert_eq!(of("http://localhost/x", &headers), None);
        assert_eq!(of("/x", &headers).as_deref(), Some("other"));
    }

    #[test]
    fn names_of_hosts_are_told_from_other_texts() {
        for name in [
            "localhost",
            "a",
            "ow.example.com",
            "xn--4ca.example",
            "a_b",
            "3.example",
        ] {
            assert!(name.parse::<HostName>().is_ok(), "{name}");
        }
        let long = format!("{}.com", "a".repeat(64));
        let many = "a.".repeat(126) + "com";
        for text in [
            "",
            ".",
            "localhost.",
            ".localhost",
            "a..b",
            "*.localhost",
            "http://localhost",
            "localhost:3233",
            "a/b",
            "a b",
            "é",
            "-a",
            "a-",
            "127.0.0.1",
            "10",
            "[::1]",
            "::1",
            &long,
            &many,
        ] {
            assert_eq!(text.parse::<HostName>(), Err(HostNameError), "{text}");
        }
    }

    /// rest-api §14. What nginx 1.22 with the rules of OpenWhisk's template makes of them; it refuses what leads above
    /// the root.
    #[test]
    fn paths_lead_to_web_actions_of_the_namespace() {
        for (path, expected) in [
            ("", "public/index.html"),
            ("/", "public/index.html"),
            ("//", "public/index.html"),
            ("/.", "public/index.html"),
            ("/a/..", "public/index.html"),
            ("/p/a", "p/a"),
            ("//p//a", "p/a"),
            ("/p/a/", "p/a/"),
            ("/p/a//", "p/a/"),
            ("/p/a/b%2Fc", "p/a/b/c"),
            ("/p/a/%2e%2e/b", "p/b"),
            ("/p/a/..%2f..%2Fx", "x"),
            ("/%252e%252e/x", "%252e%252e/x"),
            ("/p/a%20b/%FF", "p/a%20b/%FF"),
            ("/a//../b", "b"),
            ("/a/./b/.", "a/b/"),
            ("/a/b/..", "a/"),
            ("/.../x", ".../x"),
            ("/a/.b/..c", "a/.b/..c"),
            ("/api/v1/namespaces", "api/v1/namespaces"),
            ("/../x", "x"),
            ("/../../v1/namespaces", "v1/namespaces"),
            ("/%2e%2E%2f.%2e/v1/namespaces", "v1/namespaces"),
            ("*", "*"),
        ] {
            let expected = format!("/api/v1/web/guest/{expected}");
            assert_eq!(web_path("guest", path), expected, "{path}");
        }
    }

    /// All paths of up to six of these pieces.
    #[test]
    fn no_path_leads_out_of_the_namespace() {
        let mut paths = vec!["/".to_owned()];
        for _ in 0..6 {
            let pieces = ["/", "%2F", ".", "%2e", "%25", "p"];
            let longer = paths
                .iter()
                .flat_map(|path| pieces.map(|piece| format!("{path}{piece}")));
            paths = longer.collect();
            for path in &paths {
                let web = web_path("guest", path);
                let below = web.strip_prefix("/api/v1/web/guest/").unwrap();
                let inner = below.strip_suffix('/').unwrap_or(below);
                let is_plain =
                    |segment: &str| !["", ".", ".."].contains(&&*percent_decode(segment));
                assert!(inner.split('/').all(is_plain), "{path} is {web}");
                let decoded = percent_decode(inner);
                assert_eq!(
                    decoded.matches('/').count(),
                    inner.matches('/').count(),
                    "{path} is {web}"
                );
            }
        }
    }
}
