//! A server that gives the recorded answers of one case in their order, whatever it is asked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_testing::json::Json;
use oxwhisk_testing::scenario::{Case, Variables};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::concrete::{Concrete, Plain};

/// The word that the cases are run with.
pub(crate) const UID: &str = "u1234567";

pub(crate) struct RecordedServer {
    address: String,
    task: JoinHandle<()>,
}

impl RecordedServer {
    pub(crate) async fn start(case: Case, keys: [&str; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let concrete = Concrete {
            texts: texts(&address, keys),
            saved: BTreeMap::new(),
            ids: Cell::new(0),
        };
        Self {
            address,
            task: tokio::spawn(serve(listener, case, concrete)),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the server; it may have steps left if the case broke off.
    pub(crate) async fn finish(self) {
        self.task.abort();
        match self.task.await {
            Err(fault) if fault.is_panic() => std::panic::resume_unwind(fault.into_panic()),
            Ok(()) | Err(_) => {}
        }
    }
}

fn texts(address: &str, keys: [&str; 2]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    texts.insert("{uid}".to_owned(), UID.to_owned());
    texts.insert("<host>".to_owned(), address.to_owned());
    for (name, key) in ["guest", "system"].into_iter().zip(keys) {
        let (uuid, secret) = key.split_once(':').unwrap();
        texts.insert(format!("<{name}-basic>"), STANDARD.encode(key));
        texts.insert(format!("<{name}-key>"), key.to_owned());
        texts.insert(format!("<{name}-uuid>"), uuid.to_owned());
        texts.insert(format!("<{name}-secret>"), secret.to_owned());
    }
    texts
}

async fn serve(listener: TcpListener, case: Case, mut concrete: Concrete) {
    for step in &case.steps {
        let mut variables = Variables::default();
        variables.set("uid", Json::from(UID));
        let awaited = step
            .until
            .as_ref()
            .and_then(|until| until.logs)
            .unwrap_or(0);
        let answer = concrete.answer(&step.response, &variables.hints(&step.hints), awaited);
        give(&listener, &answer).await;
        for (name, path) in &step.save {
            if let Some(value) = saved(&answer, path) {
                concrete.saved.insert(name.clone(), value);
            }
        }
    }
    loop {
        give(
            &listener,
            &Plain {
                status: 200,
                headers: Vec::new(),
                body: Vec::new(),
            },
        )
        .await;
    }
}

fn saved(answer: &Plain, path: &str) -> Option<Json> {
    let (part, rest) = path.split_once('.').unwrap();
    if part == "header" {
        return answer
            .headers
            .iter()
            .find(|(name, _)| name == rest)
            .map(|(_, value)| Json::from(value.as_str()));
    }
    Json::parse(std::str::from_utf8(&answer.body).unwrap())
        .ok()?
        .lookup(rest)
        .cloned()
}

/// Reads one request to its end and answers it.
async fn give(listener: &TcpListener, answer: &Plain) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(30), request(&mut stream)).await;
    read.expect("a complete request").unwrap();
    let mut head = format!("HTTP/1.1 {} Recorded\r\n", answer.status).into_bytes();
    for (name, value) in &answer.headers {
        head.extend(format!("{name}: ").bytes());
        head.extend(
            value
                .chars()
                .map(|character| u8::try_from(character).unwrap()),
        );
        head.extend(b"\r\n");
    }
    head.extend(
        format!(
            "Content-Length: {}\r\nConnection: close\r\n\r\n",
            answer.body.len()
        )
        .bytes(),
    );
    // A client may know already that no body follows.
    let _ = stream
        .write_all(&[head.as_slice(), &answer.body].concat())
        .await;
}

async fn request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).await?;
        let line = String::from_utf8_lossy(&line).to_lowercase();
        if line.trim().is_empty() {
            break;
        }
        if let Some(stated) = line.strip_prefix("content-length:") {
            length = stated.trim().parse().expect("a length");
        }
    }
    tokio::io::copy(&mut reader.take(length), &mut tokio::io::sink()).await?;
    Ok(())
}
