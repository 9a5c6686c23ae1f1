//! Paths and queries below `/api/v1`.

use std::fmt::Display;

use oxwhisk_entity::EntityName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a segment or value may hold as it is: the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Most elements, up to 200; 0 means 200. Default 30.
    pub limit: u32,
    /// How many of the newest are left out. Default 0.
    pub skip: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 30, skip: 0 }
    }
}

/// A path that grows by segments, and its query.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    path: String,
    query: String,
}

impl Route {
    /// `/api/v1/namespaces/{ns}`
    pub(crate) fn namespace(namespace: Option<&EntityName>) -> Self {
        Self::api()
            .then("namespaces")
            .then(namespace.map_or("_", EntityName::as_str))
    }

    /// `/api/v1`
    pub(crate) fn api() -> Self {
        Self {
            path: "/api/v1".to_owned(),
            query: String::new(),
        }
    }

    /// `/`
    pub(crate) fn root() -> Self {
        Self {
            path: "/".to_owned(),
            query: String::new(),
        }
    }

    pub(crate) fn then(mut self, segment: &str) -> Self {
        self.path.push('/');
        self.path.extend(utf8_percent_encode(segment, ESCAPED));
        self
    }

    /// Ends the path with a slash, which means the content of a package.
    pub(crate) fn content(mut self) -> Self {
        self.path.push('/');
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.query
            .push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self.query.push('=');
        let value = value.to_string();
        self.query.extend(utf8_percent_encode(&value, ESCAPED));
        self
    }

    pub(crate) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn page(self, page: Page) -> Self {
        self.with("limit", page.limit).with("skip", page.skip)
    }

    pub(crate) fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_escaped() {
        let namespace = EntityName::new("a b@c").unwrap();
        let route = Route::namespace(Some(&namespace))
            .then("actions")
            .then("p&q")
            .content()
            .page(Page::default())
            .with_some("name", Some("p/a"))
            .with_some("since", None::<u64>);
        assert_eq!(
            route.target(),
            "/api/v1/namespaces/a%20b%40c/actions/p%26q/?limit=30&skip=0&name=p%2Fa"
        );
        assert_eq!(Route::namespace(None).target(), "/api/v1/namespaces/_");
    }
}
