//! What a test drops, delays or changes under way.

use crate::datagram::{Datagram, Verdict};
use std::time::Duration;

type DropFilter = Box<dyn FnMut(&Datagram<'_>) -> bool>;
type Filter = Box<dyn FnMut(&mut Datagram<'_>) -> Verdict>;

#[derive(Default)]
pub(crate) struct Filters {
    drop_next: Vec<DropFilter>,
    filters: Vec<Filter>,
}

impl Filters {
    pub(crate) fn drop_next(&mut self, filter: DropFilter) {
        self.drop_next.push(filter);
    }

    pub(crate) fn add(&mut self, filter: Filter) {
        self.filters.push(filter);
    }

    pub(crate) fn clear(&mut self) {
        self.drop_next.clear();
        self.filters.clear();
    }

    /// How much later the filters let it arrive, or `None` if they drop it.
    pub(crate) fn pass(&mut self, datagram: &mut Datagram<'_>) -> Option<Duration> {
        if let Some(index) = self.drop_next.iter_mut().position(|filter| filter(datagram)) {
            let _done = self.drop_next.remove(index);
            return None;
        }
        let mut delay = Duration::ZERO;
        for filter in &mut self.filters {
            match filter(datagram) {
                Verdict::Pass => {}
                Verdict::Drop => return None,
                Verdict::Delay(extra) => delay += extra,
            }
        }
        Some(delay)
    }
}
