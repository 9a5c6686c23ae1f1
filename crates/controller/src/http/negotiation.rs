//! Whether the caller takes the answer.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_CHARSET};

/// Returns whether the `Accept` headers of a request allow an answer of this type.
///
/// All of them count together; one that cannot be parsed is ignored. Source: rest-api §2.1, §5.4, observed.md.
pub(crate) fn accepts_type(headers: &HeaderMap, media_type: &str) -> bool {
    let headers = headers.get_all(ACCEPT).iter();
    allows_type(headers.filter_map(|value| value.to_str().ok()), media_type)
}

/// Returns whether `Accept-Charset` of a request allows a text in UTF-8. Of repeated headers the last counts.
pub(crate) fn accepts_utf8(headers: &HeaderMap) -> bool {
    let last = headers.get_all(ACCEPT_CHARSET).iter().next_back();
    last.and_then(|value| value.to_str().ok())
        .is_none_or(allows_charset)
}

fn allows_type<'a>(headers: impl Iterator<Item = &'a str>, media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or(media_type).trim();
    let family = media_type.split('/').next().unwrap_or_default();
    let mut asked = false;
    let mut best: Option<(u8, f32)> = None;
    for header in headers {
        let ranges: Option<Vec<_>> = header.split(',').map(parse_range).collect();
        for (name, quality) in ranges.unwrap_or_default() {
            asked = true;
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
    }
    !asked || best.is_some_and(|(_, quality)| quality > 0.0)
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

    /// Recordings `auth/accept-*`, `web/headers-duplicates`.
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
            let allowed = allows_type([accept].into_iter(), "application/json");
            assert_eq!(allowed, taken, "{accept}");
        }
        let several = ["application/json", "text/html"];
        assert!(allows_type(several.into_iter(), "application/json"));
        assert!(!allows_charset("iso-8859-1"));
        assert!(allows_charset("iso-8859-1, *;q=0.1"));
    }
}
