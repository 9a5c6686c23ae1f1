//! Measures the embedded store: `cargo run --release --example store_throughput [DIRECTORY [RECORDS]]`.
//!
//! Prints how long opening takes, durable records a second with the CPU time for each, the same for the
//! whole life of a durable activation, latencies of reads, and memory. The directory should be on the
//! disk that counts; without one a temporary directory is used.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oxwhisk_entity::{
    ActivationId, ActivationResponse, EntityName, EntityPath, Json, Parameter, Parameters, SemVer,
    WhiskActivation,
};
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};
use oxwhisk_store::{ActivationQuery, ActivationStore};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Milliseconds since the epoch of the first record.
const EPOCH: u64 = 1_795_000_000_000;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let temporary = tempfile::tempdir()?;
    let directory = arguments
        .next()
        .map_or_else(|| temporary.path().to_owned(), Into::into);
    let records = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    runtime.block_on(measure(&directory, records))
}

async fn measure(directory: &Path, records: u64) -> Result<(), Failure> {
    let path = directory.join("throughput.db");
    let config = EmbeddedConfig {
        retention_age: Duration::ZERO,
        retention_bytes: 0,
        ..EmbeddedConfig::default()
    };
    let started = Instant::now();
    let store = EmbeddedStore::open(&path, config.clone())?;
    println!("open, new             {:>9.2} ms", ms(started.elapsed()));
    println!("memory, empty         {:>9.2} MiB PSS", pss_mib());
    for tasks in [1, 16, 256] {
        let share = if tasks == 1 { records / 50 } else { records };
        let figures = writing(&store, tasks, share, Kind::Volatile).await?;
        println!("records, {tasks:>3} tasks    {figures}");
    }
    let figures = writing(&store, 256, records / 2, Kind::Durable).await?;
    println!("durable activations   {figures}");
    for rate in [100, 2000, 10_000] {
        let figures = paced(&store, rate).await?;
        println!("paced, window 0 ms    {figures}");
    }
    reading(&store).await?;
    println!("memory                {:>9.2} MiB PSS", pss_mib());
    let started = Instant::now();
    drop(store);
    println!("close                 {:>9.2} ms", ms(started.elapsed()));
    let started = Instant::now();
    let store = EmbeddedStore::open(&path, config.clone())?;
    println!("open, existing        {:>9.2} ms", ms(started.elapsed()));
    let size = std::fs::metadata(&path)?.len();
    println!("file                  {:>9.2} MB", size as f64 / 1e6);
    drop(store);
    let config = EmbeddedConfig {
        group_window: Duration::from_millis(5),
        ..config
    };
    let store = EmbeddedStore::open(&path, config)?;
    for rate in [100, 2000, 10_000] {
        let figures = paced(&store, rate).await?;
        println!("paced, window 5 ms    {figures}");
    }
    Ok(())
}

/// What is written for each activation.
#[derive(Clone, Copy)]
enum Kind {
    /// Nothing: what making the record and driving the tasks costs by itself.
    Nothing,
    /// Its record.
    Volatile,
    /// Its message, its start and its record.
    Durable,
}

/// Writes with so many tasks at once.
async fn writing(
    store: &EmbeddedStore,
    tasks: u64,
    records: u64,
    kind: Kind,
) -> Result<String, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), cpu_time());
    let workers: Vec<_> = (0..tasks)
        .map(|_| {
            let (store, next) = (store.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < records {
                    write_one(&store, kind).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    let (wall, cpu) = (started.elapsed(), cpu_time() - cpu);
    Ok(format!(
        "{:>9.0} /s {:>7.1} µs CPU each",
        records as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / records as f64
    ))
}

/// Writes so many records a second for two seconds, each from a task of its own, as an invoker does. The
/// CPU time is what it takes beyond the same without writing.
async fn paced(store: &EmbeddedStore, rate: u64) -> Result<String, Failure> {
    let (_, idle) = paced_run(store, rate, Kind::Nothing).await?;
    let (reached, cpu) = paced_run(store, rate, Kind::Volatile).await?;
    Ok(format!("{reached:>9.0} /s {:>7.1} µs CPU each", cpu - idle))
}

/// Returns the rate that was reached, and microseconds of CPU time for each.
async fn paced_run(store: &EmbeddedStore, rate: u64, kind: Kind) -> Result<(f64, f64), Failure> {
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut tasks = tokio::task::JoinSet::new();
    let mut sent = 0;
    while sent < 2 * rate {
        ticks.tick().await;
        let elapsed = u64::try_from(started.elapsed().as_micros())?;
        while sent * 1_000_000 < elapsed * rate {
            let store = store.clone();
            tasks.spawn(async move { write_one(&store, kind).await });
            sent += 1;
        }
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let (wall, cpu) = (started.elapsed(), cpu_time() - cpu);
    let count = sent as f64;
    Ok((count / wall.as_secs_f64(), cpu.as_secs_f64() * 1e6 / count))
}

async fn write_one(store: &EmbeddedStore, kind: Kind) -> Result<(), Failure> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let record = Arc::new(record(number)?);
    if let Kind::Nothing = kind {
        return Ok(());
    }
    if let Kind::Durable = kind {
        let journal = store.journal();
        let message = serde_json::to_vec(&*record)?;
        journal.append(record.activation_id, message, false).await?;
        journal.mark_started(record.activation_id).await?;
    }
    store.store(record).await?;
    Ok(())
}

/// Reads single records and pages.
async fn reading(store: &EmbeddedStore) -> Result<(), Failure> {
    let mut times = Vec::new();
    for number in 0..20_000_u64 {
        let id = id((number * 7919) % 50_000);
        let started = Instant::now();
        let found = store.get("guest", id).await?;
        times.push(started.elapsed());
        if found.is_none() {
            return Err("a record is missing".into());
        }
    }
    println!("get by id             {}", latencies(times));
    let mut times = Vec::new();
    for skip in 0..500 {
        let query = ActivationQuery {
            namespace: "guest".to_owned(),
            skip,
            limit: 30,
            ..ActivationQuery::default()
        };
        let started = Instant::now();
        let page = store.list(&query).await?;
        times.push(started.elapsed());
        if page.found.len() != 30 {
            return Err("a page is short".into());
        }
    }
    println!("list of 30            {}", latencies(times));
    Ok(())
}

fn latencies(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| {
        let index = (times.len() * share / 1000).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| ms(*time) * 1000.0)
    };
    format!("{:>9.1} µs p50 {:>7.1} µs p99", at(500), at(990))
}

/// Spreads the random part as random identifiers are spread.
fn id(number: u64) -> ActivationId {
    let spread = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    ActivationId::new(EPOCH + number / 20, spread)
}

/// A record like that of a small action that logs a line.
fn record(number: u64) -> Result<WhiskActivation, Failure> {
    let entry = |key: &str, value: Json| Parameter {
        key: key.to_owned(),
        value,
        init: false,
        encryption: None,
    };
    Ok(WhiskActivation {
        namespace: EntityPath::new("guest")?,
        name: EntityName::new("hello")?,
        subject: "guest".to_owned(),
        activation_id: id(number),
        start: EPOCH + number / 20,
        end: EPOCH + number / 20 + 7,
        cause: None,
        response: ActivationResponse::success(
            Some(Json::from_canonical(format!(
                r#"{{"greeting":"hello {number}"}}"#
            ))),
            Some(25),
        ),
        logs: vec!["2026-11-24T20:39:00.000000000Z stdout: hello".to_owned()],
        version: SemVer::FIRST,
        publish: false,
        annotations: Parameters::new([
            entry("path", Json::from("guest/hello")),
            entry("waitTime", Json::from(12)),
            entry("kind", Json::from("nodejs:20")),
            entry("timeout", Json::from(false)),
            entry(
                "limits",
                Json::from_canonical(
                    r#"{"concurrency":1,"logs":10,"memory":256,"timeout":60000}"#.to_owned(),
                ),
            ),
        ]),
        duration: Some(7),
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// CPU time of this process, from `/proc` in ticks of 10 ms; 0 where there is none.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Proportional set size of this process; 0 where it is not known.
fn pss_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}
