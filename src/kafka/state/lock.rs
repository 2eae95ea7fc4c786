//! How locks are taken on the Kafka side.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever happened to whoever held the lock before: all our guarded data is plain.
pub(in crate::kafka) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
