//! Which kinds the program offers: what is installed, or what a manifest says.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use oxwhisk_testing::{RestAnswer, ServerOptions, TestServer, User};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oxwhisk");
const NODE: &str = "function main() { return { version: process.versions.node.split('.')[0] } }";
const PYTHON: &str =
    "import sys\ndef main(args):\n    return {'version': '%d.%d' % sys.version_info[:2]}";

async fn families(server: &TestServer) -> Vec<(String, Vec<Value>)> {
    let info = server.client().without_key().get("/").await.unwrap();
    let info = info.json().unwrap();
    let families = info["runtimes"].as_object().unwrap().iter();
    families
        .map(|(family, kinds)| (family.clone(), kinds.as_array().unwrap().clone()))
        .collect()
}

async fn put(user: &User, name: &str, exec: Value) -> (u16, Value) {
    let path = format!("/api/v1/namespaces/_/actions/{name}?overwrite=true");
    let answer = user.client().put(&path, &json!({"exec": exec})).await;
    let answer = answer.unwrap();
    (answer.status(), answer.json().unwrap())
}

/// entities §4.1, §4.2; rest-api §1.1: each interpreter of Node.js and Python that is installed is a kind that runs, one
/// of each family by default; other kinds are refused with the list of what there is.
#[tokio::test(flavor = "multi_thread")]
async fn installed_interpreters_are_the_kinds() {
    let server = ServerOptions::new(PROGRAM).without_throttles().start();
    let server = server.unwrap();
    let user = server.user();
    let families = families(&server).await;
    let names: Vec<&str> = families.iter().map(|(family, _)| family.as_str()).collect();
    assert_eq!(names, ["nodejs", "python"]);
    let mut all = vec!["sequence".to_owned(), "blackbox".to_owned()];
    for (family, kinds) in &families {
        let code = if family == "nodejs" { NODE } else { PYTHON };
        let defaults: Vec<&Value> = kinds
            .iter()
            .filter(|kind| kind["default"] == true)
            .collect();
        assert_eq!(defaults.len(), 1, "{family}");
        let by_default = json!({"kind": format!("{family}:default"), "code": code});
        let (_, shown) = put(&user, "a", by_default).await;
        assert_eq!(shown["exec"]["kind"], defaults[0]["kind"]);
        for kind in kinds {
            let name = kind["kind"].as_str().unwrap();
            assert_eq!(
                (&kind["attached"], &kind["deprecated"], &kind["requireMain"]),
                (&json!(true), &json!(false), &json!(false)),
                "{name}"
            );
            let (status, shown) = put(&user, "a", json!({"kind": name, "code": code})).await;
            assert_eq!((status, &shown["exec"]["kind"]), (200, &kind["kind"]));
            let version = user.result("a", &json!({})).await["version"].clone();
            let version = version.as_str().unwrap();
            let of_default = defaults[0]["kind"] == format!("{family}:{version}");
            let is_it = name == format!("{family}:{version}");
            assert!(
                is_it || (name == "python:3" && of_default),
                "{name}: {version}"
            );
            let image = kind["image"].as_str().unwrap();
            assert!(
                image.starts_with(&format!("openwhisk/action-{family}-v")),
                "{image}"
            );
            all.push(name.to_owned());
        }
    }
    for kind in [
        "swift:5.3",
        "java:8",
        "php:8.1",
        "ruby:2.5",
        "go:1.20",
        "dotnet:6.0",
        "rust:1.34",
        "java:default",
        "nodejs",
    ] {
        let (status, told) = put(
            &user,
            "b",
            json!({"kind": kind, "code": "x y", "main": "M"}),
        )
        .await;
        let text = told["error"].as_str().unwrap();
        let start = format!(
            "The request content was malformed:\nThe specified runtime '{kind}' is not supported by this platform. Valid values are: "
        );
        let list = text.strip_prefix(&start).unwrap().trim_end_matches('.');
        let mut listed: Vec<&str> = list
            .split(", ")
            .map(|name| name.trim_matches('\''))
            .collect();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(
            (status, listed),
            (400, all.iter().map(String::as_str).collect())
        );
    }
}

/// entities §4.2, §4.3; invocation §6: blackbox actions are kept, and fail as if their image could not be pulled.
#[tokio::test(flavor = "multi_thread")]
async fn blackbox_actions_are_kept_and_not_run() {
    let server = TestServer::start(PROGRAM).unwrap();
    let user = server.user();
    let image = "openwhisk/dockerskeleton:nightly";
    let (status, shown) = put(&user, "b", json!({"kind": "blackbox", "image": image})).await;
    assert_eq!((status, &shown["exec"]["image"]), (200, &json!(image)));
    let failed = user.invoke("b", &json!({})).await;
    let response = failed.json().unwrap()["response"].clone();
    let text = format!("Failed to pull container image '{image}'.");
    let expected =
        json!({"status": "action developer error", "success": false, "result": {"error": text}});
    assert_eq!((failed.status(), response), (502, expected));
}

/// entities §4.1: a manifest of one's own says which kinds there are. What was made with a kind that is gone can be read
/// and deleted still.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_come_and_go_with_the_manifest() {
    let manifest = tempfile::NamedTempFile::new().unwrap();
    let write = |runtimes: Value| {
        let text =
            json!({"description": ["x"], "runtimes": runtimes, "blackboxes": []}).to_string();
        std::fs::write(manifest.path(), text).unwrap();
    };
    let kind = |kind: &str| json!({"kind": kind, "image": {"registry": "reg", "prefix": "p", "name": "n", "tag": "t"}, "attached": {"attachmentName": "c", "attachmentType": "t"}});
    let installed = families(&TestServer::start(PROGRAM).unwrap()).await;
    let node = installed[0].1[0]["kind"].as_str().unwrap().to_owned();
    write(json!({"nodejs": [kind(&node)], "cobol": [kind("cobol:1")]}));
    let options =
        || ServerOptions::new(PROGRAM).variable("OXWHISK_RUNTIMES_MANIFEST", manifest.path());
    let mut server = options().start().unwrap();
    let told = families(&server).await;
    let shown = |kind: &str| json!({"kind": kind, "image": "reg/p/n:t", "attached": true, "default": true, "deprecated": false, "requireMain": false});
    assert_eq!(
        told,
        [
            ("cobol".to_owned(), vec![shown("cobol:1")]),
            ("nodejs".to_owned(), vec![shown(&node)]),
        ]
    );
    let user = server.user();
    for (name, kind) in [("n", "nodejs:default"), ("c", "cobol:default")] {
        let (status, _) = put(&user, name, json!({"kind": kind, "code": NODE})).await;
        assert_eq!(status, 200, "{kind}");
    }
    let unserved = user.invoke("c", &json!({})).await;
    let provisioning = "Failed to provision resources to run the action.";
    let error = |answer: &RestAnswer| answer.json().unwrap()["response"]["result"]["error"].clone();
    assert_eq!(
        (unserved.status(), error(&unserved)),
        (500, json!(provisioning))
    );
    assert!(user.result("n", &json!({})).await["version"].is_string());

    write(json!({"cobol": [kind("cobol:1")]}));
    server.restart().unwrap();
    let user = server.user();
    let path = "/api/v1/namespaces/_/actions/n";
    let read = user.client().get(path).await.unwrap();
    assert_eq!(read.json().unwrap()["exec"]["kind"], node);
    let gone = user.invoke("n", &json!({})).await;
    assert_eq!((gone.status(), error(&gone)), (500, json!(provisioning)));
    let (status, _) = put(&user, "m", json!({"kind": node, "code": NODE})).await;
    assert_eq!(status, 400);
    assert_eq!(user.client().delete(path).await.unwrap().status(), 200);
    drop(server);

    let mut first = kind("n:1");
    first["default"] = json!(true);
    let mut second = kind("n:2");
    for (default, text) in [(true, "more than one default"), (false, "no default")] {
        first["default"] = json!(default);
        second["default"] = json!(default);
        write(json!({"n": [first, second]}));
        let refused = options().start().unwrap_err();
        assert!(refused.to_string().contains(text), "{refused}");
    }
}
