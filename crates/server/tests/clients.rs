//! Public npm clients against the program, each test file of `tests/clients` on a server of its own.
//!
//! Their packages must be there: `cargo xtask test` installs them.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::path::Path;
use std::process::Command;

use oxwhisk_testing::ServerOptions;

fn passes(file: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
    assert!(
        folder.join("node_modules").is_dir(),
        "the npm packages are not installed: run `npm ci` in tests/clients, or `cargo xtask test`"
    );
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap();
    let output = Command::new("node")
        .args(["--test", file])
        .current_dir(folder)
        .env("APIHOST", server.url())
        .env("AUTH", server.guest_key())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

#[test]
fn package_openwhisk_works() {
    passes("openwhisk.test.js");
}

#[test]
fn package_aio_lib_runtime_works() {
    passes("aio-lib-runtime.test.js");
}
