//! Addresses of web actions.

use oxwhisk_entity::{EntityName, FullyQualifiedName};

use crate::http::{normalized_path, percent_decode};
use crate::invocation::action_name;

/// The segment that stands for no package.
const NO_PACKAGE: &str = "default";

/// `/web/{namespace}/{package or default}/{action}{extension}{rest}`. Source: invocation §9.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebPath {
    pub(super) namespace: EntityName,
    pub(super) package: Option<EntityName>,
    pub(super) action: EntityName,
    pub(super) extension: Extension,
    /// What follows the action's segment, percent-encoded; empty, or begins with `/`.
    pub(super) rest: String,
}

/// How the result of a web action is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// The result is a description of an answer.
    Http,
    Json,
    Html,
    Svg,
    Text,
}

impl WebPath {
    /// Reads a path below the API's prefix; `None` if it is not of this shape.
    pub(crate) fn parse(below: &str) -> Option<Self> {
        let mut parts = below.strip_prefix("/web/")?.splitn(4, '/');
        let namespace = name(parts.next()?)?;
        let package = percent_decode(parts.next()?);
        let package = match package.as_ref() {
            NO_PACKAGE => None,
            // The original takes such a name for `default` with something behind it, which leads nowhere.
            longer if longer.starts_with(NO_PACKAGE) => return None,
            package => Some(EntityName::new(package).ok()?),
        };
        let segment = name(parts.next()?)?;
        let (action, extension) = Extension::split(segment.as_str());
        let rest = parts
            .next()
            .map(|rest| normalized_path(&format!("/{rest}")));
        Some(Self {
            namespace,
            package,
            action: EntityName::new(action).ok()?,
            extension,
            rest: rest.unwrap_or_default(),
        })
    }

    /// Whether something follows the action's segment.
    #[cfg(test)]
    pub(crate) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Returns the name of the action.
    pub(super) fn action_name(&self) -> FullyQualifiedName {
        action_name(&self.namespace, self.package.as_ref(), &self.action)
    }
}

impl Extension {
    const ALL: [(&str, Self); 5] = [
        (".http", Self::Http),
        (".json", Self::Json),
        (".html", Self::Html),
        (".svg", Self::Svg),
        (".text", Self::Text),
    ];

    /// Takes a known ending off a segment; without one, all of it is the action's name.
    fn split(segment: &str) -> (&str, Self) {
        let ending = |(ending, extension)| Some((segment.strip_suffix(ending)?, extension));
        Self::ALL
            .into_iter()
            .find_map(ending)
            .unwrap_or((segment, Self::Http))
    }
}

fn name(segment: &str) -> Option<EntityName> {
    EntityName::new(&percent_decode(segment)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(below: &str) -> Option<String> {
        let path = WebPath::parse(below)?;
        Some(format!(
            "{} {:?} {}",
            path.action_name(),
            path.extension,
            path.rest
        ))
    }

    /// invocation §9.1; recordings `web/extension-*`, `web/two-extensions`, `web/path-*`, `web/name-with-space`.
    #[test]
    fn paths_name_actions_and_what_follows() {
        for (below, expected) in [
            ("/web/guest/default/w", "guest/w Http "),
            ("/web/guest/default/w.json", "guest/w Json "),
            ("/web/guest/p/w.svg/", "guest/p/w Svg /"),
            ("/web/guest/p/w.html/a.json", "guest/p/w Html /a.json"),
            ("/web/guest/default/w.json.json", "guest/w.json Json "),
            ("/web/guest/default/w.JSON", "guest/w.JSON Http "),
            ("/web/guest/default/w.text//a//b", "guest/w Text //a//b"),
            (
                "/web/guest/default/w%20x.http/a%20b/c%2Fd",
                "guest/w x Http /a%20b/c%2Fd",
            ),
            ("/web/_/default/w", "_/w Http "),
        ] {
            assert_eq!(shown(below).as_deref(), Some(expected), "{below}");
        }
    }

    /// Recordings `web/too-few-segments`, `web/name-illegal`, `web/package-name-starting-with-default`.
    #[test]
    fn other_paths_lead_nowhere() {
        for below in [
            "/web",
            "/web/guest",
            "/web/guest/default",
            "/web/guest/default/",
            "/web//default/w",
            "/web/guest/default/-w",
            "/web/guest/-p/w",
            "/web/guest/defaults/w",
            "/web/guest/default/.json",
            "/webs/guest/default/w",
        ] {
            assert_eq!(shown(below), None, "{below}");
        }
    }
}
