//! Whose grants there are, page by page.

use grantry_server::{Clients, Grant, GrantId, GrantsOf, MAX_LISTED_GRANTS, RecordError, SendGrantList};

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
        let rows = match of {
            GrantsOf::Subject(issuer, subject) => {
                let values = Values(&[&from, &limit, &issuer.as_str(), &subject.as_str()]);
                self.query(&self.statements.list_subject, values).await?
            }
            GrantsOf::Client(issuer, client_id) => {
                let values = Values(&[&from, &limit, &issuer.as_str(), &client_id.as_str()]);
                self.query(&self.statements.list_client, values).await?
            }
            GrantsOf::SubjectAtClient(issuer, subject, client_id) => {
                let values =
                    Values(&[&from, &limit, &issuer.as_str(), &subject.as_str(), &client_id.as_str()]);
                self.query(&self.statements.list_subject_at_client, values).await?
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
