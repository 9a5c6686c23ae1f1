//! Lists that are sent while they are read.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use oxwhisk_entity::Json;
use oxwhisk_store::StoreError;

/// An element that is still to be read; `None` if it has gone meanwhile.
pub(crate) type Element = Pin<Box<dyn Future<Output = Result<Option<Json>, StoreError>> + Send>>;

/// The elements of a list: the first are there, the others are read one after the other, each when the client has
/// taken what came before.
pub(crate) struct List {
    pub(crate) first: Vec<Json>,
    pub(crate) rest: Box<dyn Iterator<Item = Element> + Send>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("first", &self.first.len())
            .finish_non_exhaustive()
    }
}

impl List {
    fn into_body(self) -> ListBody {
        let mut text = Json::of(&self.first).text().to_owned();
        text.pop();
        ListBody {
            is_empty: self.first.is_empty(),
            start: Some(text.into()),
            rest: self.rest,
            reading: None,
            is_over: false,
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    Whole(Full<Bytes>),
    List(ListBody),
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl From<List> for ResponseBody {
    fn from(list: List) -> Self {
        Self::List(list.into_body())
    }
}

/// A JSON array on its way. If an element cannot be read the connection is cut off, so that the client sees that the
/// answer is not whole.
pub(crate) struct ListBody {
    /// The opening bracket and the first elements, until they are sent.
    start: Option<Bytes>,
    /// No element was written yet.
    is_empty: bool,
    rest: Box<dyn Iterator<Item = Element> + Send>,
    reading: Option<Element>,
    is_over: bool,
}

impl fmt::Debug for ListBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListBody")
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl ListBody {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(Ok(start)));
        }
        while !self.is_over {
            if self.reading.is_none() {
                self.reading = self.rest.next();
            }
            let Some(reading) = &mut self.reading else {
                self.is_over = true;
                return Poll::Ready(Some(Ok(Bytes::from_static(b"]"))));
            };
            let element = ready!(reading.as_mut().poll(cx));
            self.reading = None;
            match element {
                Ok(Some(json)) => {
                    let comma = if self.is_empty { "" } else { "," };
                    self.is_empty = false;
                    return Poll::Ready(Some(Ok([comma, json.text()].concat().into())));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "a list was broken off");
                    self.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match self.get_mut() {
            Self::Whole(full) => {
                let frame = ready!(Pin::new(full).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::List(list) => {
                let bytes = ready!(list.poll_next(cx));
                Poll::Ready(bytes.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) => full.is_end_stream(),
            Self::List(list) => list.is_over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::List(_) => SizeHint::default(),
        }
    }
}
