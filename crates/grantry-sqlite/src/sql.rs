//! The statements. Each finds its rows by an index, whatever the size of the tables.

pub(crate) const READ_GRANT: &str = "SELECT id, record, version FROM grants WHERE id = ?1";

pub(crate) const READ_CLAIM: &str = "SELECT EXISTS (SELECT * FROM claims WHERE id = ?1)";

pub(crate) const INSERT_GRANT: &str =
    "INSERT INTO grants (id, version, issuer, client_id, subject, expires_at, purge_after, record)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";

/// What a rotation changes is in no index. A statement that sets nothing else takes a third of the time.
pub(crate) const ROTATE_GRANT: &str = "UPDATE grants SET version = ?2, expires_at = ?6, record = ?8
     WHERE id = ?1 AND version = ?9
         AND issuer = ?3 AND client_id = ?4 AND subject IS ?5 AND purge_after = ?7";

pub(crate) const UPDATE_GRANT: &str = "UPDATE grants
     SET version = ?2, issuer = ?3, client_id = ?4, subject = ?5, expires_at = ?6, purge_after = ?7, record = ?8
     WHERE id = ?1 AND version = ?9";

pub(crate) const INSERT_CLAIM: &str =
    "INSERT INTO claims (id, until) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";

pub(crate) const LIST_OF_SUBJECT: &str =
    "SELECT id, record FROM grants WHERE issuer = ?1 AND subject = ?2 AND id > ?3 ORDER BY id LIMIT ?4";

pub(crate) const LIST_OF_CLIENT: &str =
    "SELECT id, record FROM grants WHERE issuer = ?1 AND client_id = ?2 AND id > ?3 ORDER BY id LIMIT ?4";

/// `+` keeps to the index over people: a person has few grants, and a client may have all.
pub(crate) const LIST_OF_SUBJECT_AT_CLIENT: &str = "SELECT id, record FROM grants
     WHERE issuer = ?1 AND subject = ?2 AND +client_id = ?5 AND id > ?3 ORDER BY id LIMIT ?4";

pub(crate) const SWEEP_GRANTS: &str = "DELETE FROM grants WHERE rowid IN
         (SELECT rowid FROM grants WHERE purge_after <= ?1 ORDER BY purge_after LIMIT ?2)";

pub(crate) const SWEEP_CLAIMS: &str = "DELETE FROM claims WHERE id IN
         (SELECT id FROM claims WHERE until <= ?1 ORDER BY until LIMIT ?2)";

/// Each `min` reads one entry of an index.
pub(crate) const NEXT_SWEEP: &str = "SELECT min(
         ifnull((SELECT min(purge_after) FROM grants), ?1), ifnull((SELECT min(until) FROM claims), ?1))";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A plan says `SCAN` where it reads a whole table or a whole index, and `TEMP B-TREE` where it sorts.
    #[test]
    fn no_statement_reads_a_whole_table_or_sorts() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&mut connection).unwrap();
        let statements = [
            READ_GRANT,
            READ_CLAIM,
            INSERT_GRANT,
            ROTATE_GRANT,
            UPDATE_GRANT,
            INSERT_CLAIM,
            LIST_OF_SUBJECT,
            LIST_OF_CLIENT,
            LIST_OF_SUBJECT_AT_CLIENT,
            SWEEP_GRANTS,
            SWEEP_CLAIMS,
            NEXT_SWEEP,
        ];
        for sql in statements {
            for step in plan(&connection, sql) {
                let is_found = !step.contains("SCAN") || step == "SCAN CONSTANT ROW";
                assert!(is_found && !step.contains("TEMP B-TREE"), "{step} in {sql}");
            }
        }
        for sql in [LIST_OF_SUBJECT, LIST_OF_SUBJECT_AT_CLIENT] {
            let step = "SEARCH grants USING INDEX grants_of_subject (issuer=? AND subject=? AND id>?)";
            assert_eq!(plan(&connection, sql), [step]);
        }
        for sql in [READ_GRANT, ROTATE_GRANT, UPDATE_GRANT] {
            let step = "SEARCH grants USING INDEX sqlite_autoindex_grants_1 (id=?)";
            assert_eq!(plan(&connection, sql), [step]);
        }
    }

    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get(3).unwrap());
        }
        plan
    }
}
