//! The shell scripts by which the clients of MySQL and MariaDB are called.
//!
//! They are constants: `$1` is the user, `$2` the database, everything else comes by the input and the
//! environment. A script is needed because the tools have other names in each image, and because an
//! option file must be read for one thing and for nothing else: where the socket is. The rest of it
//! (`[mysqldump]` with `where`, `no-data` or `ignore-table`, a password of somebody else) would
//! make a dump smaller without a word.

/// Finds client and socket and puts what every call needs into `$@`. Reads no input.
macro_rules! connected {
    ($script:expr) => {
        concat!(include_str!("connect.sh"), $script)
    };
}

/// Runs the SQL on its input and stops at the first error.
pub(super) const ASK: &str = connected!(r#"ask "$@""#);

/// Runs the SQL on its input in a database.
pub(super) const ASK_IN: &str = connected!(r#"ask "$@" "--database=$database""#);

/// Runs the SQL that is its second argument, so that `show` can print it.
pub(super) const SAY: &str = connected!(r#"ask "$@" "--execute=$database""#);

/// Runs the SQL on its input in a database and says each answer at once, for whoever asks on.
pub(super) const TALK: &str = connected!(r#"ask "$@" "--database=$database" --unbuffered"#);

/// Succeeds when the server takes work over the network, which the first, temporary one of the images
/// does not.
pub(super) const READY: &str = connected!(
    r#"admin=$(first mariadb-admin mysqladmin) || exit 127
exec "$admin" --no-defaults --host=127.0.0.1 --protocol=tcp --user="$user" ping >/dev/null"#
);

/// Asks the tool for its version, then the server, then for what only some users may read. The two
/// texts of SQL on its input come one after the other, with [`NEXT`] between them.
pub(super) const PROBE: &str = connected!(include_str!("probe.sh"));

/// What stands between the parts of a probe and of its answer.
pub(super) const NEXT: &str = "-- next";

/// Dumps a database. A dump has no input, so its SQL is in `$QUESTIONS`.
///
/// `--ignore-table-data` is known to MariaDB's tool alone. Elsewhere, tables without their rows are
/// dumped by a call of their own, before the others, so that views find them: definitions are in no
/// snapshot, so two calls see as much as one.
pub(super) const DUMP: &str = connected!(include_str!("dump.sh"));

/// Loads a dump into a database; everything on the input is SQL, no line of it is a client's command, and
/// comments in routines stay (MariaDB's client leaves them out if it is not told).
pub(super) const LOAD: &str = connected!(
    r#"exec "$client" "$@" --batch --binary-mode --comments --local-infile=0 --max-allowed-packet=1G -- "$database""#
);

/// Loads a dump of globals as it is, and goes on where something is there already.
pub(super) const LOAD_GLOBALS: &str = connected!(
    r#""$client" "$@" --batch --execute='DO 0' && { "$client" "$@" --batch --comments --force || true; }"#
);

/// Dumps accounts. The SQL in `$QUESTIONS` makes the statements that show them.
pub(super) const ACCOUNTS: &str = connected!(include_str!("accounts.sh"));

/// The dump of a user who may not read accounts.
pub(super) const NO_ACCOUNTS: &str = r"
echo '-- Ringbolt: accounts and their rights'
echo '-- Ringbolt: accounts complete'
";
