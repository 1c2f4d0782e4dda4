//! What a census of a PostgreSQL database asks: that every table, view, index, constraint, function, trigger
//! and type is there, and every row.
//!
//! Only what a dump brings back to the letter is compared. Texts that the server derives (`pg_get_viewdef`,
//! `pg_get_constraintdef`) are not among it: `x IN ('a', 'b')` is written otherwise after each restore.

/// Names and values read alike wherever they are asked for. A policy that would hide rows is an error.
const SETTLED: &str = "
SET search_path = pg_catalog;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET row_security = off;
";

/// Sees one moment, which a dump can see too.
pub(super) const BEGIN: &str = "
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT json_build_array('snapshot', pg_export_snapshot());
";

/// What an extension has made is left out: it comes with the extension, and may be of an older version
/// here than in a new database. So are clones that a partitioned table makes of its own.
const THINGS: &str = r"
WITH own AS (
  SELECT c.*, n.nspname, format('%I.%I', n.nspname, c.relname) AS called
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), spaces AS (
  SELECT * FROM pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
)
SELECT json_build_array(thing, coalesce(known, '')) FROM (
  SELECT 'extension ' || extname, NULL::text FROM pg_extension
  UNION ALL SELECT 'schema ' || nspname, NULL FROM spaces
  UNION ALL SELECT 'server ' || srvname, NULL FROM pg_foreign_server
  UNION ALL SELECT 'event trigger ' || evtname, evtenabled::text FROM pg_event_trigger
  UNION ALL SELECT
    CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table '
      WHEN 'c' THEN 'type ' WHEN 'p' THEN 'partitioned table ' ELSE 'table ' END || called,
    (SELECT count(*) || ' columns, ' || left(md5(string_agg(concat_ws(' ', attname,
        format_type(atttypid, atttypmod), attnotnull, attidentity, to_jsonb(a)->>'attgenerated', atthasdef),
        ', ' ORDER BY attnum)), 12)
      FROM pg_attribute a WHERE attrelid = own.oid AND attnum > 0 AND NOT attisdropped)
    FROM own WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  UNION ALL SELECT 'sequence ' || called, NULL FROM own WHERE relkind = 'S'
  UNION ALL SELECT 'index ' || format('%I.%I', own.nspname, i.relname),
      concat_ws(' ', m.amname, x.indnatts || ' columns', CASE WHEN x.indisprimary THEN 'primary'
        WHEN x.indisunique THEN 'unique' END, CASE WHEN NOT x.indisvalid THEN 'invalid' END)
    FROM own JOIN pg_index x ON x.indrelid = own.oid JOIN pg_class i ON i.oid = x.indexrelid
      JOIN pg_am m ON m.oid = i.relam
  UNION ALL SELECT 'constraint ' || called || '.' || quote_ident(conname),
      contype::text || CASE WHEN convalidated THEN '' ELSE ' not valid' END
    FROM own JOIN pg_constraint k ON k.conrelid = own.oid
    WHERE contype IN ('p', 'u', 'f', 'c', 'x') AND coninhcount = 0
      AND coalesce(to_jsonb(k)->>'conparentid', '0') = '0'
  UNION ALL SELECT 'trigger ' || called || '.' || quote_ident(tgname), tgtype || ' ' || tgenabled::text
    FROM own JOIN pg_trigger t ON t.tgrelid = own.oid
    WHERE NOT tgisinternal AND coalesce(to_jsonb(t)->>'tgparentid', '0') = '0'
  UNION ALL SELECT 'policy ' || called || '.' || quote_ident(polname), polcmd::text
    FROM own JOIN pg_policy p ON p.polrelid = own.oid
  UNION ALL SELECT 'rule ' || called || '.' || quote_ident(rulename), ev_type::text
    FROM own JOIN pg_rewrite r ON r.ev_class = own.oid WHERE rulename <> '_RETURN'
  UNION ALL SELECT 'function ' || format('%I.%I(%s)', s.nspname, proname, pg_get_function_identity_arguments(p.oid)),
      left(md5(prosrc), 12)
    FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
  UNION ALL SELECT CASE typtype WHEN 'e' THEN 'enum ' WHEN 'd' THEN 'domain ' ELSE 'range ' END
        || format('%I.%I', s.nspname, typname),
      CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod)
        WHEN 'e' THEN (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid) END
    FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace
    WHERE typtype IN ('e', 'd', 'r') AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
  UNION ALL SELECT 'large objects', count(*)::text FROM pg_largeobject_metadata
) all_things(thing, known);
";

/// The tables and filled materialized views that are counted, each by a query of its own.
const COUNTED: &str = r"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY c.oid
\gexec
";

/// The last line.
const END: &str = "SELECT json_build_array('end', '');\n";

/// Everything but what is in the rows.
pub(super) fn rows() -> String {
    let count = "SELECT format('SELECT json_build_array(%L, count(*)::text) FROM %s %I.%I', \
                   'rows ' || format('%I.%I', n.nspname, c.relname), \
                   CASE c.relkind WHEN 'r' THEN 'ONLY' END, n.nspname, c.relname)";
    format!("{SETTLED}{THINGS}{count}{COUNTED}{END}")
}

/// Everything, with a sum over what is in the rows, in whatever order they are.
pub(super) fn checksums(major: u32) -> String {
    // The server's own hash of a text is several times faster; it has 64 bits since version 11.
    let hash = match major {
        0..11 => "(''x'' || substr(md5((ringbolt_row.*)::text), 1, 15))::bit(60)::bigint",
        _ => "hashtextextended((ringbolt_row.*)::text, 0)",
    };
    let count = format!(
        "SELECT format('SELECT json_build_array(%L, count(*) || '', sum '' || coalesce(sum({hash}::numeric), 0)) \
           FROM %s %I.%I ringbolt_row', 'rows ' || format('%I.%I', n.nspname, c.relname), \
           CASE c.relkind WHEN 'r' THEN 'ONLY' END, n.nspname, c.relname)"
    );
    format!("{SETTLED}{THINGS}{count}{COUNTED}{END}")
}
