//! Lists that do not fill the memory.

/// How many bytes of texts a page holds at most, but for the last element: 1 MiB.
pub const PAGE_BYTES: usize = 1 << 20;

/// What a list found, in its order: first elements that were read whole, then, if those are long, names of the others.
///
/// The names are settled with the page. What one of them stands for is read when it is needed, and may be newer or
/// gone by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Id> {
    /// The first elements: as many as have up to [`PAGE_BYTES`], and the one that goes beyond.
    pub found: Vec<T>,
    /// Names of those that follow.
    pub rest: Vec<Id>,
}

/// Room for the elements of a page.
#[derive(Debug)]
pub(crate) struct PageRoom(usize);

impl PageRoom {
    pub(crate) fn new() -> Self {
        Self(PAGE_BYTES)
    }

    pub(crate) fn is_left(&self) -> bool {
        self.0 > 0
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }
}
