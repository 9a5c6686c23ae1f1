//! What the sandbox tests share: a factory with the test helper, launchers, requests.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_container::discovery::{Family, Interpreter, Places, find};
use oxwhisk_container::sandbox::{ApiListeners, HelperProgram, NetworkMode, SandboxConfig, SandboxFactory};
use oxwhisk_container::{
    Container, ContainerError, ContainerFactory, ContainerId, ContainerSpec, Logs, Response, ResponseLimit, Runtime,
};
use oxwhisk_entity::{ActivationId, ByteSize};

pub(crate) const LIMIT: ResponseLimit = ResponseLimit { max: ByteSize::mib(1), truncation: ByteSize::mib(1) };
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

pub(crate) fn config() -> SandboxConfig {
    let listeners = Arc::new(Listeners::default());
    SandboxConfig {
        helper: HelperProgram(PathBuf::from(env!("CARGO_BIN_EXE_oxwhisk-sandbox-helper"))),
        ..SandboxConfig::new(NetworkMode::Api { port: API_PORT, listeners })
    }
}

pub(crate) async fn factory() -> SandboxFactory {
    SandboxFactory::start(config()).await.unwrap()
}

/// The launchers, where also an ordinary user can read them.
fn launcher(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("oxwhisk-launchers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("launcher.js"), include_str!("../launchers/launcher.js")).unwrap();
        std::fs::write(folder.join("launcher.py"), include_str!("../launchers/launcher.py")).unwrap();
        folder
    });
    folder.join(name)
}

fn interpreter(family: Family) -> Runtime {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        find(&Places { path: std::env::var_os("PATH"), home, cache_dir: None })
    });
    found.iter().find(|one| one.family == family).expect("the tests need Node.js and Python 3").runtime.clone()
}

fn runtime(family: Family, arguments: &[&str], launcher: PathBuf) -> Arc<Runtime> {
    let mut runtime = interpreter(family);
    runtime.command.extend(arguments.iter().map(|&argument| argument.to_owned()));
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
    format!("{{\"value\":{{\"name\":\"a\",\"main\":\"main\",\"code\":{code},\"binary\":false}}}}").into()
}

pub(crate) fn run_body(id: ActivationId, value: &str) -> Bytes {
    format!("{{\"value\":{value},\"activation_id\":\"{id}\"}}").into()
}

pub(crate) fn id(number: u128) -> ActivationId {
    ActivationId::from(number)
}

/// Starts a container and initialises it with the code.
pub(crate) async fn started(factory: &dyn ContainerFactory, spec: ContainerSpec, code: &str) -> Arc<dyn Container> {
    let container = factory.create(spec).await.unwrap();
    let response = container.init(init_body(code), MINUTE, LIMIT).await.unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    container
}

pub(crate) async fn run(container: &dyn Container, value: &str) -> Result<Response, ContainerError> {
    container.run(id(1), run_body(id(1), value), MINUTE, LIMIT).await
}

pub(crate) async fn logs(container: &dyn Container) -> Logs {
    container.logs(id(1), ByteSize::mib(10), MINUTE).await
}

pub(crate) fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.entity).unwrap()
}
