//! SQL as PostgreSQL's dump tools write it: quoting, and a scanner that splits a stream into
//! statements, comments and psql's own lines without being fooled by quoted text.
//!
//! It does not parse statements, and it knows nothing of table data (`text.rs` does).

/// Quotes an identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string, whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', r"\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A word of a statement: a bare one as it is written, a quoted identifier without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// Where it begins in the statement.
    pub(super) start: usize,
}

/// Splits a statement at white space, outside of quotes.
pub(super) fn words(statement: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut open, mut quote) = (false, None);
    let mut characters = statement.char_indices().peekable();
    while let Some((start, character)) = characters.next() {
        match quote {
            // A doubled quote is a quoted one, and falls through as a character of the word.
            Some(end) if character == end && characters.next_if(|c| c.1 == end).is_none() => {
                quote = None;
                continue;
            }
            None if character.is_whitespace() => {
                open = false;
                continue;
            }
            _ => {}
        }
        if !open {
            words.push(Word { text: String::new(), quoted: character == '"', start });
            open = true;
        }
        if quote.is_none() && matches!(character, '"' | '\'') {
            quote = Some(character);
        } else if let Some(word) = words.last_mut() {
            word.text.push(character);
        }
    }
    words
}

/// A statement longer than this is only remembered by its beginning.
const LONGEST: usize = 1 << 20;

/// What the scanner found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A statement without its semicolon (its beginning, if it is very long).
    Statement(Vec<u8>),
    /// A `--` comment between statements, without the line's end.
    Comment(Vec<u8>),
    /// A line for psql itself, like `\restrict`, between statements.
    Meta(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Plain,
    /// In a `'…'` string; whether a backslash escapes, and whether one was just read.
    String {
        escapes: bool,
        escaped: bool,
    },
    /// Just behind a `'`: another one makes both a quoted quote, and the string goes on.
    StringEnd {
        escapes: bool,
    },
    Identifier,
    /// Perhaps a dollar quote's opening tag, so far.
    Tag(Vec<u8>),
    /// In a dollar quote: its whole tag, and how much of it has just been matched.
    Dollar {
        tag: Vec<u8>,
        matched: usize,
    },
    LineComment,
    BlockComment {
        depth: usize,
        last: u8,
    },
    Meta,
}

/// Splits SQL piece by piece.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// The statement, comment or psql line so far.
    text: Vec<u8>,
    /// Whether `text` is a statement that has begun.
    begun: bool,
    last: u8,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { state: State::Plain, text: Vec::new(), begun: false, last: b'\n' }
    }
}

impl Scanner {
    /// Takes bytes up to and including the end of the next token. Returns how many were taken.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, Option<Token>) {
        for (at, &byte) in bytes.iter().enumerate() {
            let in_comment = matches!(self.state, State::BlockComment { .. });
            let token = self.step(byte);
            // The `/` that ends a comment begins no other one.
            self.last = if in_comment { 0 } else { byte };
            if token.is_some() {
                return (at + 1, token);
            }
        }
        (bytes.len(), None)
    }

    /// Whether nothing is half read.
    pub(super) fn at_rest(&self) -> bool {
        self.state == State::Plain && !self.begun
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() < LONGEST {
            self.text.push(byte);
        }
    }

    fn take(&mut self) -> Vec<u8> {
        self.begun = false;
        std::mem::take(&mut self.text)
    }

    fn step(&mut self, byte: u8) -> Option<Token> {
        match &mut self.state {
            State::Plain => return self.plain(byte),
            State::String { escapes, escaped } => {
                if *escaped {
                    *escaped = false;
                } else if byte == b'\\' && *escapes {
                    *escaped = true;
                } else if byte == b'\'' {
                    self.state = State::StringEnd { escapes: *escapes };
                }
            }
            State::StringEnd { escapes } if byte == b'\'' => {
                self.state = State::String { escapes: *escapes, escaped: false };
            }
            State::StringEnd { .. } => {
                self.state = State::Plain;
                return self.plain(byte);
            }
            State::Identifier if byte == b'"' => self.state = State::Plain,
            State::Identifier => {}
            State::Tag(tag) => {
                tag.push(byte);
                if byte == b'$' {
                    self.state = State::Dollar { tag: std::mem::take(tag), matched: 0 };
                } else if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80) {
                    self.state = State::Plain;
                    return self.plain(byte);
                }
            }
            State::Dollar { tag, matched } => {
                // Inside a tag `$` stands only at both ends, so a mismatch can restart only there.
                *matched =
                    if byte == tag[*matched] { *matched + 1 } else { usize::from(byte == b'$') };
                if *matched == tag.len() {
                    self.state = State::Plain;
                }
            }
            State::LineComment | State::Meta if byte == b'\n' => {
                let meta = self.state == State::Meta;
                self.state = State::Plain;
                if self.begun {
                    self.keep(byte);
                    return None;
                }
                let text = self.take();
                return Some(if meta { Token::Meta(text) } else { Token::Comment(text) });
            }
            State::LineComment | State::Meta => {}
            State::BlockComment { depth, last } => {
                match (*last, byte) {
                    (b'/', b'*') => (*depth, *last) = (*depth + 1, 0),
                    (b'*', b'/') => (*depth, *last) = (*depth - 1, 0),
                    _ => *last = byte,
                }
                if *depth == 0 {
                    self.state = State::Plain;
                }
            }
        }
        self.keep(byte);
        None
    }

    fn plain(&mut self, byte: u8) -> Option<Token> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        match byte {
            b';' => return Some(Token::Statement(self.take())),
            b'\\' if !self.begun => self.state = State::Meta,
            b'\'' => {
                let before = self.text.len().checked_sub(2).map(|at| self.text[at]);
                let escapes = matches!(self.last, b'E' | b'e') && !before.is_some_and(word);
                self.state = State::String { escapes, escaped: false };
            }
            b'"' => self.state = State::Identifier,
            b'$' if !word(self.last) => self.state = State::Tag(vec![b'$']),
            b'-' if self.last == b'-' => {
                // The first dash made this look like a statement; it was a comment all along.
                self.begun = self.text.len() > 1;
                self.state = State::LineComment;
                self.keep(byte);
                return None;
            }
            b'*' if self.last == b'/' => {
                self.state = State::BlockComment { depth: 1, last: 0 };
            }
            _ if byte.is_ascii_whitespace() && !self.begun => return None,
            _ => {}
        }
        self.begun = self.begun || self.state != State::Meta;
        self.keep(byte);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(sql: &str, piece: usize) -> (Vec<String>, bool) {
        let mut scanner = Scanner::default();
        let mut found = Vec::new();
        for piece in sql.as_bytes().chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (taken, token) = scanner.next(rest);
                rest = &rest[taken..];
                found.extend(token.map(|token| match token {
                    Token::Statement(text) => format!("S {}", String::from_utf8(text).unwrap()),
                    Token::Comment(text) => format!("C {}", String::from_utf8(text).unwrap()),
                    Token::Meta(text) => format!("M {}", String::from_utf8(text).unwrap()),
                }));
            }
        }
        (found, scanner.at_rest())
    }

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        for piece in [1, 2, 3, 1000] {
            let (found, at_rest) = tokens(sql, piece);
            assert_eq!(found, expected, "pieces of {piece}");
            assert!(at_rest, "{sql}");
        }
    }

    #[test]
    fn quoted_text_does_not_end_a_statement() {
        check("SELECT 1;\nSELECT 2;\n", &["S SELECT 1", "S SELECT 2"]);
        check("SELECT 'a;b''c;';", &["S SELECT 'a;b''c;'"]);
        check(r"SELECT 'a\'; SELECT E'a\';b';", &[r"S SELECT 'a\'", r"S SELECT E'a\';b'"]);
        check(r"SELECT E'a''\';b';", &[r"S SELECT E'a''\';b'"]);
        check("SELECT \"a;\"\"b\";", &["S SELECT \"a;\"\"b\""]);
        check("DO $$ x; $a$ ; $$;", &["S DO $$ x; $a$ ; $$"]);
        check("DO $_$ x; $$ ; $_ $_$;", &["S DO $_$ x; $$ ; $_ $_$"]);
        check("SELECT $1, a$b; SELECT 1;", &["S SELECT $1, a$b", "S SELECT 1"]);
        check("SELECT /* ; /* ; */ ; */ 1;", &["S SELECT /* ; /* ; */ ; */ 1"]);
        check("SELECT 1 -- a; 'b\n+ 1;", &["S SELECT 1 -- a; 'b\n+ 1"]);
        check("SELECT 1 - -1;", &["S SELECT 1 - -1"]);
    }

    #[test]
    fn words_respect_quotes() {
        let found = words("GRANT \"a \"\"TO b\"  TO app WITH 'x  y'");
        let shown: Vec<_> = found.iter().map(|word| (word.text.as_str(), word.quoted)).collect();
        assert_eq!(
            shown,
            [
                ("GRANT", false),
                ("a \"TO b", true),
                ("TO", false),
                ("app", false),
                ("WITH", false),
                ("x  y", false)
            ]
        );
        assert_eq!(&"GRANT x"[found[0].start..], "GRANT x");
    }

    #[test]
    fn comments_and_psql_lines_between_statements_are_tokens() {
        check(
            "--\n-- Name: t\n\n\\restrict abc\nSELECT 1;\n\\unrestrict abc\n",
            &["C --", "C -- Name: t", "M \\restrict abc", "S SELECT 1", "M \\unrestrict abc"],
        );
    }

    #[test]
    fn half_a_statement_is_not_at_rest() {
        for sql in ["SELECT 1", "SELECT 'a", "DO $$", "-- comment", "/* x"] {
            assert!(!tokens(sql, 1000).1, "{sql}");
        }
    }
}
