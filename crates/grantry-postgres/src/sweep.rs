//! Letting go of what need not be kept any more, a bounded piece at a time.

use std::time::SystemTime;

use grantry_core::UnixTime;
use grantry_server::{Clients, SendSweep, Swept};
use tokio_postgres::types::Timestamp;

use crate::columns::{LAST_SECOND, timestamp, unix_time};
use crate::error::{Failure, PostgresError, Work};
use crate::store::{PostgresStore, Values};

/// The oldest go first. Several nodes may sweep at once: each passes by what another is deleting.
impl<C: Clients> SendSweep for PostgresStore<C> {
    async fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, PostgresError> {
        self.try_sweep(now, limit).await.map_err(|failure| failure.during(Work::Sweep))
    }
}

impl<C> PostgresStore<C> {
    /// How many records a sweep drops at most, whatever it is asked for: a transaction of some milliseconds.
    pub const MAX_SWEPT: usize = 1000;

    async fn try_sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, Failure> {
        // What is due later than a column can say is never due.
        let now = now.min(UnixTime::from_secs(LAST_SECOND));
        let limit = i64::try_from(limit.min(Self::MAX_SWEPT)).unwrap_or(i64::MAX);
        let rows = self.query(&self.statements.sweep, Values(&[&timestamp(now), &limit])).await?;
        let row = rows.first().ok_or(Failure::Answer)?;
        let removed = usize::try_from(row.try_get::<_, i64>(0)?).map_err(|_| Failure::Answer)?;
        let next: Option<Timestamp<SystemTime>> = row.try_get(1)?;
        Ok(Swept::new(removed, next.and_then(unix_time)))
    }
}
