//! What the sandbox tests share: a factory with the test helper, launchers, requests.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_container::discovery::{Family, Interpreter, Places, find};
use oxwhisk_container::sandbox::{
    ApiListeners, ControlGroups, HelperProgram, NetworkMode, SandboxConfig, SandboxFactory,
};
use oxwhisk_container::{
    Container, ContainerError, ContainerFactory, ContainerId, ContainerSpec, Logs, Response,
    ResponseLimit, Runtime,
};
use oxwhisk_entity::{ActivationId, ByteSize};

pub(crate) const LIMIT: ResponseLimit = ResponseLimit {
    max: ByteSize::mib(1),
    truncation: ByteSize::mib(1),
};
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const API_PORT: u16 = 3233;

/// Keeps the listeners of containers.
#[derive(Debug, Default)]
pub(crate) struct Listeners(pub(crate) Mutex<BTreeMap<ContainerId, TcpListener>>);

impl ApiListeners for Listeners {
    fn opened(&self, container: &ContainerId, listener: TcpListener) {
        self.0.lock().unwrap().insert(container.clone(), listener);
    }

    fn closed(&self, container: &ContainerId) {
        self.0.lock().unwrap().remove(container);
    }
}

/// Where the helper is, if not where Cargo has put it.
pub(crate) const HELPER_VARIABLE: &str = "OXWHISK_TEST_HELPER";

pub(crate) fn config() -> SandboxConfig {
    let listeners = Arc::new(Listeners::default());
    let helper = std::env::var_os(HELPER_VARIABLE).map_or_else(
        || env!("CARGO_BIN_EXE_oxwhisk-sandbox-helper").into(),
        PathBuf::from,
    );
    SandboxConfig {
        helper: HelperProgram(helper),
        ..SandboxConfig::new(NetworkMode::Api {
            port: API_PORT,
            listeners,
        })
    }
}

pub(crate) async fn factory() -> SandboxFactory {
    SandboxFactory::start(config()).await.unwrap()
}

/// The launchers, where also an ordinary user can read them.
pub(crate) fn launcher(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // One folder for all runs of the tests; a file is put there whole, whoever reads it meanwhile.
        let user = rustix::process::geteuid().as_raw();
        let folder = std::env::temp_dir().join(format!("oxwhisk-test-launchers-{user}"));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("launcher.js", include_str!("launchers/launcher.js")),
            ("launcher.py", include_str!("launchers/launcher.py")),
            ("http_runtime.js", include_str!("launchers/http_runtime.js")),
        ] {
            let partial = folder.join(format!("{name}.{}", std::process::id()));
            std::fs::write(&partial, text).unwrap();
            std::fs::rename(&partial, folder.join(name)).unwrap();
        }
        folder
    });
    folder.join(name)
}

fn interpreter(family: Family) -> Runtime {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        find(&Places {
            path: std::env::var_os("PATH"),
            home,
            cache_dir: None,
        })
    });
    found
        .iter()
        .find(|one| one.family == family)
        .expect("the tests need Node.js and Python 3")
        .runtime
        .clone()
}

fn runtime(family: Family, arguments: &[&str], launcher: PathBuf) -> Arc<Runtime> {
    let mut runtime = interpreter(family);
    runtime
        .command
        .extend(arguments.iter().map(|&argument| argument.to_owned()));
    runtime.command.push(launcher.to_str().unwrap().to_owned());
    runtime.readable.push(launcher);
    Arc::new(runtime)
}

pub(crate) fn node() -> Arc<Runtime> {
    runtime(Family::Node, &[], launcher("launcher.js"))
}

pub(crate) fn python() -> Arc<Runtime> {
    runtime(Family::Python, &["-S"], launcher("launcher.py"))
}

/// A runtime that is ready as soon as it runs and then waits for its end.
pub(crate) fn ready_at_once() -> Arc<Runtime> {
    let readable = interpreter(Family::Node).readable;
    let script = "echo '{\"ready\":true}' >&3; read line <&3";
    Arc::new(Runtime {
        kind: "sh:test".into(),
        command: vec!["/bin/sh".into(), "-c".into(), script.into()],
        readable,
        environment: vec![],
    })
}

pub(crate) fn spec(runtime: &Arc<Runtime>) -> ContainerSpec {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    ContainerSpec {
        id: ContainerId::new(format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))),
        runtime: runtime.clone(),
        memory: ByteSize::mib(256),
        concurrency: 1,
        environment: BTreeMap::new(),
    }
}

pub(crate) fn init_body(code: &str) -> Bytes {
    let code = serde_json::to_string(code).unwrap();
    format!("{{\"value\":{{\"name\":\"a\",\"main\":\"main\",\"code\":{code},\"binary\":false}}}}")
        .into()
}

pub(crate) fn run_body(id: ActivationId, value: &str) -> Bytes {
    format!("{{\"value\":{value},\"activation_id\":\"{id}\"}}").into()
}

pub(crate) fn id(number: u128) -> ActivationId {
    ActivationId::from(number)
}

/// Starts a container and initialises it with the code.
pub(crate) async fn started(
    factory: &dyn ContainerFactory,
    spec: ContainerSpec,
    code: &str,
) -> Arc<dyn Container> {
    let container = factory.create(spec).await.unwrap();
    let response = container
        .init(init_body(code), MINUTE, LIMIT)
        .await
        .unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    container
}

pub(crate) async fn run(
    container: &dyn Container,
    value: &str,
) -> Result<Response, ContainerError> {
    container
        .run(id(1), run_body(id(1), value), MINUTE, LIMIT)
        .await
}

pub(crate) async fn logs(container: &dyn Container) -> Logs {
    container.logs(id(1), ByteSize::mib(10), MINUTE).await
}

pub(crate) fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.entity).unwrap()
}

/// Environment that marks all processes of a container.
pub(crate) fn marked(mut spec: ContainerSpec) -> (ContainerSpec, String) {
    let mark = format!("OXWHISK_TEST_MARK={}-{}", std::process::id(), spec.id);
    let (name, value) = mark.split_once('=').unwrap();
    spec.environment.insert(name.to_owned(), value.to_owned());
    (spec, mark)
}

/// Processes of the host that carry the mark in their environment.
pub(crate) fn processes(mark: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == mark.as_bytes())
        {
            found.push(pid);
        }
    }
    found
}

/// Folders of control groups that belong to a server process.
pub(crate) fn control_groups(server: u32) -> Vec<PathBuf> {
    fn look(folder: &std::path::Path, wanted: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(wanted))
            {
                found.push(entry.path());
            }
            look(&entry.path(), wanted, found);
        }
    }
    let mut found = Vec::new();
    look(
        std::path::Path::new("/sys/fs/cgroup"),
        &format!("oxwhisk-{server}-"),
        &mut found,
    );
    found
}

/// Waits until the condition holds, looking every few milliseconds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Destroys a container and checks that nothing of it is left.
pub(crate) async fn destroyed(container: &dyn Container, mark: &str) {
    container.destroy().await;
    assert_eq!(processes(mark), [0; 0], "processes are left");
}

/// Settings without control groups.
pub(crate) fn without_groups() -> SandboxConfig {
    SandboxConfig {
        control_groups: ControlGroups::Off,
        ..config()
    }
}

/// Settings with control groups of version 2 only: just the freezer, where version 1 has the other controllers.
pub(crate) fn with_version_2() -> SandboxConfig {
    SandboxConfig {
        control_groups: ControlGroups::OnlyVersion2,
        ..config()
    }
}
