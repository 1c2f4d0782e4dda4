//! How SQL for MySQL and MariaDB is quoted, and how patterns of tables read.
//!
//! Every script of ours sets an empty `sql_mode` first, so a backslash escapes and a double quote is
//! no identifier.

/// A name, quoted.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text, quoted.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in text.chars() {
        match character {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str(r"\\"),
            '\0' => quoted.push_str(r"\0"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// A condition on a column: it equals the text, byte by byte. Names in `information_schema` compare
/// without regard to case in MariaDB, though the tables are two.
pub(super) fn equals(column: &str, text: &str) -> String {
    format!("CONVERT({column} USING utf8mb4) COLLATE utf8mb4_bin = {}", literal(text))
}

/// A condition on a column: it fits the pattern, in which `*` is any text and `?` any character.
pub(super) fn fits(column: &str, pattern: &str) -> String {
    let mut like = String::new();
    for character in pattern.chars() {
        match character {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '|' => like.extend(['|', character]),
            other => like.push(other),
        }
    }
    let like = literal(&like);
    format!("CONVERT({column} USING utf8mb4) COLLATE utf8mb4_bin LIKE {like} ESCAPE '|'")
}

/// The part of a pattern that is about tables, if the pattern concerns this database:
/// `database.table`, or `table` in every one.
pub(super) fn tables_of<'a>(pattern: &'a str, database: &str) -> Option<&'a str> {
    match pattern.split_once('.') {
        Some((own, table)) => matches(own, database).then_some(table),
        None => Some(pattern),
    }
}

/// Whether a text fits a pattern of `*` and `?`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    match pattern_rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = pattern_rest.as_str();
            let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.into_iter().any(|at| matches(rest, &text[at..]))
        }
        Some(expected) => {
            let mut text_rest = text.chars();
            let found = text_rest.next();
            found.is_some_and(|found| expected == '?' || expected == found)
                && matches(pattern_rest.as_str(), text_rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_a_name() {
        assert_eq!(identifier("a`; DROP"), "`a``; DROP`");
        assert_eq!(literal(r"it's \' x"), r"'it''s \\'' x'");
        assert!(fits("T", "a_b*%?").ends_with(r"LIKE 'a|_b%|%_' ESCAPE '|'"));
    }

    #[test]
    fn a_pattern_may_name_its_database() {
        for (pattern, database, expected) in [
            ("orders", "shop", Some("orders")),
            ("shop.orders", "shop", Some("orders")),
            ("shop.orders", "blog", None),
            ("s*p.log_*", "shop", Some("log_*")),
            ("sh?p.*", "shop", Some("*")),
            ("*.a.b", "shop", Some("a.b")),
            ("s?.x", "shop", None),
        ] {
            assert_eq!(tables_of(pattern, database), expected, "{pattern}");
        }
    }
}
