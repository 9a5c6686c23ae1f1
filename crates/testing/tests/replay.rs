//! The runner against a server that gives the recorded answers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic, and these helpers stand outside of test functions"
)]

mod replay {
    pub(crate) mod concrete;
    pub(crate) mod recorded;
}

use std::path::PathBuf;

use oxwhisk_testing::json::Json;
use oxwhisk_testing::scenario::{
    Case, CaseReport, Choice, Host, Selection, Show, Skipped, StepReport, Variables, canonical,
    load, run_case_with,
};
use replay::recorded::{RecordedServer, UID};

const KEYS: [&str; 2] = [
    "aaaa-1:guest-secret-0123456789",
    "bbbb-2:system-secret-0123456789",
];

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "scenarios"]
        .iter()
        .collect()
}

fn all_cases() -> Vec<Case> {
    let everything = Choice {
        later: true,
        ..Choice::default()
    };
    let mut cases = Selection::read(&folder(), &everything).unwrap().cases;
    let never = Skipped::read(&folder()).unwrap().never;
    for name in never.keys() {
        let (area, _) = name.split_once('/').unwrap();
        let area = load(&folder().join(format!("{area}.json"))).unwrap();
        cases.extend(area.cases.into_iter().filter(|case| case.name == *name));
    }
    cases
}

fn case(name: &str) -> Case {
    all_cases()
        .into_iter()
        .find(|case| case.name == name)
        .expect("a recorded case")
}

/// Runs one case against a server that gives its recorded answers after `change`.
async fn replayed(case: &Case, change: impl Fn(&mut Case)) -> CaseReport {
    let mut changed = case.clone();
    change(&mut changed);
    let server = RecordedServer::start(changed, KEYS).await;
    let host = Host::new(&server.url(), KEYS[0], KEYS[1]).unwrap();
    let mut variables = Variables::default();
    variables.set("uid", Json::from(UID));
    let report = run_case_with(&host, case, variables).await;
    server.finish().await;
    report
}

/// Changes the value at a dotted path of the recorded body of the first step.
fn at(path: &'static str, value: &'static str) -> impl Fn(&mut Case) {
    move |case| {
        let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        let body = case.steps[0].response.body.as_mut().unwrap();
        body.change_at(&parts, &mut |place| *place = Json::parse(value).unwrap());
    }
}

#[tokio::test]
async fn every_recorded_case_passes_against_its_own_answers() {
    let cases = all_cases();
    assert_eq!(cases.len(), 1206);
    for case in &cases {
        let report = replayed(case, |_| ()).await;
        assert!(
            report.failures.is_empty(),
            "{}",
            report.lines(Show::Exchanges).join("\n")
        );
    }
}

#[tokio::test]
async fn every_recorded_case_fails_against_another_status() {
    for case in &all_cases() {
        // A step that waits for its status would wait in vain.
        let Some(last) = case.steps.iter().rposition(|step| step.until.is_none()) else {
            continue;
        };
        let report = replayed(case, |case| case.steps[last].response.status = 298).await;
        let found = report.failures.iter().any(|failure| {
            matches!(failure, StepReport::Differs { differences, .. } if differences[0].starts_with("status: "))
        });
        assert!(found, "{} {:?}", case.name, report.failures);
    }
}

#[tokio::test]
async fn changed_member_is_named_with_both_values() {
    let case = case("actions-write/create-returns-whole-document");
    let table = [
        (
            "exec.kind",
            r#""nodejs:99""#,
            r#"body.exec.kind: expected "nodejs:20", got "nodejs:99""#,
        ),
        (
            "limits.timeout",
            "60000.0",
            "body.limits.timeout: expected 60000, got 60000.0",
        ),
        (
            "limits.timeout",
            "null",
            "body.limits.timeout: expected 60000, got null",
        ),
        ("updated", "1", r#"body.updated: expected "<ms>", got 1"#),
        (
            "annotations",
            "[]",
            "body.annotations: expected 2 elements, got 0: ",
        ),
    ];
    for (path, value, line) in table {
        let report = replayed(&case, at(path, value)).await;
        let [
            StepReport::Differs {
                number: 1,
                differences,
                ..
            },
        ] = report.failures.as_slice()
        else {
            panic!("{path}: {:?}", report.failures);
        };
        assert_eq!(differences.len(), 1, "{differences:?}");
        assert!(
            differences[0].starts_with(line),
            "{} is not {line}",
            differences[0]
        );
    }
}

#[tokio::test]
async fn failed_step_does_not_keep_the_next_ones_from_running() {
    let case = case("actions-write/create-returns-whole-document");
    let report = replayed(&case, |case| {
        case.steps
            .iter_mut()
            .for_each(|step| step.response.status = 298);
    })
    .await;
    assert_eq!(report.failures.len(), case.steps.len());
}

#[tokio::test]
async fn missing_variable_ends_the_case_with_its_name() {
    let case = case("invoke/non-blocking");
    let saving = case
        .steps
        .iter()
        .position(|step| !step.save.is_empty())
        .unwrap();
    let report = replayed(&case, |case| {
        case.steps[saving].response.body = Some(Json::parse("{}").unwrap());
        case.steps[saving].response.headers = Some([].into_iter().collect());
    })
    .await;
    let lines = report.lines(Show::Differences);
    assert!(
        lines.iter().any(|line| line.contains("to save as `id`")),
        "{lines:?}"
    );
}

#[test]
fn scenario_files_have_the_canonical_layout_and_names_of_their_own() {
    let mut names = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            canonical(&text).unwrap() == text,
            "{}: run `scenarios --format`",
            path.display()
        );
        if path.file_stem().unwrap() != "skipped" {
            let area = path.file_stem().unwrap().to_string_lossy().into_owned();
            for case in load(&path).unwrap().cases {
                assert!(
                    case.name.starts_with(&format!("{area}/")),
                    "{} in {area}",
                    case.name
                );
                assert!(
                    names.insert(case.name.clone()),
                    "two cases named {}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn cases_that_are_left_out_exist_and_have_one_reason() {
    let cases = all_cases();
    let skipped = Skipped::read(&folder()).unwrap();
    let exists = |name: &String| cases.iter().any(|case| case.name == *name);
    let mut seen = std::collections::BTreeSet::new();
    let listed = skipped
        .later
        .iter()
        .flat_map(|group| &group.cases)
        .chain(skipped.never.keys());
    for name in listed {
        assert!(exists(name), "no case is named {name}");
        assert!(seen.insert(name), "{name} is listed twice");
    }
    for area in skipped.later.iter().flat_map(|group| &group.areas) {
        assert!(
            folder().join(format!("{area}.json")).exists(),
            "no area is named {area}"
        );
        let prefix = format!("{area}/");
        let again = seen
            .iter()
            .find(|name| name.starts_with(&prefix) && !skipped.never.contains_key(**name));
        assert_eq!(
            again, None,
            "it belongs to an area that is listed as a whole"
        );
    }
}
