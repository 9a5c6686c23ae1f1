//! `oxwhisk run`: everything it prints, and how it ends.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// Runs the program in a folder and returns exit code, standard output and standard error; times become `N`, dates `DATE`.
fn run_in(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .arg("run")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<String> = text.lines().map(filtered).collect();
        lines.join("\n")
    };
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn filtered(line: &str) -> String {
    let is_date = |word: &str| word.len() > 20 && word.ends_with('Z') && word.contains('T');
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for index in 0..words.len() {
        if is_date(&words[index]) {
            words[index] = "DATE".to_owned();
        }
        let is_unit = words
            .get(index + 1)
            .is_some_and(|unit| unit.trim_end_matches([',', ':']) == "ms");
        if is_unit && words[index].parse::<u64>().is_ok() {
            words[index] = "N".to_owned();
        }
    }
    words.join(" ")
}

fn times(status: &str) -> String {
    format!("{status} in N ms: container N ms, init N ms, run N ms")
}

#[test]
fn examples_print_result_logs_and_times() {
    let folder = Path::new(EXAMPLES);
    for file in ["hello.js", "hello.py"] {
        let (code, stdout, stderr) = run_in(folder, &[file, "-p", "name", "World"]);
        assert_eq!(
            stdout, "{\n  \"greeting\": \"Hello, World!\"\n}",
            "{file}: {stderr}"
        );
        assert_eq!(
            stderr,
            format!("DATE stdout: greeting World\n{}", times("success")),
            "{file}"
        );
        assert_eq!(code, 0);
    }
}

/// rest-api §15: the levels are about what a server keeps; the log of this run comes from its record.
#[test]
fn log_is_printed_whatever_records_are_stored() {
    let output = Command::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .args(["run", "hello.js"])
        .env(
            "OXWHISK_ACTIVATIONS_STORE_BLOCKING_RESULT_LEVEL",
            "STORE_FAILURES",
        )
        .current_dir(EXAMPLES)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("stdout: greeting"), "{stderr}");
}

#[test]
fn status_of_the_action_is_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let table = [
        (
            "a.js",
            "function main() { return {error: 'no'} }",
            1,
            "{\n  \"error\": \"no\"\n}",
            "application error",
        ),
        (
            "exits.js",
            "function main() { process.exit(3) }",
            2,
            "{\n  \"error\": \"The action did not produce a valid response and exited unexpectedly.\"\n}",
            "action developer error",
        ),
        (
            "b.js",
            "exports.main = () => [1, 2]",
            0,
            "[\n  1,\n  2\n]",
            "success",
        ),
    ];
    for (name, source, expected, result, status) in table {
        std::fs::write(folder.path().join(name), source).unwrap();
        let (code, stdout, stderr) = run_in(folder.path(), &[name]);
        assert_eq!((code, &*stdout), (expected, result), "{name}: {stderr}");
        assert_eq!(stderr.lines().last(), Some(&*times(status)), "{name}");
    }
}

#[test]
fn arguments_come_from_file_and_command_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("echo.js"),
        "function main(args) { return args }",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("args.json"),
        r#"{"a": 1, "b": {"c": [true]}}"#,
    )
    .unwrap();
    let arguments = [
        "echo.js",
        "-P",
        "args.json",
        "-p",
        "a",
        "two",
        "-p",
        "n",
        "3",
        "--param",
        "o",
        "{\"x\": null}",
        "--json",
    ];
    let (code, stdout, stderr) = run_in(folder.path(), &arguments);
    assert_eq!((code, &*stderr), (0, ""));
    let mut report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        report["result"],
        serde_json::json!({"a": "two", "b": {"c": [true]}, "n": 3, "o": {"x": null}})
    );
    let times = report["times"].as_object_mut().unwrap();
    let names: Vec<&str> = times.keys().map(String::as_str).collect();
    assert_eq!(names, ["init", "run", "total", "wait"]);
    assert_eq!(
        (&report["status"], &report["logs"]),
        (&"success".into(), &serde_json::json!([]))
    );
}

#[test]
fn folders_and_archives_are_run() {
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node");
    std::fs::create_dir_all(node.join("lib")).unwrap();
    std::fs::write(node.join("package.json"), r#"{"main": "lib/entry.js"}"#).unwrap();
    std::fs::write(
        node.join("lib/entry.js"),
        "exports.hi = () => ({from: require('./other')})",
    )
    .unwrap();
    std::fs::write(node.join("lib/other.js"), "module.exports = 'node'").unwrap();
    let python = folder.path().join("python");
    std::fs::create_dir(&python).unwrap();
    std::fs::write(
        python.join("__main__.py"),
        "import other\ndef main(args): return {'from': other.NAME}",
    )
    .unwrap();
    std::fs::write(python.join("other.py"), "NAME = 'python'").unwrap();
    let mut archive =
        zip::ZipWriter::new(std::fs::File::create(folder.path().join("python.zip")).unwrap());
    for name in ["__main__.py", "other.py"] {
        archive
            .start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut archive, &std::fs::read(python.join(name)).unwrap())
            .unwrap();
    }
    archive.finish().unwrap();
    for (arguments, from) in [
        (&["node", "--main", "hi"][..], "node"),
        (&["python"], "python"),
        (&["python.zip"], "python"),
    ] {
        let (code, stdout, stderr) = run_in(folder.path(), arguments);
        assert_eq!(
            (code, stdout),
            (0, format!("{{\n  \"from\": \"{from}\"\n}}")),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn what_cannot_be_run_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (name, content) in [
        ("a.txt", &b"text"[..]),
        ("latin.js", b"// caf\xe9"),
        ("args.json", b"[1]"),
        ("broken.json", b"{"),
        ("broken.zip", b"PK\x03\x04 and no more"),
        ("text.zip", b"text"),
        ("ok.js", b"function main() { return {} }"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let table: [(&[&str], &str); 10] = [
        (
            &["missing.js"],
            "error: could not read `missing.js`: No such file or directory (os error 2)",
        ),
        (
            &["a.txt"],
            "error: `a.txt` does not tell its kind: name a kind with --kind, such as nodejs:default or python:default",
        ),
        (
            &["empty"],
            "error: `empty` has no package.json, index.js or __main__.py at its root: name a kind with --kind, such as nodejs:default or python:default",
        ),
        (&["latin.js"], "error: `latin.js` is no UTF-8 text: "),
        (
            &["ok.js", "-P", "args.json"],
            "error: `args.json` is no JSON object",
        ),
        (
            &["ok.js", "-P", "broken.json"],
            "error: `broken.json` is not valid JSON: ",
        ),
        (
            &["ok.js", "--memory", "64000"],
            "error: requirement failed: memory size 64000 MB exceeds allowed threshold of 512 MB",
        ),
        (
            &["ok.js", "-t", "99"],
            "error: requirement failed: duration 99 milliseconds below allowed threshold of 100 milliseconds",
        ),
        (&["text.zip"], "error: `text.zip` is no zip archive"),
        (&["broken.zip"], "error: `broken.zip` is no zip archive: "),
    ];
    for (arguments, text) in table {
        let (code, stdout, stderr) = run_in(folder.path(), arguments);
        assert_eq!((code, &*stdout), (64, ""), "{arguments:?}");
        let same = if text.ends_with(": ") {
            stderr.starts_with(text)
        } else {
            stderr == text
        };
        assert!(same, "{arguments:?}: {stderr}");
    }
}

#[test]
fn kind_is_named_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("plain"),
        "def main(args): return {'kind': 'python'}",
    )
    .unwrap();
    let (code, stdout, stderr) = run_in(folder.path(), &["plain", "--kind", "python:3"]);
    assert_eq!(
        (code, &*stdout),
        (0, "{\n  \"kind\": \"python\"\n}"),
        "{stderr}"
    );
    let (code, stdout, stderr) = run_in(folder.path(), &["plain", "--kind", "cobol:1"]);
    assert_eq!((code, &*stdout), (64, ""));
    assert!(stderr.contains("cobol:1"), "{stderr}");
}

#[test]
fn time_and_memory_are_bounded_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let sleeps = "function main() { return new Promise(() => setInterval(() => {}, 1000)) }";
    std::fs::write(folder.path().join("sleeps.js"), sleeps).unwrap();
    let (code, stdout, _) = run_in(folder.path(), &["sleeps.js", "--timeout", "300"]);
    assert_eq!(code, 2);
    assert!(
        stdout.contains("time limits of 300 milliseconds"),
        "{stdout}"
    );
    let fills = "def main(args):\n    return {'length': len(bytearray(200 << 20))}";
    std::fs::write(folder.path().join("fills.py"), fills).unwrap();
    let (code, stdout, _) = run_in(folder.path(), &["fills.py", "--memory", "128"]);
    assert_ne!(code, 0, "{stdout}");
    let (code, _, stderr) = run_in(folder.path(), &["fills.py", "--memory", "512"]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn wrong_usage_is_not_taken_for_the_status_of_an_action() {
    let (code, stdout, stderr) = run_in(Path::new("/"), &["--no-such-flag"]);
    assert_eq!((code, &*stdout), (64, ""), "{stderr}");
}

#[test]
fn modules_run_and_broken_syntax_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let module = "export const main = () => ({ from: 'module' })";
    std::fs::write(folder.path().join("module.mjs"), module).unwrap();
    std::fs::write(folder.path().join("script.js"), module).unwrap();
    std::fs::write(
        folder.path().join("broken.js"),
        "function main() {\n  const a = ;\n}",
    )
    .unwrap();
    let (code, stdout, stderr) = run_in(folder.path(), &["module.mjs"]);
    assert_eq!(
        (code, &*stdout),
        (0, "{\n  \"from\": \"module\"\n}"),
        "{stderr}"
    );
    let (code, _, stderr) = run_in(folder.path(), &["script.js"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("\"type\": \"module\""), "{stderr}");
    let (_, _, stderr) = run_in(folder.path(), &["broken.js"]);
    for line in ["action.js:2", "  const a = ;"] {
        assert!(stderr.contains(line), "{line}: {stderr}");
    }
}

#[test]
fn server_without_a_home_asks_where_to_keep_its_data() {
    let output = Command::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .args(["standalone", "--port", "0"])
        .env_remove("HOME")
        .env_remove("XDG_STATE_HOME")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--data-dir"), "{stderr}");
}
