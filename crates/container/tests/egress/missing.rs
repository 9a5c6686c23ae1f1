//! A machine on which tunnel devices cannot be made: actions reach the API and nothing else, and
//! everybody is told.

use std::process::Command;

use oxwhisk_container::ContainerFactory as _;
use oxwhisk_container::sandbox::{EgressPolicy, Level, SandboxFactory, probe};
use oxwhisk_testing::internet::ORDINARY_USER;
use serde_json::json;

use crate::support::{API_PORT, python};
use crate::way_out::*;
use crate::{copies, pass};

/// Runs the test below where a script has changed `/dev/net`.
fn runs_where(script: &str, user: u32) {
    let copies = copies(user);
    let mut command = Command::new("unshare");
    let script = format!(
        "mount -t tmpfs none /dev/net; {script}; exec setpriv --reuid={user} --regid={user} --clear-groups \"$@\""
    );
    command
        .args(["--mount", "sh", "-ec", &script, "sh"])
        .arg(copies.tests());
    let test = ["--exact", "missing::only_the_api_is_reached"];
    pass(&copies, command, &test);
}

mod needs_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn missing_device_leaves_root_the_api() {
        runs_where("true", 0);
    }

    #[test]
    #[ignore = "needs root"]
    fn missing_device_leaves_an_ordinary_user_the_api() {
        runs_where("true", ORDINARY_USER);
    }

    #[test]
    #[ignore = "needs root"]
    fn refused_device_leaves_an_ordinary_user_the_api() {
        runs_where("mknod -m 600 /dev/net/tun c 10 200", ORDINARY_USER);
    }
}

#[tokio::test]
#[ignore = "runs where the device is missing"]
async fn only_the_api_is_reached() {
    let factory = SandboxFactory::start(open(EgressPolicy::default()))
        .await
        .unwrap();
    let refusal = factory.egress_refusal().expect("the device cannot be made");
    assert!(
        refusal.starts_with("could not create the tunnel device: "),
        "{refusal}"
    );
    let container = action(&factory, &python(), CONNECTS).await;
    assert_eq!(container.traffic(), None);
    let ended = result(&*container, &json!({"host": "203.0.113.10", "port": 80})).await;
    assert_eq!(ended["end"], "ENETUNREACH");
    let ended = result(&*container, &json!({"host": "127.0.0.1", "port": API_PORT})).await;
    assert_eq!(ended["end"], "open");
    container.destroy().await;
    factory.shutdown().await;
    let findings = probe(open(EgressPolicy::default())).await;
    let network = findings
        .iter()
        .find(|finding| finding.subject == "network")
        .unwrap();
    assert_eq!(network.level, Level::Degraded, "{network:?}");
    assert!(
        network.state.contains("create the tunnel device"),
        "{network:?}"
    );
    assert!(
        network.remedy.as_ref().unwrap().contains("/dev/net/tun"),
        "{network:?}"
    );
}
