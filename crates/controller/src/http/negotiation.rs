//! Whether the caller takes the answer.

use http::header::{ACCEPT, ACCEPT_CHARSET};
use http::{HeaderMap, HeaderName};

/// Returns whether `Accept` of a request allows an answer of this type.
///
/// Of repeated headers the last counts; one that cannot be parsed is ignored. Source: rest-api §2.1, §5.4, observed.md.
pub(crate) fn accepts_type(headers: &HeaderMap, media_type: &str) -> bool {
    last(headers, ACCEPT).is_none_or(|accept| allows_type(accept, media_type))
}

/// Returns whether `Accept-Charset` of a request allows a text in UTF-8.
pub(crate) fn accepts_utf8(headers: &HeaderMap) -> bool {
    last(headers, ACCEPT_CHARSET).is_none_or(allows_charset)
}

fn last(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let value = headers.get_all(name).iter().next_back()?;
    value.to_str().ok()
}

fn allows_type(accept: &str, media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or(media_type).trim();
    let family = media_type.split('/').next().unwrap_or_default();
    let mut best: Option<(u8, f32)> = None;
    for range in accept.split(',') {
        let Some((name, quality)) = parse_range(range) else {
            return true;
        };
        let rank = if name == media_type {
            2
        } else if name.strip_suffix("/*").is_some_and(|found| found == family) {
            1
        } else if name == "*/*" {
            0
        } else {
            continue;
        };
        if best.is_none_or(|(found, _)| rank >= found) {
            best = Some((rank, quality));
        }
    }
    best.is_some_and(|(_, quality)| quality > 0.0)
}

/// Reads `type/subtype;q=n`; `None` if it is no media range.
fn parse_range(range: &str) -> Option<(String, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let (family, subtype) = name.split_once('/')?;
    if family.is_empty() || subtype.is_empty() {
        return None;
    }
    let quality = parts
        .find_map(|part| part.strip_prefix("q="))
        .and_then(|q| q.trim().parse().ok());
    Some((name, quality.unwrap_or(1.0)))
}

fn allows_charset(accept: &str) -> bool {
    let mut any = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality: f32 = parts
            .find_map(|part| part.strip_prefix("q="))
            .and_then(|q| q.parse().ok())
            .unwrap_or(1.0);
        match name.as_str() {
            "utf-8" | "utf8" => return quality > 0.0,
            "*" => any = Some(quality > 0.0),
            _ => {}
        }
    }
    any.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recordings `auth/accept-*`.
    #[test]
    fn media_ranges_are_matched() {
        for (accept, taken) in [
            ("application/json", true),
            ("*/*", true),
            ("application/*", true),
            ("text/html", false),
            ("application/json;q=0", false),
            ("text/html, application/json;q=0.1", true),
            ("application/json;q=0, */*", false),
            ("nonsense", true),
        ] {
            assert_eq!(allows_type(accept, "application/json"), taken, "{accept}");
        }
        assert!(!allows_charset("iso-8859-1"));
        assert!(allows_charset("iso-8859-1, *;q=0.1"));
    }
}
