//! Settings: flags before environment before file before defaults, all problems reported together.

mod features;
mod keys;
mod sources;

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use oxwhisk_container::sandbox::{EgressPolicy, EgressRules};
use oxwhisk_controller::{ApiHosts, FeatureFlags, Limits};
use oxwhisk_entity::{Bound, ByteSize, LimitBounds, RecordKeeping};

pub(crate) use keys::SETTINGS;
pub(crate) use sources::{Problems, Sources};

/// Everything that `oxwhisk standalone` can be told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Port on the loopback address; 0 picks a free one.
    pub(crate) port: u16,
    /// Names of the server below which each namespace has a host of its own.
    pub(crate) api_hosts: ApiHosts,
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// Least severe level that is logged to standard error.
    pub(crate) log: tracing::Level,
    /// Threads of the server; the invoker's containers are processes of their own.
    pub(crate) workers: usize,
    /// Whether the thread stays awake for a moment while requests follow each other closely.
    pub(crate) busy_poll: bool,
    /// Limits of the deployment.
    pub(crate) limits: Limits,
    /// Longest wait of a blocking invocation.
    pub(crate) max_blocking_wait: Duration,
    /// What goes over the wire.
    pub(crate) features: FeatureFlags,
    /// Which activation records are stored, and when they are on the disk.
    pub(crate) records: RecordKeeping,
    /// The invoker's settings.
    pub(crate) invoker: InvokerSettings,
    /// A manifest in place of the one made from what is installed.
    pub(crate) manifest: Option<PathBuf>,
    /// How containers reach the network.
    pub(crate) network: NetworkMode,
    /// What they reach in mode `egress`.
    pub(crate) egress: EgressPolicy,
    /// Where the runtimes' launchers are; found beside the program or in the source tree if unset.
    pub(crate) runtimes_dir: Option<PathBuf>,
    /// Age at which activation records are removed.
    pub(crate) retention_age: Duration,
    /// Total size of activation records above which the oldest are removed.
    pub(crate) retention_size: ByteSize,
}

/// What the invoker is told.
#[derive(Debug, Clone)]
pub(crate) struct InvokerSettings {
    /// Memory of all containers together.
    pub(crate) user_memory: ByteSize,
    /// Rest after which a container is paused.
    pub(crate) pause_grace: Duration,
    /// Rest after which a container is removed.
    pub(crate) idle_container_timeout: Duration,
}

/// How containers reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkMode {
    /// Only the API.
    Api,
    /// The API and the internet.
    Egress,
    /// Whatever the host reaches.
    Host,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    /// All problems together, one a line.
    pub(crate) fn resolve(sources: Sources) -> Result<Self, Problems> {
        let problems = sources.problems();
        let mut read = Reader { sources, problems };
        let settings = Self {
            port: read.parsed("port", "a number from 0 to 65535"),
            api_hosts: read.api_hosts(),
            data_dir: PathBuf::from(read.text("data_dir")),
            log: read.parsed("log", "one of error, warn, info, debug, trace"),
            workers: read.parsed("workers", "a whole number"),
            busy_poll: read.flag("busy_poll"),
            limits: read.limits(),
            max_blocking_wait: read.max_blocking_wait(),
            features: read.features(),
            records: read.records(),
            invoker: InvokerSettings {
                user_memory: read.size("invoker.user_memory"),
                pause_grace: read.duration("invoker.pause_grace"),
                idle_container_timeout: read.duration("invoker.idle_container_timeout"),
            },
            manifest: read.path("runtimes.manifest"),
            runtimes_dir: read.path("runtimes.dir"),
            network: read.network(),
            egress: read.egress(),
            retention_age: read.duration("activations.retention_age"),
            retention_size: read.size("activations.retention_size"),
        };
        if settings.workers == 0 {
            read.problems.add("workers", "must be at least 1");
        }
        read.sources.report_unknown(&mut read.problems);
        if read.problems.is_empty() {
            Ok(settings)
        } else {
            Err(read.problems)
        }
    }
}

struct Reader {
    sources: Sources,
    problems: Problems,
}

impl Reader {
    fn text(&mut self, key: &'static str) -> String {
        self.sources.get(key)
    }

    fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn parsed<T: FromStr + Fallback>(&mut self, key: &'static str, expected: &str) -> T {
        let text = self.text(key);
        text.parse().unwrap_or_else(|_| {
            self.problems
                .add(key, &format!("`{text}` is not {expected}"));
            T::fallback()
        })
    }

    fn size(&mut self, key: &'static str) -> ByteSize {
        let text = self.text(key);
        ByteSize::parse(&text).unwrap_or_else(|| {
            self.problems
                .add(key, &format!("`{text}` is not a size such as 256MB"));
            ByteSize::default()
        })
    }

    fn duration(&mut self, key: &'static str) -> Duration {
        let text = self.text(key);
        humantime::parse_duration(&text).unwrap_or_else(|_| {
            self.problems
                .add(key, &format!("`{text}` is not a time such as 5s or 10m"));
            Duration::ZERO
        })
    }

    fn network(&mut self) -> NetworkMode {
        match self.text("invoker.network").as_str() {
            "api" => NetworkMode::Api,
            "egress" => NetworkMode::Egress,
            "host" => NetworkMode::Host,
            other => {
                self.problems.add(
                    "invoker.network",
                    &format!("`{other}` is not one of api, egress, host"),
                );
                NetworkMode::Api
            }
        }
    }

    fn egress(&mut self) -> EgressPolicy {
        EgressPolicy {
            rules: EgressRules {
                allow: self.networks("invoker.egress_allow"),
                deny: self.networks("invoker.egress_deny"),
            },
            connections: self.parsed("invoker.egress_connections", "a whole number"),
        }
    }

    fn api_hosts(&mut self) -> ApiHosts {
        let expected = "the name of a host such as example.com";
        let names = self.list("api_hosts", expected, |word| word.parse().ok());
        names.into_iter().collect()
    }

    /// Reads addresses and prefixes separated by commas.
    fn networks<T: FromStr + From<IpAddr>>(&mut self, key: &'static str) -> Vec<T> {
        self.list(key, "an address or a prefix such as 10.0.0.0/8", |word| {
            let address = || word.parse().map(IpAddr::into);
            word.parse().or_else(|_| address()).ok()
        })
    }

    /// Reads what is separated by commas.
    fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let text = self.text(key);
        let mut list = Vec::new();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match read(word) {
                Some(element) => list.push(element),
                None => self
                    .problems
                    .add(key, &format!("`{word}` is not {expected}")),
            }
        }
        list
    }

    fn limits(&mut self) -> Limits {
        let count = "a whole number";
        Limits {
            invocations_per_minute: self.parsed("limits.invocations_per_minute", count),
            fires_per_minute: self.parsed("limits.fires_per_minute", count),
            concurrent_invocations: self.parsed("limits.concurrent_invocations", count),
            sequence_length: self.parsed("limits.sequence_length", count),
            action: LimitBounds {
                timeout: self.bound(
                    "limits.timeout_min",
                    "limits.timeout_max",
                    Self::milliseconds,
                ),
                memory: self.bound("limits.memory_min", "limits.memory_max", Self::mebibytes),
                logs: self.bound("limits.logs_min", "limits.logs_max", Self::mebibytes),
                concurrency: self.bound(
                    "limits.concurrency_min",
                    "limits.concurrency_max",
                    |read, key| read.parsed(key, count),
                ),
            },
            exec: self.size("limits.code"),
            parameters: self.size("limits.parameters"),
            payload: self.size("limits.payload"),
        }
    }

    fn bound(
        &mut self,
        min: &'static str,
        max: &'static str,
        read: impl Fn(&mut Self, &'static str) -> i32,
    ) -> Bound {
        let known = self.problems.len();
        let bound = Bound {
            min: read(self, min),
            max: read(self, max),
        };
        // What stands in for a value that cannot be read says nothing about the other.
        if self.problems.len() == known && bound.min > bound.max {
            self.problems
                .add(min, &format!("must not be above `{max}`"));
        }
        bound
    }

    fn milliseconds(&mut self, key: &'static str) -> i32 {
        let ms = self.duration(key).as_millis();
        self.fits(key, i32::try_from(ms).ok())
    }

    fn mebibytes(&mut self, key: &'static str) -> i32 {
        let size = self.size(key);
        self.fits(
            key,
            i32::try_from(size.as_mib())
                .ok()
                .filter(|_| size == ByteSize::mib(size.as_mib())),
        )
    }

    fn fits(&mut self, key: &'static str, value: Option<i32>) -> i32 {
        value.unwrap_or_else(|| {
            self.problems.add(
                key,
                "is too large, or not a multiple of its unit (1 ms, 1 MB)",
            );
            0
        })
    }
}

/// What stands in for a value that could not be read; never used, since the problem is reported.
trait Fallback {
    fn fallback() -> Self;
}

impl Fallback for u16 {
    fn fallback() -> Self {
        0
    }
}

impl Fallback for u32 {
    fn fallback() -> Self {
        0
    }
}

impl Fallback for i32 {
    fn fallback() -> Self {
        0
    }
}

impl Fallback for bool {
    fn fallback() -> Self {
        false
    }
}

impl Fallback for usize {
    fn fallback() -> Self {
        1
    }
}

impl Fallback for tracing::Level {
    fn fallback() -> Self {
        Self::WARN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn resolve(
        flags: &[(&'static str, &str)],
        environment: &[(&str, &str)],
        file: &str,
    ) -> Result<Settings, String> {
        let flags = flags
            .iter()
            .map(|&(key, value)| (key, value.to_owned()))
            .collect();
        let lookup = |name: &str| {
            environment
                .iter()
                .find(|(found, _)| *found == name)
                .map(|(_, v)| (*v).to_owned())
        };
        let names = environment
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let sources = Sources::new(flags, names, lookup, Some(file))
            .map_err(|problems| problems.to_string())?;
        Settings::resolve(sources).map_err(|problems| problems.to_string())
    }

    #[test]
    fn flags_come_before_environment_before_file_before_defaults() {
        let file = "port = 1\n[limits]\ninvocations_per_minute = 5\nmemory_max = \"1GB\"";
        let settings = resolve(
            &[("port", "3")],
            &[("OXWHISK_PORT", "2"), ("OXWHISK_LOG", "debug")],
            file,
        )
        .unwrap();
        assert_eq!((settings.port, settings.log), (3, tracing::Level::DEBUG));
        assert_eq!(settings.limits.invocations_per_minute, 5);
        assert_eq!(
            settings.limits.action.memory,
            Bound {
                min: 128,
                max: 1024
            }
        );
        assert_eq!(settings.limits.concurrent_invocations, 30);
    }

    #[test]
    fn a_file_that_is_no_toml_is_told_with_its_line() {
        assert_eq!(
            resolve(&[], &[], "port = 1\nlog =\n").unwrap_err(),
            "the settings cannot be used:\n  the file is no TOML, line 2: string values must be quoted, expected literal string"
        );
    }

    #[test]
    fn networks_are_read_as_prefixes_and_addresses() {
        let settings = resolve(&[], &[], "").unwrap();
        assert_eq!(settings.egress, EgressPolicy::default());
        let file = "[invoker]\nnetwork = \"egress\"\negress_allow = \"10.1.0.0/16, 192.0.2.7,fd00::/8\"\negress_deny = \"203.0.113.0/24\"";
        let settings = resolve(&[], &[], file).unwrap();
        let rules = settings.egress.rules;
        let allowed: Vec<String> = rules.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["10.1.0.0/16", "192.0.2.7/32", "fd00::/8"]);
        assert_eq!(rules.deny, ["203.0.113.0/24".parse().unwrap()]);
        let problems = resolve(&[("invoker.egress_allow", "10.0.0.0/33, x")], &[], "").unwrap_err();
        for word in ["10.0.0.0/33", "x"] {
            assert!(
                problems.contains(&format!("`{word}` is not an address or a prefix")),
                "{problems}"
            );
        }
    }

    /// rest-api §14.
    #[test]
    fn hosts_are_read_as_names() {
        let hosts = |names: &[&str]| -> ApiHosts {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        let settings = resolve(&[], &[], "").unwrap();
        assert_eq!(settings.api_hosts, hosts(&["localhost"]));
        let settings = resolve(&[], &[("OXWHISK_API_HOSTS", "")], "").unwrap();
        assert_eq!(settings.api_hosts, hosts(&[]));
        let file = "api_hosts = \"localhost, ow.Example.com\"";
        let settings = resolve(&[], &[], file).unwrap();
        assert_eq!(settings.api_hosts, hosts(&["localhost", "ow.example.com"]));
    }

    #[test]
    fn all_problems_are_reported_together() {
        let file = "prot = 1\napi_hosts = \"a:80,b.c, 127.0.0.1\"\n[limits]\nmemory_min = \"1GB\"\ntimeout_max = \"soon\"";
        let problems =
            resolve(&[], &[("OXWHISK_PORT", "x"), ("OXWHISK_PROT", "1")], file).unwrap_err();
        for expected in [
            "port: `x` is not a number from 0 to 65535 (from OXWHISK_PORT)",
            "api_hosts: `a:80` is not the name of a host such as example.com (in the file)",
            "api_hosts: `127.0.0.1` is not the name of a host such as example.com (in the file)",
            "limits.memory_min: must not be above `limits.memory_max`",
            "limits.timeout_max: `soon` is not a time such as 5s or 10m",
            "prot: there is no such setting (in the file)",
            "OXWHISK_PROT: there is no such setting",
        ] {
            assert!(
                problems.contains(expected),
                "{expected} is missing in:\n{problems}"
            );
        }
    }
}
