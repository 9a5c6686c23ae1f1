//! Lists that do not fill the memory.

/// How many bytes of texts a page holds at most, unless its first element is longer: 1 MiB.
pub const PAGE_BYTES: usize = 1 << 20;

/// What a list found, in its order: first elements that were read whole, then, if those are long, names of the others.
///
/// The names are settled with the page. What one of them stands for is read when it is needed, and may be newer or
/// gone by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Id> {
    /// The first elements: as many as have up to [`PAGE_BYTES`], but at least one.
    pub found: Vec<T>,
    /// Names of those that follow.
    pub rest: Vec<Id>,
}

/// Room for the elements of a page.
#[derive(Debug)]
pub(crate) struct PageRoom {
    left: usize,
    is_empty: bool,
}

impl PageRoom {
    pub(crate) fn new() -> Self {
        Self {
            left: PAGE_BYTES,
            is_empty: true,
        }
    }

    pub(crate) fn is_left(&self) -> bool {
        self.left > 0
    }

    /// Takes room for an element; false if it does not fit, and neither does anything after it.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let fits = self.is_empty || bytes <= self.left;
        self.is_empty = false;
        self.left = if fits {
            self.left.saturating_sub(bytes)
        } else {
            0
        };
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_no_more_than_its_room_or_one_element() {
        let taken = |sizes: &[usize]| {
            let mut room = PageRoom::new();
            let fits = |&&bytes: &&usize| room.is_left() && room.take(bytes);
            sizes.iter().filter(fits).count()
        };
        assert_eq!(taken(&[PAGE_BYTES - 1, PAGE_BYTES - 1, 1]), 1);
        assert_eq!(taken(&[2 * PAGE_BYTES, 1]), 1);
        assert_eq!(taken(&[PAGE_BYTES / 2, PAGE_BYTES / 2, 1]), 2);
        assert_eq!(taken(&[1, 1, 1]), 3);
    }
}
