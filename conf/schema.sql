-- The table that images are kept in.
--
--     createdb codeexec
--     psql -X -v ON_ERROR_STOP=1 -d codeexec -f schema.sql
--     psql -X -v ON_ERROR_STOP=1 -d codeexec -f roles.sql
--
-- May be applied again and again, also to a database of the service that this
-- one follows: its table is taken over with its rows.  All or nothing is done.

BEGIN;

SET LOCAL client_min_messages = warning;

CREATE TABLE IF NOT EXISTS images (
    id        serial   PRIMARY KEY,
    filename  varchar  NOT NULL UNIQUE,  -- <uuid>_<name of the file>
    data      bytea    NOT NULL
);

-- All of these may be NULL: rows that were there before have none of them.

ALTER TABLE images
    ADD COLUMN IF NOT EXISTS content_type  text,
    ADD COLUMN IF NOT EXISTS sha256        bytea,        -- of data
    ADD COLUMN IF NOT EXISTS created_at    timestamptz,
    ADD COLUMN IF NOT EXISTS expires_at    timestamptz;  -- NULL: never

-- The default is not in ADD COLUMN, which would date old images as of now.

ALTER TABLE images ALTER COLUMN created_at SET DEFAULT now();

-- Images are compressed already, and a part of a value that PostgreSQL has not
-- tried to compress can be read without the rest.  Holds for new rows.

ALTER TABLE images ALTER COLUMN data SET STORAGE EXTERNAL;

-- Rows are looked for by it when expired images are removed.

CREATE INDEX IF NOT EXISTS images_expires_at ON images (expires_at)
    WHERE expires_at IS NOT NULL;

COMMIT;
