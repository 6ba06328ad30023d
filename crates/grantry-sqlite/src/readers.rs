//! A few connections that read while one writes.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

/// Locks a connection. One whose thread panicked has no open transaction: that was rolled back on the way.
pub(crate) fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Readers {
    first: Mutex<Connection>,
    others: Box<[Mutex<Connection>]>,
    waited: AtomicUsize,
}

impl Readers {
    pub(crate) fn new(first: Connection, others: impl IntoIterator<Item = Connection>) -> Self {
        let others = others.into_iter().map(Mutex::new).collect();
        Self { first: Mutex::new(first), others, waited: AtomicUsize::new(0) }
    }

    /// Takes an idle connection, the first ones first since their caches are warm. While none is idle, those who
    /// wait are spread over all.
    pub(crate) fn take(&self) -> MutexGuard<'_, Connection> {
        let mut all = core::iter::once(&self.first).chain(&self.others);
        if let Some(idle) = all.find_map(try_lock) {
            return idle;
        }
        let turn = self.waited.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        lock(self.others.get(turn).unwrap_or(&self.first))
    }
}

fn try_lock(connection: &Mutex<Connection>) -> Option<MutexGuard<'_, Connection>> {
    match connection.try_lock() {
        Ok(connection) => Some(connection),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
