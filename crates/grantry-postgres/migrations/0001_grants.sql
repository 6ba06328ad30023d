-- Grants and one-time identifiers of an authorization server.
--
-- Run it once, in one transaction, with the search_path set to the schema that is to hold the tables:
--
--     psql -1 -v ON_ERROR_STOP=1 -c 'CREATE SCHEMA grantry' -c 'SET search_path TO grantry' -f 0001_grants.sql
--
-- The role of the server needs USAGE on the schema, SELECT, INSERT, UPDATE and DELETE on grants and claims, and
-- SELECT on migrations. PostgreSQL 12 or later.

CREATE TABLE migrations (
    version    integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migrations_pkey PRIMARY KEY (version)
);

COMMENT ON TABLE migrations IS 'Which migrations were applied. A server refuses a version that it does not know.';

-- The rotation of a refresh token changes version and record, which no index holds: on a page with room it is a
-- heap-only update that touches no index. The columns of fixed width stand first.
CREATE TABLE grants (
    id          uuid             NOT NULL,
    version     bigint           NOT NULL,
    expires_at  timestamptz      NOT NULL,
    purge_after timestamptz      NOT NULL,
    issuer      text COLLATE "C" NOT NULL,
    client_id   text COLLATE "C" NOT NULL,
    subject     text COLLATE "C",
    record      bytea            NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (id),
    CONSTRAINT grants_version_check CHECK (version >= 1),
    CONSTRAINT grants_purge_after_check CHECK (purge_after >= expires_at),
    CONSTRAINT grants_issuer_check CHECK (issuer <> ''),
    CONSTRAINT grants_client_id_check CHECK (client_id <> ''),
    CONSTRAINT grants_subject_check CHECK (subject <> ''),
    CONSTRAINT grants_record_check CHECK (octet_length(record) > 0)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

COMMENT ON TABLE grants IS 'One row for each authorization. No token and no digest of a token stands in it.';
COMMENT ON COLUMN grants.id IS '16 random bytes, without the version bits of a UUID. Not a secret.';
COMMENT ON COLUMN grants.version IS 'How often the row was written. A write compares it.';
COMMENT ON COLUMN grants.expires_at IS 'From when on nothing of the grant is alive. For people; no query of the server uses it.';
COMMENT ON COLUMN grants.purge_after IS 'From when on the row may be deleted. Later than the year 294276 is infinity.';
COMMENT ON COLUMN grants.issuer IS 'The issuer whose grant it is, for databases that several share.';
COMMENT ON COLUMN grants.client_id IS 'The client that holds the grant.';
COMMENT ON COLUMN grants.subject IS 'The person who granted. NULL while nobody has, and where the client asked for itself.';
COMMENT ON COLUMN grants.record IS 'The grant as the server writes it. The other columns are copies of what is in it.';

CREATE INDEX grants_of_subject ON grants (issuer, subject, id) WHERE subject IS NOT NULL;
CREATE INDEX grants_of_client ON grants (issuer, client_id, id);
CREATE INDEX grants_to_purge ON grants (purge_after);

-- Rows are inserted and deleted, never updated.
CREATE TABLE claims (
    id          bytea       NOT NULL,
    purge_after timestamptz NOT NULL,
    CONSTRAINT claims_pkey PRIMARY KEY (id),
    CONSTRAINT claims_id_check CHECK (octet_length(id) = 32)
) WITH (
    autovacuum_vacuum_scale_factor = 0.05
);

COMMENT ON TABLE claims IS 'Identifiers that count once: of client assertions, and of revoked tokens without a grant.';
COMMENT ON COLUMN claims.id IS 'A SHA-256 digest.';
COMMENT ON COLUMN claims.purge_after IS 'From when on the row may be deleted.';

CREATE INDEX claims_to_purge ON claims (purge_after);

INSERT INTO migrations (version) VALUES (1);
