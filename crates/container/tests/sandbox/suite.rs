//! The conformance suite, run by every kind of container.

use std::path::PathBuf;
use std::sync::Arc;

use oxwhisk_container::conformance::Subject;
use oxwhisk_container::conformance_suite;
use oxwhisk_container::fake::FakeContainerFactory;
use oxwhisk_container::process::ProcessFactory;
use oxwhisk_container::sandbox::SandboxFactory;
use oxwhisk_container::{ContainerId, ContainerSpec, Runtime};

use crate::support::*;

async fn sandbox() -> Subject {
    Subject::new(Arc::new(factory().await), |_| spec(&node()))
}

async fn sandbox_without_groups() -> Subject {
    let factory = SandboxFactory::start(without_groups()).await.unwrap();
    Subject::new(Arc::new(factory), |_| spec(&node()))
}

fn http() -> Subject {
    let node = node();
    let script: PathBuf = launcher("http_runtime.js");
    let command = vec![node.command[0].clone(), script.to_str().unwrap().to_owned()];
    let runtime = Arc::new(Runtime {
        command,
        ..(*node).clone()
    });
    Subject::new(Arc::new(ProcessFactory), move |_| spec(&runtime))
}

fn fake() -> Subject {
    Subject::new(Arc::new(FakeContainerFactory::default()), |number| {
        ContainerSpec {
            id: ContainerId::new(format!("fake-{number}")),
            ..spec(&node())
        }
    })
}

conformance_suite!(of_the_sandbox, sandbox().await);
conformance_suite!(
    of_the_sandbox_without_groups,
    sandbox_without_groups().await
);
conformance_suite!(of_a_process_over_http, http());
conformance_suite!(of_the_fake, fake());
