//! What these tests share: containers with a way out, and actions that try something.

use std::sync::Arc;

use oxwhisk_container::sandbox::{EgressPolicy, NetworkMode, SandboxConfig, SandboxFactory};
use oxwhisk_container::{Container, Runtime};
use serde_json::Value;

use crate::support::*;

/// Settings with a way out.
pub(crate) fn open(policy: EgressPolicy) -> SandboxConfig {
    let listeners = Arc::new(Listeners::default());
    SandboxConfig {
        network: NetworkMode::Egress {
            port: API_PORT,
            listeners,
            policy,
        },
        network_pool: 1,
        ..config()
    }
}

/// A factory with the default policy.
pub(crate) async fn factory() -> SandboxFactory {
    let factory = SandboxFactory::start(open(EgressPolicy::default()))
        .await
        .unwrap();
    assert_eq!(factory.egress_refusal(), None);
    factory
}

/// Starts an action in a container of its own.
pub(crate) async fn action(
    factory: &SandboxFactory,
    runtime: &Arc<Runtime>,
    code: &str,
) -> Arc<dyn Container> {
    started(factory, spec(runtime), code).await
}

/// Runs an action and returns its result.
pub(crate) async fn result(container: &dyn Container, arguments: &Value) -> Value {
    let response = run(container, &arguments.to_string()).await.unwrap();
    let logs = logs(container).await;
    let text = text(&response);
    assert_eq!(response.status, 200, "{text}\n{logs:?}");
    serde_json::from_str(text).unwrap()
}

/// Tries to connect, as the arguments say, and tells how that ended: `open`, or the error's name.
pub(crate) const CONNECTS: &str = "
import errno, socket
def main(args):
    family = socket.AF_INET6 if ':' in args['host'] else socket.AF_INET
    with socket.socket(family) as one:
        one.settimeout(args.get('timeout', 20))
        try:
            one.connect((args['host'], args['port']))
            return {'end': 'open'}
        except TimeoutError as error:
            return {'end': 'late'}
        except OSError as error:
            return {'end': errno.errorcode.get(error.errno, str(error))}
";
