//! What a conductor answers.

use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{EntityName, EntityPath, FullyQualifiedName, Json};

/// What comes next in a composition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Continuation {
    /// The end; the result if the conductor names one, else everything that it answered.
    End(Json),
    /// Another action.
    Next(Next),
    /// An answer that is no object.
    Unreadable,
}

/// An action to run next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    /// Its name, or the value that is none.
    pub(super) action: Result<FullyQualifiedName, Json>,
    /// Its arguments.
    pub(super) params: Json,
    /// What the conductor is given back after it.
    pub(super) state: Option<Json>,
}

impl Continuation {
    /// Reads `{"action"?, "params"?, "state"?}`; names without a namespace are in `namespace`.
    pub(super) fn read(result: &Json, namespace: &EntityName) -> Self {
        let Some(members) = result.members() else {
            return Self::Unreadable;
        };
        let params = members.get("params").map(|value| boxed(value, "value"));
        let Some(action) = members.get("action") else {
            return Self::End(params.unwrap_or_else(|| result.clone()));
        };
        Self::Next(Next {
            action: action_name(action, namespace).ok_or_else(|| action.clone()),
            params: params.unwrap_or_else(Json::empty_object),
            state: members.get("state").map(|value| boxed(value, "state")),
        })
    }
}

/// Returns an object as it is, anything else as the member of one.
fn boxed(value: &Json, member: &str) -> Json {
    match value.kind() {
        JsonKind::Object => value.clone(),
        _ => Json::from_canonical(format!("{{\"{member}\":{value}}}")),
    }
}

/// Reads `a`, `p/a`, `/n/a`, `/n/p/a` or `n/p/a`; a namespace `_` is the caller's.
fn action_name(value: &Json, namespace: &EntityName) -> Option<FullyQualifiedName> {
    let text = value.as_str()?;
    let absolute = text.starts_with('/');
    let parts: Vec<&str> = text.strip_prefix('/').unwrap_or(&text).split('/').collect();
    let name = |part: &str| EntityName::new(part).ok();
    let own = EntityPath::from(namespace);
    let (path, last) = match (absolute, parts.as_slice()) {
        (false, [action]) => (own, action),
        (false, [package, action]) => (own.join(&name(package)?), action),
        (true, [root, action]) => (EntityPath::from(&name(root)?).resolve(namespace), action),
        (_, [root, package, action]) => (
            EntityPath::from(&name(root)?)
                .resolve(namespace)
                .join(&name(package)?),
            action,
        ),
        _ => return None,
    };
    Some(FullyQualifiedName::new(path, name(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// invocation §5.2, composer §2; recordings `conductors/name-*` and `bad-name-*`.
    #[test]
    fn names_are_resolved() {
        let namespace = EntityName::new("guest").unwrap();
        let read =
            |text: &str| action_name(&Json::from(text), &namespace).map(|name| name.to_string());
        for (text, name) in [
            ("a", "guest/a"),
            ("p/a", "guest/p/a"),
            ("/_/a", "guest/a"),
            ("/_/p/a", "guest/p/a"),
            ("/n/a", "n/a"),
            ("n/p/a", "n/p/a"),
        ] {
            assert_eq!(read(text).as_deref(), Some(name), "{text}");
        }
        for bad in ["", "/a", "/n/p/q/a", "a b/c/d/e", "-x", "/n//a"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_are_boxed() {
        let namespace = EntityName::new("guest").unwrap();
        let read =
            |text: &str| Continuation::read(&Json::parse(text.as_bytes()).unwrap(), &namespace);
        assert_eq!(
            read(r#"{"params":5}"#),
            Continuation::End(Json::from_canonical(r#"{"value":5}"#.to_owned()))
        );
        assert_eq!(read("[1]"), Continuation::Unreadable);
        let Continuation::Next(next) = read(r#"{"action":null,"state":1}"#) else {
            panic!("an action is named")
        };
        assert_eq!(
            (next.action, next.state),
            (
                Err(Json::null()),
                Some(Json::from_canonical(r#"{"state":1}"#.to_owned()))
            )
        );
    }
}
