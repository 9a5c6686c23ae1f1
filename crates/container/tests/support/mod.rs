//! What the sandbox tests share: a factory with the test helper, launchers, requests.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
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

/// The shared libraries that a program needs, as `ldd` tells them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = std::process::Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn launcher(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/launchers").join(name)
}

pub(crate) fn node() -> Arc<Runtime> {
    let program = PathBuf::from("/usr/bin/node");
    let launcher = launcher("launcher.js");
    let mut readable = vec![program.clone(), launcher.clone()];
    readable.extend(libraries(&program));
    Arc::new(Runtime {
        kind: "nodejs:test".into(),
        command: vec![program.to_str().unwrap().into(), launcher.to_str().unwrap().into()],
        readable,
        environment: vec![],
    })
}

pub(crate) fn python() -> Arc<Runtime> {
    let program = PathBuf::from("/root/.pyenv/versions/3.11.7/bin/python3.11");
    let launcher = launcher("launcher.py");
    let mut readable = vec![PathBuf::from("/root/.pyenv/versions/3.11.7"), launcher.clone(), PathBuf::from("/bin/sh")];
    readable.extend(libraries(&program));
    for library in ["libssl.so.3", "libcrypto.so.3", "libffi.so.8", "libz.so.1", "liblzma.so.5", "libbz2.so.1.0"] {
        readable.push(Path::new("/lib/x86_64-linux-gnu").join(library));
    }
    Arc::new(Runtime {
        kind: "python:test".into(),
        command: vec![program.to_str().unwrap().into(), "-S".into(), launcher.to_str().unwrap().into()],
        readable,
        environment: vec![("PYTHONIOENCODING".into(), "UTF-8".into())],
    })
}

/// A runtime that is ready as soon as it runs and then waits for its end.
pub(crate) fn ready_at_once() -> Arc<Runtime> {
    let program = PathBuf::from("/bin/sh");
    let mut readable = vec![program.clone()];
    readable.extend(libraries(&program));
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
