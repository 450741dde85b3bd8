-- Who may do what with the images: three roles, none of them with more than it
-- needs.  Apply schema.sql first, then this, as a superuser and in the same
-- database; both may be applied again and again.
--
--     codeexec_owner  owns the table and logs in nowhere:
--                     SET ROLE codeexec_owner; for changes of the schema
--     codeexec        stores images, serves them, removes expired ones
--     codeexec_read   serves images, and is of no use to codeexec_store
--
-- No password is set.  On one machine none is needed: a unix socket tells
-- PostgreSQL which user connects ("peer"), and pg_ident.conf says which role
-- that user may take.  nginx's workers are www-data, so put
--
--     codeexec   www-data   codeexec                          in pg_ident.conf
--     local  codeexec  codeexec  peer  map=codeexec           in pg_hba.conf
--
-- above the other lines of pg_hba.conf, SELECT pg_reload_conf(), and connect
-- with "host=/run/postgresql dbname=codeexec user=codeexec".  From another
-- machine, give the role a password with psql's \password codeexec, put it into
-- the password_file of codeexec_pg, and a line such as
--
--     hostssl  codeexec  codeexec  192.0.2.0/24  scram-sha-256
--
-- into pg_hba.conf.

BEGIN;

DO $$
BEGIN
    IF to_regrole('codeexec_owner') IS NULL THEN
        CREATE ROLE codeexec_owner NOLOGIN;
    END IF;

    IF to_regrole('codeexec') IS NULL THEN
        CREATE ROLE codeexec LOGIN;
    END IF;

    IF to_regrole('codeexec_read') IS NULL THEN
        CREATE ROLE codeexec_read LOGIN;
    END IF;
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO codeexec_owner;
GRANT USAGE ON SCHEMA public TO codeexec, codeexec_read;

-- The owner before, such as the role of another service, may still use the
-- table.

DO $$
DECLARE
    before    regrole := (SELECT relowner FROM pg_class
                          WHERE oid = 'images'::regclass);
    users     text := 'codeexec';
    sequence  text := pg_get_serial_sequence('images', 'id');
BEGIN
    IF before <> 'codeexec_owner'::regrole THEN
        ALTER TABLE images OWNER TO codeexec_owner;

        IF before NOT IN (SELECT oid FROM pg_roles
            WHERE rolsuper OR rolname IN ('codeexec', 'codeexec_read'))
        THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON images '
                'TO %s', before);
            users := format('%s, %s', users, before);
        END IF;
    END IF;

    IF sequence IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s', sequence, users);
    END IF;
END
$$;

GRANT SELECT ON images TO codeexec, codeexec_read;

GRANT INSERT ON images TO codeexec;

-- To remove expired rows they are locked first, for which PostgreSQL asks for
-- the right to update one column of them.

GRANT DELETE, UPDATE (expires_at) ON images TO codeexec;

COMMIT;
