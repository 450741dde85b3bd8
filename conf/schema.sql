-- The table that images are kept in.
--
--     createdb codeexec
--     psql -X -v ON_ERROR_STOP=1 -d codeexec -f schema.sql
--     psql -X -v ON_ERROR_STOP=1 -d codeexec -f roles.sql
--
-- May be applied again and again, also to a database of the service that this
-- one follows: its table is taken over with its rows.  What is there already is
-- not touched, nor is the table locked for it.  What is missing needs a lock,
-- and while that is waited for, everybody else waits behind it.  So this gives
-- up after three seconds; apply it again then.

BEGIN;

SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '3s';

CREATE TABLE IF NOT EXISTS images (
    id        serial   PRIMARY KEY,
    filename  varchar  NOT NULL UNIQUE,  -- <uuid>_<name of the file>
    data      bytea    NOT NULL
);

DO $$
DECLARE
    -- All of these may be NULL: rows that were there before have none of them.

    added  name[] := '{content_type, sha256, created_at, expires_at}';
BEGIN
    IF (SELECT count(*) FROM pg_attribute
        WHERE attrelid = 'images'::regclass AND attname = ANY (added))
        < cardinality(added)
    THEN
        ALTER TABLE images
            ADD COLUMN IF NOT EXISTS content_type  text,
            ADD COLUMN IF NOT EXISTS sha256        bytea,        -- of data
            ADD COLUMN IF NOT EXISTS created_at    timestamptz,
            ADD COLUMN IF NOT EXISTS expires_at    timestamptz;  -- NULL: never
    END IF;

    -- Not with ADD COLUMN, which would date old images as of now.

    IF NOT (SELECT atthasdef FROM pg_attribute
        WHERE attrelid = 'images'::regclass AND attname = 'created_at')
    THEN
        ALTER TABLE images ALTER COLUMN created_at SET DEFAULT now();
    END IF;

    -- Images are compressed already, and a part of a value that PostgreSQL has
    -- not tried to compress can be read without the rest.  Holds for new rows.

    IF (SELECT attstorage FROM pg_attribute
        WHERE attrelid = 'images'::regclass AND attname = 'data') IS DISTINCT FROM 'e'
    THEN
        ALTER TABLE images ALTER COLUMN data SET STORAGE EXTERNAL;
    END IF;
END
$$;

COMMIT;

-- Rows are looked for by it when expired images are removed.  While it is made,
-- images are served but not stored: hence a transaction of its own.

BEGIN;

SET LOCAL lock_timeout = '3s';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_index JOIN pg_class ON oid = indexrelid
        WHERE indrelid = 'images'::regclass AND indisvalid
        AND relname = 'images_expires_at')
    THEN
        CREATE INDEX images_expires_at ON images (expires_at)
            WHERE expires_at IS NOT NULL;
    END IF;
END
$$;

COMMIT;
