//! Whose grants there are, page by page.

use grantry_server::{Clients, Grant, GrantId, GrantsOf, MAX_LISTED_GRANTS, RecordError, SendGrantList};
use tokio_postgres::types::ToSql;

use crate::columns::Id;
use crate::error::{Failure, PostgresError, Work};
use crate::store::{PostgresStore, Values, grant_of};

impl<C: Clients> SendGrantList for PostgresStore<C> {
    async fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, PostgresError> {
        self.page(of, after, limit).await.map_err(|failure| failure.during(Work::List))
    }
}

impl<C> PostgresStore<C> {
    async fn page(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, Failure> {
        let Some(from) = Id::after(after) else { return Ok(Vec::new()) };
        let limit = i64::try_from(limit.min(MAX_LISTED_GRANTS)).unwrap_or(i64::MAX);
        let issuer = of.issuer().as_str();
        let rows = match of {
            GrantsOf::Subject(_, subject) => {
                let subject = subject.as_str();
                self.query(&self.statements.list_subject, Values(&[&from, &limit, &issuer, &subject])).await?
            }
            GrantsOf::Client(_, client_id) => {
                let client_id = client_id.as_str();
                self.query(&self.statements.list_client, Values(&[&from, &limit, &issuer, &client_id]))
                    .await?
            }
            GrantsOf::SubjectAtClient(_, subject, client_id) => {
                let (subject, client_id) = (subject.as_str(), client_id.as_str());
                let values: &[&(dyn ToSql + Sync)] = &[&from, &limit, &issuer, &subject, &client_id];
                self.query(&self.statements.list_subject_at_client, Values(values)).await?
            }
        };
        let grants = rows.iter().map(|row| {
            let grant = grant_of(row, 0, None)?;
            // The columns are copies: a row in which they disagree with the record is damaged.
            if of.includes(&grant) { Ok(grant) } else { Err(RecordError::Corrupt.into()) }
        });
        grants.collect()
    }
}
