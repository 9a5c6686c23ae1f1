//! The resolver inside the tunnel: asks the host's resolvers on the action's behalf.
//!
//! Only questions pass, one at a time, and what comes back is handed on as it is. An answer opens
//! nothing: each connection is judged by its address.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;

use super::resolvers::Resolvers;
use super::udp::connected;

/// How long one resolver may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a connection to our resolver may rest.
const IDLE: Duration = Duration::from_secs(10);
/// Longest question that passes.
const QUESTION_MAX: usize = 1024;
/// Longest answer in a datagram.
const ANSWER_MAX: usize = 65_535;
/// Length of a message's header.
const HEADER: usize = 12;

/// In the header: an answer, and a code in the last bits.
const ANSWERS: u8 = 0x80;
const FORMAT_ERROR: u8 = 1;
const SERVER_FAILURE: u8 = 2;
const NOT_IMPLEMENTED: u8 = 4;
const REFUSED: u8 = 5;

/// What is done with a message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Asked; the end of the question in the message.
    Ask(usize),
    /// Answered with this code.
    Answer(u8),
    /// Not even answered.
    Drop,
}

/// Judges what should be a question.
fn judge(message: &[u8]) -> Verdict {
    const TRANSFERS: [u16; 2] = [251, 252];
    const INTERNET: u16 = 1;
    let Some(&[_, _, flags, _, q0, q1, a0, a1, n0, n1, _, _]) = message.first_chunk::<HEADER>()
    else {
        return Verdict::Drop;
    };
    if flags & ANSWERS != 0 {
        return Verdict::Drop;
    }
    if (flags >> 3) & 0xf != 0 {
        return Verdict::Answer(NOT_IMPLEMENTED);
    }
    if [q0, q1, a0, a1, n0, n1] != [0, 1, 0, 0, 0, 0] || message.len() > QUESTION_MAX {
        return Verdict::Answer(FORMAT_ERROR);
    }
    let Some((kind, class, end)) = question(message) else {
        return Verdict::Answer(FORMAT_ERROR);
    };
    if TRANSFERS.contains(&kind) || class != INTERNET {
        return Verdict::Answer(REFUSED);
    }
    Verdict::Ask(end)
}

/// Reads the one question: its kind, its class and where it ends.
fn question(message: &[u8]) -> Option<(u16, u16, usize)> {
    let mut place = HEADER;
    loop {
        match usize::from(*message.get(place)?) {
            0 => break,
            // A name in a question refers to nothing before it.
            length @ 1..=63 => place += 1 + length,
            _ => return None,
        }
        if place > HEADER + 255 {
            return None;
        }
    }
    let [k0, k1, c0, c1] = *message.get(place + 1..)?.first_chunk()?;
    Some((
        u16::from_be_bytes([k0, k1]),
        u16::from_be_bytes([c0, c1]),
        place + 5,
    ))
}

/// An answer of our own without any record.
fn answer_with(code: u8, message: &[u8]) -> Vec<u8> {
    let end = question(message).map(|(_, _, end)| end);
    let mut answer = message
        .get(..end.unwrap_or(HEADER))
        .unwrap_or_default()
        .to_vec();
    if let Some([_, _, flags, code_place, counts @ ..]) = answer.first_chunk_mut::<HEADER>() {
        *flags = ANSWERS | (*flags & 0x79);
        *code_place = ANSWERS | code;
        *counts = [0, u8::from(end.is_some()), 0, 0, 0, 0, 0, 0];
    }
    answer
}

/// Returns whether a message answers a question: the same number, the same question.
fn answers(answer: &[u8], asked: &[u8], end: usize) -> bool {
    let is_answer = answer.get(2).is_some_and(|flags| flags & ANSWERS != 0);
    let same_number = answer.get(..2) == asked.get(..2);
    let counted = answer.get(4..6) == Some(&[0, 1]);
    // Resolvers keep the question as it was; upper and lower case are the same to some.
    let question = |message: &[u8]| message.get(HEADER..end).map(<[u8]>::to_ascii_lowercase);
    // An error may come without the question.
    is_answer && same_number && (!counted || question(answer) == question(asked))
}

/// Answers a message that came in a datagram; nothing if it deserves no answer.
pub(super) async fn answer_datagram(resolvers: &Resolvers, message: &[u8]) -> Option<Vec<u8>> {
    let end = match judge(message) {
        Verdict::Drop => return None,
        Verdict::Answer(code) => return Some(answer_with(code, message)),
        Verdict::Ask(end) => end,
    };
    for server in resolvers.current() {
        if let Ok(Ok(answer)) = timeout(PATIENCE, ask(server, message, end)).await {
            return Some(answer);
        }
    }
    Some(answer_with(SERVER_FAILURE, message))
}

async fn ask(server: SocketAddr, message: &[u8], end: usize) -> io::Result<Vec<u8>> {
    let socket: UdpSocket = connected(server)?;
    socket.send(message).await?;
    loop {
        socket.readable().await?;
        let mut answer = vec![0; ANSWER_MAX];
        match socket.try_recv(&mut answer) {
            Ok(length) => {
                answer.truncate(length);
                if answers(&answer, message, end) {
                    return Ok(answer);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Answers the messages on a connection, one after the other, until it is closed or rests.
pub(super) async fn serve(mut stream: UnixStream, resolvers: &Resolvers) {
    while let Ok(Ok(message)) = timeout(IDLE, read_message(&mut stream, QUESTION_MAX)).await {
        let answer = match judge(&message) {
            Verdict::Drop => return,
            Verdict::Answer(code) => answer_with(code, &message),
            Verdict::Ask(end) => ask_all(resolvers, &message, end).await,
        };
        if !matches!(
            timeout(IDLE, write_message(&mut stream, &answer)).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
}

async fn ask_all(resolvers: &Resolvers, message: &[u8], end: usize) -> Vec<u8> {
    for server in resolvers.current() {
        let asked = async {
            let mut stream = TcpStream::connect(server).await?;
            write_message(&mut stream, message).await?;
            read_message(&mut stream, ANSWER_MAX).await
        };
        if let Ok(Ok(answer)) = timeout(PATIENCE, asked).await
            && answers(&answer, message, end)
        {
            return answer;
        }
    }
    answer_with(SERVER_FAILURE, message)
}

async fn read_message(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
    most: usize,
) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(
    stream: &mut (impl tokio::io::AsyncWrite + Unpin),
    message: &[u8],
) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes(), message].concat())
        .await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A question for `a.bc` with the flags, the kind and the class.
    fn message(flags: u8, kind: u16, class: u16) -> Vec<u8> {
        let mut message = vec![7, 9, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(b"\x01a\x02bc\x00");
        message.extend(kind.to_be_bytes());
        message.extend(class.to_be_bytes());
        message
    }

    #[test]
    fn only_questions_about_names_of_the_internet_are_asked() {
        let cases = [
            (message(1, 1, 1), Verdict::Ask(22)),
            (message(1, 28, 1), Verdict::Ask(22)),
            (message(0, 255, 1), Verdict::Ask(22)),
            (message(1, 252, 1), Verdict::Answer(REFUSED)),
            (message(1, 251, 1), Verdict::Answer(REFUSED)),
            (message(1, 16, 3), Verdict::Answer(REFUSED)),
            (message(0x28, 6, 1), Verdict::Answer(NOT_IMPLEMENTED)),
            (message(0x80, 1, 1), Verdict::Drop),
            (
                message(1, 1, 1)[..15].to_vec(),
                Verdict::Answer(FORMAT_ERROR),
            ),
            (message(1, 1, 1)[..11].to_vec(), Verdict::Drop),
            (vec![], Verdict::Drop),
        ];
        for (message, expected) in cases {
            assert_eq!(judge(&message), expected, "{message:?}");
        }
    }

    #[test]
    fn answer_of_our_own_repeats_the_question() {
        let asked = message(1, 1, 1);
        let answer = answer_with(SERVER_FAILURE, &asked);
        assert_eq!(answer[..12], [7, 9, 0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(answer[12..], asked[12..]);
        assert!(answers(&answer, &asked, 22));
    }

    #[test]
    fn answer_to_another_question_is_none() {
        let asked = message(1, 1, 1);
        let answer = message(0x81, 1, 1);
        assert!(answers(&answer, &asked, 22));
        assert!(!answers(&message(0x81, 28, 1), &asked, 22), "another kind");
        assert!(!answers(&asked, &asked, 22), "no answer");
        let mut other = answer;
        other[1] = 8;
        assert!(!answers(&other, &asked, 22), "another number");
    }

    proptest! {
        #[test]
        fn any_message_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Verdict::Ask(end) = judge(&bytes) {
                prop_assert!(end <= bytes.len());
                let _either = answers(&bytes, &bytes, end);
            }
            prop_assert!(answer_with(SERVER_FAILURE, &bytes).len() <= bytes.len());
        }
    }
}
