//! Something that several threads use together: opened when it is needed, closed when it is not.
//!
//! Never closes what somebody uses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::kafka::state::lock;

/// Something that is opened when it is needed.
///
/// [`OnDemand::obtain`] returns it, opened or not before; it is in use until what is returned is dropped.
/// [`OnDemand::close_if_idle`] is to be called now and then.
pub(super) struct OnDemand<T> {
    idle: Duration,
    open: Mutex<Option<Open<T>>>,
}

struct Open<T> {
    value: Arc<T>,
    /// When it was last known to be in use.
    used: Instant,
}

impl<T> OnDemand<T> {
    /// Returns one that is closed after it has not been used for this long.
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, open: Mutex::default() }
    }

    /// Returns what is open, after opening it if nothing is.
    pub(super) fn obtain<E>(
        &self,
        now: Instant,
        open: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut slot = lock(&self.open);
        let value = match slot.take() {
            Some(found) => found.value,
            None => Arc::new(open()?),
        };
        *slot = Some(Open { value: Arc::clone(&value), used: now });
        Ok(value)
    }

    /// Closes what nobody has used for long enough.
    pub(super) fn close_if_idle(&self, now: Instant) {
        let mut slot = lock(&self.open);
        if let Some(open) = slot.as_mut().filter(|open| Arc::strong_count(&open.value) > 1) {
            open.used = now;
        }
        let is_idle = |open: &mut Open<T>| now.duration_since(open.used) >= self.idle;
        let idle = slot.take_if(is_idle);
        // Closing takes time: nobody has to wait for it.
        drop(slot);
        drop(idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    #[test]
    fn opened_once_for_all_and_closed_when_nobody_uses_it() {
        let (shared, start) = (OnDemand::new(IDLE), Instant::now());
        let opened = std::cell::Cell::new(0);
        let obtain = |now| {
            let open = || {
                opened.set(opened.get() + 1);
                Ok::<_, ()>("client")
            };
            shared.obtain(now, open).unwrap()
        };
        let (one, other) = (obtain(start), obtain(start));
        assert!(Arc::ptr_eq(&one, &other) && opened.get() == 1);
        drop(other);
        shared.close_if_idle(start + IDLE);
        assert_eq!(Arc::strong_count(&one), 2, "one still uses it");
        drop(one);
        shared.close_if_idle(start + IDLE + IDLE / 2);
        drop(obtain(start + IDLE + IDLE / 2));
        assert_eq!(opened.get(), 1, "it was used not long ago");
        shared.close_if_idle(start + 3 * IDLE);
        drop(obtain(start + 3 * IDLE));
        assert_eq!(opened.get(), 2);
    }

    #[test]
    fn what_cannot_be_opened_is_tried_again() {
        let (shared, now) = (OnDemand::<()>::new(IDLE), Instant::now());
        assert_eq!(shared.obtain(now, || Err("no")).unwrap_err(), "no");
        assert!(shared.obtain(now, || Ok::<_, ()>(())).is_ok());
    }
}
