//! The entities of one client, and what the answers about them must be.

use serde_json::{Value, json};

use super::actions::{ECHO, node};
use super::client::{Client, Expected, NAMESPACE};

/// What a client has stored: the version of each entity, `0.0.n`, or nothing.
#[derive(Debug, Default)]
pub(super) struct Own {
    action: Option<u32>,
    package: Option<u32>,
    /// An action in the package.
    packaged: Option<u32>,
    trigger: Option<u32>,
    rule: Option<u32>,
    /// Whether the rule is in force.
    is_active: bool,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Action,
    Package,
    Packaged,
    Trigger,
    Rule,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Action,
        Self::Package,
        Self::Packaged,
        Self::Trigger,
        Self::Rule,
    ];

    fn path(self, number: usize) -> String {
        let rest = match self {
            Self::Action => format!("actions/soak-{number}-a"),
            Self::Package => format!("packages/soak-{number}-p"),
            Self::Packaged => format!("actions/soak-{number}-p/a"),
            Self::Trigger => format!("triggers/soak-{number}-t"),
            Self::Rule => format!("rules/soak-{number}-r"),
        };
        format!("{NAMESPACE}/{rest}")
    }

    fn body(self, number: usize) -> Value {
        match self {
            Self::Action | Self::Packaged => node(ECHO),
            Self::Package | Self::Trigger => {
                json!({"parameters": [{"key": "client", "value": number}]})
            }
            Self::Rule => {
                json!({"trigger": format!("/_/soak-{number}-t"), "action": "/_/soak-echo"})
            }
        }
    }
}

impl Own {
    fn version(&mut self, kind: Kind) -> &mut Option<u32> {
        match kind {
            Kind::Action => &mut self.action,
            Kind::Package => &mut self.package,
            Kind::Packaged => &mut self.packaged,
            Kind::Trigger => &mut self.trigger,
            Kind::Rule => &mut self.rule,
        }
    }
}

impl Client {
    pub(super) async fn use_own_entities(&mut self) {
        let kind = self.random.choice(Kind::ALL).unwrap_or(Kind::Action);
        match self.random.u8(0..20) {
            0..5 => self.create(kind).await,
            5..8 => self.update(kind).await,
            8..12 => self.read(kind).await,
            12..14 => self.delete(kind).await,
            14..18 => self.fire().await,
            18 => self.switch_rule().await,
            _ => self.invoke_own().await,
        }
    }

    /// A rule needs its trigger, an action in a package the package.
    fn lacks_its_base(&self, kind: Kind) -> Option<u16> {
        match kind {
            Kind::Packaged if self.own.package.is_none() => Some(404),
            Kind::Rule if self.own.trigger.is_none() => Some(400),
            _ => None,
        }
    }

    async fn create(&mut self, kind: Kind) {
        let expected = match self.own.version(kind) {
            Some(_) => 409,
            None => self.lacks_its_base(kind).unwrap_or(200),
        };
        self.put(kind, "create", "", expected).await;
    }

    async fn update(&mut self, kind: Kind) {
        let expected = self.lacks_its_base(kind).unwrap_or(200);
        self.put(kind, "update", "?overwrite=true", expected).await;
    }

    async fn put(&mut self, kind: Kind, what: &'static str, query: &str, expected: u16) {
        let path = kind.path(self.number) + query;
        let body = kind.body(self.number);
        let answer = self
            .json(what, ("PUT", &path), Some(&body), &[expected])
            .await;
        let Some((200, stored)) = answer else { return };
        let version = self.own.version(kind);
        let is_new = version.is_none();
        let next = version.map_or(1, |version| version + 1);
        *version = Some(next);
        if kind == Kind::Rule && is_new {
            self.own.is_active = true;
        }
        let found = stored.get("version").cloned().unwrap_or_default();
        self.expect(&path, &found, &json!(format!("0.0.{next}")));
    }

    async fn read(&mut self, kind: Kind) {
        let path = kind.path(self.number);
        let version = *self.own.version(kind);
        let status = if version.is_some() { 200 } else { 404 };
        let answer = self.json("read", ("GET", &path), None, &[status]).await;
        if let (Some((_, found)), Some(version)) = (answer, version) {
            let found_version = found.get("version").cloned().unwrap_or_default();
            self.expect(&path, &found_version, &json!(format!("0.0.{version}")));
            if kind == Kind::Rule {
                let expected = if self.is_in_force() {
                    "active"
                } else {
                    "inactive"
                };
                let status = found.get("status").cloned().unwrap_or_default();
                self.expect(&path, &status, &json!(expected));
            }
        }
    }

    fn is_in_force(&self) -> bool {
        self.own.rule.is_some() && self.own.trigger.is_some() && self.own.is_active
    }

    async fn delete(&mut self, kind: Kind) {
        let is_full = kind == Kind::Package && self.own.packaged.is_some();
        let query = if is_full && self.random.bool() {
            "?force=true"
        } else {
            ""
        };
        let expected = match self.own.version(kind) {
            None => 404,
            Some(_) if is_full && query.is_empty() => 409,
            Some(_) => 200,
        };
        let path = kind.path(self.number) + query;
        let answer = self
            .call("delete", ("DELETE", &path), None, &[expected])
            .await;
        if answer.is_none_or(|answer| answer.status() != 200) {
            return;
        }
        *self.own.version(kind) = None;
        match kind {
            Kind::Package => self.own.packaged = None,
            // The link goes with the trigger.
            Kind::Trigger => self.own.is_active = false,
            Kind::Action | Kind::Packaged | Kind::Rule => {}
        }
    }

    async fn fire(&mut self) {
        let path = Kind::Trigger.path(self.number);
        let expected = match (self.own.trigger, self.is_in_force()) {
            (None, _) => 404,
            (Some(_), false) => 204,
            (Some(_), true) => 202,
        };
        let body = json!({"n": 1});
        let answer = self
            .call("fire", ("POST", &path), Some(&body), &[expected])
            .await;
        let Some(answer) = answer.filter(|answer| answer.status() == 202) else {
            return;
        };
        match answer.json() {
            Ok(accepted) => self.accept(&path, &accepted, Expected::Firing { rules: 1 }),
            Err(error) => self.ledger.fault(format!("{path}: {error:?}")),
        }
    }

    async fn switch_rule(&mut self) {
        let path = Kind::Rule.path(self.number);
        let wanted = self.random.bool();
        let status = if wanted { "active" } else { "inactive" };
        let expected = match (self.own.rule, self.own.trigger) {
            (None, _) => 404,
            (Some(_), None) if wanted => 404,
            _ => 200,
        };
        let body = json!({ "status": status });
        let answer = self
            .call("switch rule", ("POST", &path), Some(&body), &[expected])
            .await;
        if answer.is_some_and(|answer| answer.status() == 200) && self.own.trigger.is_some() {
            self.own.is_active = wanted;
        }
    }

    async fn invoke_own(&mut self) {
        let kind = self.random.choice([Kind::Action, Kind::Packaged]);
        let kind = kind.unwrap_or(Kind::Action);
        let path = kind.path(self.number) + "?blocking=true";
        let allowed: &[u16] = match self.own.version(kind) {
            Some(_) => &[200, 202],
            None => &[404],
        };
        let body = json!({"n": self.number});
        let answer = self
            .json("invoke own", ("POST", &path), Some(&body), allowed)
            .await;
        // One that has not ended may find its action deleted.
        if let Some((200, found)) = answer {
            self.accept(&path, &found, Expected::Result(body));
        }
    }

    pub(super) async fn remove_own_entities(&mut self) {
        for kind in [
            Kind::Rule,
            Kind::Trigger,
            Kind::Packaged,
            Kind::Package,
            Kind::Action,
        ] {
            if self.own.version(kind).is_some() {
                self.delete(kind).await;
            }
        }
    }
}
