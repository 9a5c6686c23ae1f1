//! A runtime that is reached over HTTP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::exchange::{ExchangeError, exchange};
use crate::{ContainerError, Response, ResponseLimit};

/// How long to wait before an init is tried again when nobody listens yet.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The status with which a runtime says that it is leaving.
const LEAVING: u16 = 503;

/// A runtime that serves `/init` and `/run` at an address.
#[derive(Debug)]
pub struct HttpRuntime {
    address: SocketAddr,
    /// A run was answered since the init: when nobody listens any more, the container has died at rest.
    has_run: AtomicBool,
}

impl HttpRuntime {
    /// Names a runtime; nothing is sent.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            has_run: AtomicBool::new(false),
        }
    }

    /// Sends `/init`, again and again until the runtime listens or the time is up.
    ///
    /// # Errors
    /// `Timeout`, `ConnectionLost` if the connection breaks or the answer has no length, `Unhealthy` on 503.
    pub async fn init(
        &self,
        body: Bytes,
        limit: Duration,
        response: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        let attempts = async {
            loop {
                match exchange(self.address, "/init", body.clone(), response).await {
                    Ok(answer) => return healthy(answer),
                    Err(ExchangeError::Lost) => return Err(ContainerError::ConnectionLost),
                    Err(ExchangeError::NotConnected) => tokio::time::sleep(RETRY_INTERVAL).await,
                }
            }
        };
        timeout(limit, attempts)
            .await
            .unwrap_or(Err(ContainerError::Timeout))
    }

    /// Sends `/run`, once.
    ///
    /// # Errors
    /// `Timeout`, `ConnectionLost` as for init and if nobody listens at the first run after the init,
    /// `Unhealthy` on 503 and if nobody listens later on.
    pub async fn run(
        &self,
        body: Bytes,
        limit: Duration,
        response: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        let answer = timeout(limit, exchange(self.address, "/run", body, response)).await;
        let was_warm = self.has_run.load(Ordering::Relaxed);
        match answer {
            Err(_) => Err(ContainerError::Timeout),
            Ok(Ok(answer)) => {
                self.has_run.store(true, Ordering::Relaxed);
                healthy(answer)
            }
            Ok(Err(ExchangeError::NotConnected)) if was_warm => Err(ContainerError::Unhealthy),
            Ok(Err(ExchangeError::NotConnected | ExchangeError::Lost)) => {
                Err(ContainerError::ConnectionLost)
            }
        }
    }
}

fn healthy(answer: Response) -> Result<Response, ContainerError> {
    if answer.status == LEAVING {
        Err(ContainerError::Unhealthy)
    } else {
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_entity::ByteSize;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: ResponseLimit = ResponseLimit {
        max: ByteSize::bytes(10),
        truncation: ByteSize::bytes(4),
    };

    /// Serves connections one after the other, each with the next text, then stops listening.
    async fn runtime(
        answers: &'static [&'static str],
    ) -> (HttpRuntime, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let runtime = HttpRuntime::new(listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let count = stream.read(&mut request).await.unwrap();
                request.truncate(count);
                requests.push(String::from_utf8(request).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        (runtime, served)
    }

    async fn run(runtime: &HttpRuntime) -> Result<Response, ContainerError> {
        runtime.run(Bytes::from_static(b"{}"), SECOND, LIMIT).await
    }

    #[tokio::test]
    async fn request_and_answer_have_the_form_of_the_contract() {
        let (runtime, served) = runtime(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"]).await;
        let answer = run(&runtime).await.unwrap();
        assert_eq!(
            (answer.status, &answer.entity[..], answer.full_length),
            (200, &b"{}"[..], None)
        );
        let request = served.await.unwrap().remove(0).to_lowercase();
        assert!(
            request.starts_with("post /run http/1.1\r\n") && request.ends_with("\r\n\r\n{}"),
            "{request}"
        );
        for header in [
            "content-type: application/json",
            "accept: application/json",
            "content-length: 2",
        ] {
            assert!(request.contains(header), "{request}");
        }
    }

    #[tokio::test]
    async fn long_answer_keeps_its_start() {
        let (runtime, _) =
            runtime(&["HTTP/1.1 502 x\r\ncontent-length: 12\r\n\r\n{\"a\":\"bcdef\"}"]).await;
        let answer = run(&runtime).await.unwrap();
        assert_eq!(
            (answer.status, &answer.entity[..], answer.full_length),
            (502, &b"{\"a\""[..], Some(12))
        );
    }

    /// Runtime protocol §1: no length, an empty entity and a broken answer count as no answer.
    #[tokio::test]
    async fn answers_without_length_are_none() {
        for answer in [
            &["HTTP/1.1 200 OK\r\n\r\n{}"][..],
            &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
            &["HTTP/1.1 204 No Content\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"],
            &["nonsense\r\n\r\n"],
            &[""],
        ] {
            let (runtime, _) = runtime(answer).await;
            let error = run(&runtime).await.unwrap_err();
            assert!(
                matches!(error, ContainerError::ConnectionLost),
                "{answer:?}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn leaving_and_gone_runtimes_are_unhealthy() {
        let (runtime, served) = runtime(&[
            "HTTP/1.1 503 x\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        ])
        .await;
        assert!(matches!(
            run(&runtime).await,
            Err(ContainerError::Unhealthy)
        ));
        assert!(run(&runtime).await.is_ok());
        served.await.unwrap();
        assert!(matches!(
            run(&runtime).await,
            Err(ContainerError::Unhealthy)
        ));
    }

    #[tokio::test]
    async fn init_waits_for_the_runtime_and_the_first_run_does_not() {
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let runtime = HttpRuntime::new(free);
        assert!(matches!(
            run(&runtime).await,
            Err(ContainerError::ConnectionLost)
        ));
        let init = |limit| runtime.init(Bytes::from_static(b"{}"), limit, LIMIT);
        assert!(matches!(
            init(Duration::from_millis(120)).await,
            Err(ContainerError::Timeout)
        ));
        let late = async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            let listener = TcpListener::bind(free).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK")
                .await
                .unwrap();
        };
        let (answer, ()) = tokio::join!(init(5 * SECOND), late);
        assert_eq!(answer.unwrap().status, 200);
    }
}
