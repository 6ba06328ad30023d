-- One row an authorization. Times are seconds since 1970; `version` has the 64 bits of an unsigned number.
CREATE TABLE grants (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    subject TEXT,
    expires_at INTEGER NOT NULL,
    purge_after INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT;

CREATE INDEX grants_of_subject ON grants (issuer, subject, id) WHERE subject IS NOT NULL;
CREATE INDEX grants_of_client ON grants (issuer, client_id, id);
CREATE INDEX grants_to_purge ON grants (purge_after);

-- One row a one-time identifier that was seen.
CREATE TABLE claims (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_to_purge ON claims (until);
