//! Our own Node.js runtime in its sandbox without the server: what the platform is compared with.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use oxwhisk_container::discovery::{self, Family, Places};
use oxwhisk_container::sandbox::{ApiListeners, NetworkMode, SandboxConfig, SandboxFactory};
use oxwhisk_container::{
    Container, ContainerFactory as _, ContainerId, ContainerSpec, ResponseLimit, Runtime,
};
use oxwhisk_entity::{ActivationId, ByteSize};
use tokio::task::JoinSet;

use crate::load::Round;
use crate::phases::{ARGUMENTS, Language};

/// How long a container may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const MEMORY: ByteSize = ByteSize::mib(256);
/// How much of an answer is kept.
pub(crate) const LIMIT: ResponseLimit = ResponseLimit {
    max: ByteSize::mib(1),
    truncation: ByteSize::mib(1),
};

/// Keeps the listeners inside containers open, as the server does; nobody calls them here.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<BTreeMap<ContainerId, TcpListener>>);

impl ApiListeners for Listeners {
    fn opened(&self, container: &ContainerId, listener: TcpListener) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(container.clone(), listener);
    }

    fn closed(&self, container: &ContainerId) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(container);
    }
}

/// Containers driven by this process, on one thread.
#[derive(Debug)]
pub(crate) struct Direct {
    runtime: tokio::runtime::Runtime,
    factory: SandboxFactory,
    containers: Vec<Arc<dyn Container>>,
    created: usize,
}

impl Direct {
    /// Starts the sandbox helper.
    ///
    /// # Errors
    /// Containers that cannot be isolated here.
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let network = NetworkMode::Api {
            port: 3233,
            listeners: Arc::new(Listeners::default()),
        };
        let factory = runtime
            .block_on(SandboxFactory::start(SandboxConfig::new(network)))
            .context("could not start the sandbox helper")?;
        Ok(Self {
            runtime,
            factory,
            containers: Vec::new(),
            created: 0,
        })
    }

    /// Makes containers of a language and keeps them, initialised with its action.
    ///
    /// # Errors
    /// A container that does not start or refuses the code.
    pub(crate) fn add(&mut self, language: Language, count: usize) -> Result<()> {
        let runtime = runtime_of(language)?;
        for _ in 0..count {
            self.created += 1;
            let spec = spec(&runtime, self.created);
            let container = self.runtime.block_on(async {
                let container = self.factory.create(spec).await?;
                initialise(&*container, language).await?;
                anyhow::Ok(container)
            })?;
            self.containers.push(container);
        }
        Ok(())
    }

    /// Returns how long a stem cell takes from `/init` to the first answer, and a container from nothing to it.
    ///
    /// # Errors
    /// A container that does not start or answer.
    pub(crate) fn cold(&mut self, language: Language) -> Result<Cold> {
        let runtime = runtime_of(language)?;
        self.created += 1;
        let spec = spec(&runtime, self.created);
        self.runtime.block_on(async {
            let begin = Instant::now();
            let container = self.factory.create(spec).await?;
            let created = begin.elapsed();
            // The launcher loads the rest of itself once it is left alone: that is a stem cell.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let begin = Instant::now();
            initialise(&*container, language).await?;
            run(&*container, id()).await?;
            let answered = begin.elapsed();
            container.destroy().await;
            anyhow::Ok(Cold { created, answered })
        })
    }

    /// Runs the action over and over in the first `width` containers for a time, one run at once in each.
    ///
    /// A latency ends with the answer; the next run waits until the log is read, as in the server.
    ///
    /// # Errors
    /// A run that fails.
    pub(crate) fn round(&self, width: usize, duration: Duration) -> Result<Round> {
        self.runtime.block_on(async {
            let begin = Instant::now();
            let mut tasks = JoinSet::new();
            for container in self.containers.iter().take(width).cloned() {
                tasks.spawn(repeat(container, begin, duration));
            }
            let mut round = Round::default();
            while let Some(latencies) = tasks.join_next().await {
                round.latencies.extend(latencies??);
            }
            round.elapsed = begin.elapsed();
            Ok(round)
        })
    }

    /// Destroys all containers and ends the helper.
    pub(crate) fn stop(self) {
        self.runtime.block_on(async {
            for container in self.containers {
                container.destroy().await;
            }
            self.factory.shutdown().await;
        });
    }
}

/// Parts of a cold start.
#[derive(Debug)]
pub(crate) struct Cold {
    /// From nothing to a runtime that takes `/init`.
    pub(crate) created: Duration,
    /// From `/init` to the answer of the first `/run`.
    pub(crate) answered: Duration,
}

async fn repeat(
    container: Arc<dyn Container>,
    begin: Instant,
    duration: Duration,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let id = id();
        let start = Instant::now();
        run(&*container, id).await?;
        latencies.push(start.elapsed());
        container.logs(id, ByteSize::mib(10), PATIENCE).await;
        if begin.elapsed() >= duration {
            return Ok(latencies);
        }
    }
}

/// Returns an id that was not used yet.
pub(crate) fn id() -> ActivationId {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    ActivationId::new(u64::try_from(nanos / 1_000_000).unwrap_or(0), nanos)
}

/// Sends the `/run` that the server sends.
async fn run(container: &dyn Container, id: ActivationId) -> Result<()> {
    let body = format!(
        "{{\"value\":{ARGUMENTS},\"namespace\":\"guest\",\"action_name\":\"/guest/warm\",\"action_version\":\"0.0.1\",\
         \"activation_id\":\"{id}\",\"transaction_id\":\"0123456789abcdef0123456789abcdef\",\"deadline\":\"1999999999999\",\
         \"api_key\":\"23bc46b1-71f6-4ed5-8c54-816aa4f8c502:0123456789012345678901234567890123456789012345678901234567890123\"}}"
    );
    let response = container.run(id, body.into(), PATIENCE, LIMIT).await?;
    ensure!(response.status == 200, "a run answered {}", response.status);
    Ok(())
}

async fn initialise(container: &dyn Container, language: Language) -> Result<()> {
    let code = serde_json::to_string(language.code())?;
    let body: Bytes = format!(
        "{{\"value\":{{\"name\":\"warm\",\"main\":\"main\",\"code\":{code},\"binary\":false,\"env\":{{}}}}}}"
    )
    .into();
    let response = container.init(body, PATIENCE, LIMIT).await?;
    ensure!(
        response.status == 200,
        "an init answered {}",
        response.status
    );
    Ok(())
}

/// Describes a container.
pub(crate) fn spec(runtime: &Arc<Runtime>, number: usize) -> ContainerSpec {
    let host = (
        "__OW_API_HOST".to_owned(),
        "http://127.0.0.1:3233".to_owned(),
    );
    ContainerSpec {
        id: ContainerId::new(format!("bench-{number}")),
        runtime: Arc::clone(runtime),
        memory: MEMORY,
        concurrency: 1,
        environment: BTreeMap::from([host]),
    }
}

/// Finds an interpreter and adds our launcher.
pub(crate) fn runtime_of(language: Language) -> Result<Arc<Runtime>> {
    let places = Places {
        path: std::env::var_os("PATH"),
        home: std::env::var_os("HOME").map(PathBuf::from),
        cache_dir: None,
    };
    let family = match language {
        Language::Node => Family::Node,
        Language::Python => Family::Python,
    };
    let found = discovery::find(&places)
        .into_iter()
        .filter(|interpreter| interpreter.family == family)
        .max_by_key(|interpreter| interpreter.version);
    let mut runtime = found
        .with_context(|| format!("no interpreter for {} was found", language.name()))?
        .runtime;
    let launchers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtimes");
    let script = launchers.join(match language {
        Language::Node => "nodejs/launcher.js",
        Language::Python => "python/launcher.py",
    });
    let script = script
        .canonicalize()
        .context("the launchers are not there")?;
    runtime.command.push(script.to_string_lossy().into_owned());
    runtime.readable.extend(script.parent().map(Path::to_owned));
    Ok(Arc::new(runtime))
}
