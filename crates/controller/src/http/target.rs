//! The request target: path segments and query.

use std::borrow::Cow;

use super::Query;
use super::hosts::web_path;

/// Longest target that is accepted, in bytes.
const MAX_TARGET: usize = 8192;

/// A request target taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The path, still percent-encoded, dot segments resolved; begins with `/`.
    pub(crate) path: String,
    /// The query.
    pub(crate) query: Query,
}

/// A target that never reaches the routes. The texts are those of the original's HTTP layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("URI length exceeds the configured limit of {MAX_TARGET} characters")]
    TooLong,
    #[error("Illegal request-target: {unexpected}, expected HEXDIG (line 1, column {column})")]
    BadEscape { unexpected: String, column: usize },
}

impl Target {
    /// Takes a target apart. On the host of a namespace its path is that of a web action there.
    pub(crate) fn parse(uri: &http::Uri, namespace: Option<&str>) -> Result<Self, TargetError> {
        let text = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        if text.len() > MAX_TARGET {
            return Err(TargetError::TooLong);
        }
        check_escapes(text)?;
        let (path, query) = text
            .split_once('?')
            .map_or((text, None), |(path, query)| (path, Some(query)));
        Ok(Self {
            path: match namespace {
                None => resolve_dots(path),
                Some(namespace) => web_path(namespace, path),
            },
            query: Query::parse(query),
        })
    }
}

/// Every `%` must be followed by two hexadecimal digits.
fn check_escapes(text: &str) -> Result<(), TargetError> {
    if !text.contains('%') {
        return Ok(());
    }
    let bytes = text.as_bytes();
    for (index, _) in bytes.iter().enumerate().filter(|&(_, &b)| b == b'%') {
        for at in [index + 1, index + 2] {
            match bytes.get(at) {
                Some(b) if b.is_ascii_hexdigit() => {}
                Some(&b) => {
                    let unexpected = format!("Invalid input '{}'", char::from(b));
                    return Err(TargetError::BadEscape {
                        unexpected,
                        column: at + 1,
                    });
                }
                None => {
                    let unexpected = "Unexpected end of input".to_owned();
                    return Err(TargetError::BadEscape {
                        unexpected,
                        column: at + 1,
                    });
                }
            }
        }
    }
    Ok(())
}

/// Resolves `.` and `..`, escaped or not, as the original does before it routes.
pub(super) fn resolve_dots(path: &str) -> String {
    if !path.contains("/.") && !path.contains('%') {
        return path.to_owned();
    }
    let dots = |segment: &str| matches!(percent_decode(segment).as_ref(), "." | "..");
    if !path.split('/').any(dots) {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in path.split('/').skip(1) {
        match percent_decode(segment).as_ref() {
            "." => ends_open = true,
            ".." => {
                kept.pop();
                ends_open = true;
            }
            _ => {
                kept.push(segment);
                ends_open = false;
            }
        }
    }
    let mut resolved: String = kept.iter().flat_map(|segment| ["/", segment]).collect();
    if ends_open || resolved.is_empty() {
        resolved.push('/');
    }
    resolved
}

/// Decodes percent escapes; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let digit = |b: Option<&u8>| {
        b.and_then(|&b| char::from(b).to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        match (b, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            _ => {
                decoded.push(b);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Writes the escapes of a path in their plainest form: needless ones decoded, digits in upper case.
pub(crate) fn normalized_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        for byte in percent_decode(segment).bytes() {
            if is_path_byte(byte) {
                out.push(char::from(byte));
            } else {
                push_escape(&mut out, byte);
            }
        }
    }
    out
}

/// True for what stands in a path segment as it is. Source: RFC 3986 §3.3, `pchar`.
pub(super) fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// Appends `%XX`.
pub(super) fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(&text.parse().unwrap(), None)
    }

    /// observed.md, rest-api §5.4; recordings `actions-faults/name-malformed-percent`.
    #[test]
    fn bad_escapes_are_refused_with_their_column() {
        assert_eq!(
            parse("/api/v1/namespaces/_/actions/a%zz")
                .unwrap_err()
                .to_string(),
            "Illegal request-target: Invalid input 'z', expected HEXDIG (line 1, column 32)"
        );
        assert_eq!(
            parse("/api/v1/namespaces/_/actions/a%")
                .unwrap_err()
                .to_string(),
            "Illegal request-target: Unexpected end of input, expected HEXDIG (line 1, column 32)"
        );
        assert_eq!(
            parse(&format!("/{}", "n".repeat(8192))).unwrap_err(),
            TargetError::TooLong
        );
    }

    #[test]
    fn dot_segments_are_resolved() {
        for (path, resolved) in [
            ("/a/../b", "/b"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/a//b", "/a//b"),
        ] {
            assert_eq!(parse(path).unwrap().path, resolved, "{path}");
        }
        assert_eq!(percent_decode("a%2Fb%FF"), "a/b\u{fffd}");
    }

    /// invocation §9.5; recordings `web/path-*`.
    #[test]
    fn escapes_of_paths_are_normalized() {
        for (path, normalized) in [
            ("", ""),
            ("//a//b/", "//a//b/"),
            ("/a%20b/c%2fd/%c3%a9", "/a%20b/c%2Fd/%C3%A9"),
            ("/%7Euser/a+b", "/~user/a+b"),
        ] {
            assert_eq!(normalized_path(path), normalized, "{path}");
        }
    }
}
