//! Carries out steps, cases, and many cases at once.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::compare::short;
use super::normalise::Normaliser;
use super::send::send;
use super::{Answer, Case, Host, ScenarioError, Selection, Step, Until, Variables, differences};
use crate::json::Json;
use crate::wire::Response;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What came of one case.
#[derive(Debug)]
pub struct CaseReport {
    /// `area/name`.
    pub name: String,
    /// The section of the contract that the case tests.
    pub contract: String,
    /// How long it took, clean-up included.
    pub took: Duration,
    /// The steps that went otherwise; empty if the case passed.
    pub failures: Vec<StepReport>,
}

/// A step that went otherwise than recorded.
#[derive(Debug)]
pub enum StepReport {
    /// The answer differs; the next steps were carried out all the same.
    Differs {
        /// The step, counted from one.
        number: usize,
        /// What was asked, variables not filled in.
        request: String,
        /// One line for each difference.
        differences: Vec<String>,
        /// The recorded answer.
        expected: Box<Answer>,
        /// The answer that came, normalised.
        actual: Box<Answer>,
    },
    /// The step could not be carried out; the case ended here.
    Broken {
        /// The step, counted from one.
        number: usize,
        /// What was in the way.
        fault: ScenarioError,
    },
}

/// How many cases ended which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Answered as recorded.
    pub passed: usize,
    /// Answered otherwise.
    pub failed: usize,
    /// Left out.
    pub skipped: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Runs the cases of a selection, `jobs` of them at a time, and reports each as it ends.
///
/// Cases do not depend on each other, so any number may run at once; their order in the reports is
/// that of the selection only with one job. Dropping the future stops all, without clean-up.
pub async fn run_all(
    host: &Host,
    selection: Selection,
    jobs: NonZeroUsize,
    mut report: impl FnMut(&CaseReport),
) -> Totals {
    let mut totals = Totals {
        skipped: selection.skipped_count(),
        ..Totals::default()
    };
    let waiting = Arc::new(Mutex::new(VecDeque::from(selection.cases)));
    let (done, mut reports) = mpsc::channel(jobs.get());
    let mut workers = JoinSet::new();
    for _ in 0..jobs.get() {
        workers.spawn(work(host.clone(), Arc::clone(&waiting), done.clone()));
    }
    drop(done);
    while let Some(case) = reports.recv().await {
        if case.failures.is_empty() {
            totals.passed += 1;
        } else {
            totals.failed += 1;
        }
        report(&case);
    }
    totals
}

async fn work(host: Host, waiting: Arc<Mutex<VecDeque<Case>>>, done: mpsc::Sender<CaseReport>) {
    loop {
        // A std lock: it is never held across an await.
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(case) = next else { return };
        if done.send(run_case(&host, &case).await).await.is_err() {
            return;
        }
    }
}

/// Runs one case and cleans up after it, whatever came of it.
pub async fn run_case(host: &Host, case: &Case) -> CaseReport {
    run_case_with(host, case, Variables::fresh()).await
}

/// Does what [`run_case`] does, with variables of the caller's choice in place of a random word.
pub async fn run_case_with(host: &Host, case: &Case, mut variables: Variables) -> CaseReport {
    let started = Instant::now();
    let mut failures = Vec::new();
    for (number, step) in (1..).zip(&case.steps) {
        match run_step(host, step, &mut variables).await {
            Ok(actual) => failures.extend(compared(number, step, actual)),
            Err(fault) => {
                failures.push(StepReport::Broken { number, fault });
                break;
            }
        }
    }
    for request in &case.cleanup {
        // Whether there was something to clean up depends on how far the case came.
        let _ = send(host, request, &variables, false).await;
    }
    CaseReport {
        name: case.name.clone(),
        contract: case.contract.clone(),
        took: started.elapsed(),
        failures,
    }
}

fn compared(number: usize, step: &Step, actual: Answer) -> Option<StepReport> {
    let differences = differences(&step.response, &actual);
    (!differences.is_empty()).then(|| StepReport::Differs {
        number,
        request: step.request.to_string(),
        differences,
        expected: Box::new(step.response.clone()),
        actual: Box::new(actual),
    })
}

/// Sends until the answer is the one that is waited for, keeps what later steps need, and returns
/// the answer normalised.
async fn run_step(
    host: &Host,
    step: &Step,
    variables: &mut Variables,
) -> Result<Answer, ScenarioError> {
    let hints = variables.hints(&step.hints);
    let deadline = step
        .until
        .as_ref()
        .map(|until| Instant::now() + Duration::from_secs(until.deadline_s));
    let mut pause = FIRST_PAUSE;
    loop {
        let response = send(host, &step.request, variables, step.throttled).await?;
        let given = response.header("x-request-id");
        let request_id =
            given.filter(|id| !id.is_empty() && Some(*id) != step.request.request_id());
        let normaliser = Normaliser::new(host, variables, &hints, request_id)?;
        if step
            .until
            .as_ref()
            .is_none_or(|until| settled(until, &response, &normaliser))
        {
            let answer = normaliser.answer(&response);
            save(step, &response, &answer, variables)?;
            return Ok(answer);
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let text: String = String::from_utf8_lossy(&response.content)
                .chars()
                .take(300)
                .collect();
            return Err(ScenarioError::NotSettled {
                status: response.status,
                text,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

fn settled(until: &Until, response: &Response, normaliser: &Normaliser<'_>) -> bool {
    if response.status != until.status {
        return false;
    }
    if until.count.is_none() && until.logs.is_none() {
        return true;
    }
    let Some(body) = response.json().map(|body| normaliser.filter(body)) else {
        return false;
    };
    let logs = body.lookup("logs").and_then(Json::length).unwrap_or(0);
    until
        .count
        .is_none_or(|count| body.length().unwrap_or(0) >= count)
        && until.logs.is_none_or(|count| logs >= count)
}

fn save(
    step: &Step,
    response: &Response,
    answer: &Answer,
    variables: &mut Variables,
) -> Result<(), ScenarioError> {
    for (name, path) in &step.save {
        let (part, rest) = path.split_once('.').unwrap_or((path, ""));
        let found = match part {
            "header" => {
                let last = response.headers.iter().rfind(|(header, _)| header == rest);
                last.map(|(_, value)| Json::String(value.clone()))
            }
            _ if rest.is_empty() => response.json(),
            _ => response.json().and_then(|body| body.lookup(rest).cloned()),
        };
        let value = found.ok_or_else(|| ScenarioError::NothingToSave {
            path: path.clone(),
            name: name.clone(),
            answer: short(&answer.to_json(), 400),
        })?;
        variables.set(name, value);
    }
    Ok(())
}
