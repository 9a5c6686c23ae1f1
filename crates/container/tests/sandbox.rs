//! The sandbox as the invoker uses it.

mod support;

use oxwhisk_container::{ContainerFactory, LogOutcome};
use support::*;

#[tokio::test]
async fn node_and_python_answer_and_their_logs_are_read() {
    let factory = factory().await;
    let node = started(
        &factory,
        spec(&node()),
        "function main(p) { console.log('hi'); console.error('oh'); return p }",
    )
    .await;
    let python = started(
        &factory,
        spec(&python()),
        "def main(p):\n  print('hi')\n  return p\n",
    )
    .await;
    for container in [node, python] {
        for _ in 0..3 {
            let response = run(&*container, "{\"a\":1}").await.unwrap();
            assert_eq!((response.status, text(&response)), (200, "{\"a\":1}"));
            let logs = logs(&*container).await;
            assert_eq!(logs.outcome, LogOutcome::Complete);
            assert_eq!(logs.lines[0].text, "hi");
        }
        container.destroy().await;
    }
    factory.shutdown().await;
}
