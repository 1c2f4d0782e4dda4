-- Everything by which two databases are compared, as text. Object ids are left out.
\set QUIET on
SET TimeZone TO 'UTC';
SET search_path TO public;
SELECT format('SELECT %L, count(*), md5(string_agg(t::text, %L ORDER BY t::text COLLATE "C")) FROM ONLY %I.%I t;',
              n.nspname || '.' || c.relname, E'\n', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema)' ORDER BY 1
\gexec
SELECT 'class', n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(c.relacl) a), c.relrowsecurity
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^(pg_|information_schema)' ORDER BY 2, 3;
SELECT 'column', attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
       attgenerated, attidentity, attacl::text, pg_get_expr(d.adbin, d.adrelid)
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
 WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT c.oid FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema)') ORDER BY 2, 3;
SELECT 'sequence', schemaname, sequencename, last_value, increment_by FROM pg_sequences ORDER BY 2, 3;
SELECT 'index', schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname !~ '^pg_' ORDER BY 2, 3;
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace ORDER BY 2, 3;
SELECT 'view', schemaname, viewname, definition FROM pg_views WHERE schemaname !~ '^(pg_|information_schema)' ORDER BY 2, 3;
SELECT 'function', n.nspname, p.proname, pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner), p.proacl::text
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname !~ '^(pg_|information_schema)' AND p.prokind IN ('f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 2, 3;
SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 2, 3;
SELECT 'policy', tablename, policyname, qual FROM pg_policies ORDER BY 2, 3;
SELECT 'extension', extname, extversion FROM pg_extension ORDER BY 2;
SELECT 'schema', nspname, pg_get_userbyid(nspowner), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(nspacl) a) FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 2;
SELECT 'enum', enumtypid::regtype::text, enumlabel FROM pg_enum ORDER BY enumtypid::regtype::text, enumsortorder;
SELECT 'comment', objoid::regclass::text, description FROM pg_description WHERE classoid = 'pg_class'::regclass
   AND objoid >= 16384 ORDER BY 2;
SELECT 'default acl', pg_get_userbyid(defaclrole), defaclobjtype, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(defaclacl) a) FROM pg_default_acl ORDER BY 2, 3;
SELECT 'large object', oid, pg_get_userbyid(lomowner), lomacl::text, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 2;
SELECT 'database', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,
       shobj_description(oid, 'pg_database'),
       (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(datacl) a)
  FROM pg_database WHERE datname = current_database();
SELECT 'setting', coalesce(pg_get_userbyid(nullif(setrole, 0)), ''), unnest(setconfig) FROM pg_db_role_setting
 WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 2, 3;
