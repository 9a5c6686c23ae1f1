//! Reading an answer.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

use super::WireError;
use crate::json::Json;

/// Longest line of a head or of a chunk's size, in bytes.
const MAX_LINE: u64 = 1 << 20;
/// Most headers of one answer.
const MAX_HEADERS: usize = 1000;
/// Largest body, in bytes.
const MAX_BODY: u64 = 256 << 20;

/// An answer as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case and values (each byte one character) in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of chunks.
    pub content: Vec<u8>,
}

impl Response {
    /// Returns the first header of that name, which must be in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Parses the body if the answer says that it is JSON; `None` if it does not say so or errs.
    #[must_use]
    pub fn json(&self) -> Option<Json> {
        let kind = self.header("content-type").unwrap_or_default();
        let kind = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return None;
        }
        Json::parse(std::str::from_utf8(&self.content).ok()?).ok()
    }
}

/// Reads one answer to a request of that method, passing over `100 Continue`.
pub(super) async fn receive<R>(source: &mut R, method: &str) -> Result<Response, WireError>
where
    R: AsyncBufRead + Unpin,
{
    let status = loop {
        let status = status(&line(source).await?)?;
        if status != 100 {
            break status;
        }
        headers(source).await?;
    };
    let headers = headers(source).await?;
    let mut response = Response {
        status,
        headers,
        content: Vec::new(),
    };
    let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
    if !bodiless {
        response.content = body(source, &response).await?;
    }
    Ok(response)
}

/// Reads a line without its end.
async fn line<R: AsyncBufRead + Unpin>(source: &mut R) -> Result<Vec<u8>, WireError> {
    let mut line = Vec::new();
    source
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .await
        .map_err(WireError::Receive)?;
    if line.pop() != Some(b'\n') {
        return Err(WireError::Receive(io::ErrorKind::UnexpectedEof.into()));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn status(line: &[u8]) -> Result<u16, WireError> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    let version = words.next().unwrap_or_default();
    match words.next().and_then(|code| code.parse::<u16>().ok()) {
        Some(code) if version.starts_with("HTTP/1.") => Ok(code),
        Some(_) | None => Err(WireError::Malformed(format!("status line `{text}`"))),
    }
}

async fn headers<R: AsyncBufRead + Unpin>(
    source: &mut R,
) -> Result<Vec<(String, String)>, WireError> {
    let mut headers = Vec::new();
    loop {
        let line = line(source).await?;
        if line.is_empty() {
            return Ok(headers);
        }
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        let Some((name, value)) = text.split_once(':') else {
            return Err(WireError::Malformed(format!("header line `{text}`")));
        };
        headers.push((
            name.to_lowercase(),
            value.trim_start_matches([' ', '\t']).to_owned(),
        ));
        if headers.len() > MAX_HEADERS {
            return Err(WireError::Malformed(format!(
                "more than {MAX_HEADERS} headers"
            )));
        }
    }
}

async fn body<R: AsyncBufRead + Unpin>(
    source: &mut R,
    response: &Response,
) -> Result<Vec<u8>, WireError> {
    if response
        .header("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        return chunks(source).await;
    }
    match response.header("content-length").map(str::parse::<u64>) {
        Some(Ok(length)) => exactly(source, length).await,
        Some(Err(_)) => Err(WireError::Malformed(
            "content-length is not a number".to_owned(),
        )),
        None => {
            let mut content = Vec::new();
            source
                .take(MAX_BODY)
                .read_to_end(&mut content)
                .await
                .map_err(WireError::Receive)?;
            Ok(content)
        }
    }
}

async fn exactly<R: AsyncRead + Unpin>(source: &mut R, length: u64) -> Result<Vec<u8>, WireError> {
    if length > MAX_BODY {
        return Err(WireError::Malformed(format!("body of {length} bytes")));
    }
    let mut content = Vec::new();
    let read = source
        .take(length)
        .read_to_end(&mut content)
        .await
        .map_err(WireError::Receive)?;
    if u64::try_from(read).is_ok_and(|read| read == length) {
        Ok(content)
    } else {
        Err(WireError::Receive(io::ErrorKind::UnexpectedEof.into()))
    }
}

async fn chunks<R: AsyncBufRead + Unpin>(source: &mut R) -> Result<Vec<u8>, WireError> {
    let mut content = Vec::new();
    loop {
        let size_line = String::from_utf8_lossy(&line(source).await?).into_owned();
        let size = size_line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| WireError::Malformed(format!("size of a chunk `{size_line}`")))?;
        if size == 0 {
            headers(source).await?;
            return Ok(content);
        }
        content.extend(exactly(source, size).await?);
        line(source).await?;
        if u64::try_from(content.len()).is_ok_and(|length| length > MAX_BODY) {
            return Err(WireError::Malformed("body too large".to_owned()));
        }
    }
}
