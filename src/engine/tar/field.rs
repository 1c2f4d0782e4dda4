//! How the parts of a head are spelled, and read back: numbers, times, PAX records.
//!
//! Which parts there are is known in `head.rs` and `reader.rs`.

use super::{BLOCK, Modified};
use crate::engine::Invalid;

/// The sum of a head's bytes, where the sum itself counts as spaces.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

pub(super) fn foreign(what: &str) -> Invalid {
    Invalid::Foreign(what.to_owned())
}

/// As much of a text as the field has room for.
pub(super) fn text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

pub(super) fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    text(field, format!("{value:0digits$o}\0").as_bytes());
}

pub(super) fn until_zero(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

/// A field of octal digits between spaces and zeros, or GNU's binary form of what has no room there.
pub(super) fn number(field: &[u8]) -> Result<u64, Invalid> {
    let wrong = || foreign("a number in an entry's head is none");
    if field[0] == 0x80 {
        let (high, low) = field[1..].split_at(field.len().saturating_sub(9));
        let fits = high.iter().all(|byte| *byte == 0);
        let value = low.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        return fits.then_some(value).ok_or_else(wrong);
    }
    let digits = until_zero(field).trim_ascii();
    let digit = |value: u64, digit: &u8| match digit {
        b'0'..=b'7' => value.checked_mul(8).map(|value| value + u64::from(digit - b'0')),
        _ => None,
    };
    digits.iter().try_fold(0, digit).ok_or_else(wrong)
}

pub(super) fn decimal(text: &[u8]) -> Result<u64, Invalid> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| plain);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| foreign("a number in it is none"))
}

/// A time in seconds with a fraction: `-0.25`.
pub(super) fn time(text: &[u8]) -> Option<Modified> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, positive) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = positive.split_once('.').unwrap_or((positive, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, nanoseconds) => Modified { seconds, nanoseconds },
        (true, 0) => Modified { seconds: -seconds, nanoseconds },
        (true, nanoseconds) => {
            Modified { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds }
        }
    })
}

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The records of a PAX header.
pub(super) fn records(mut text: &[u8]) -> Result<Vec<Record<'_>>, Invalid> {
    let wrong = || foreign("a PAX header is not readable");
    let mut records = Vec::new();
    while !text.is_empty() {
        let space = memchr::memchr(b' ', text).ok_or_else(wrong)?;
        let length = usize::try_from(decimal(&text[..space])?).map_err(|_| wrong())?;
        if length <= space || length > text.len() {
            return Err(wrong());
        }
        let (record, rest) = text.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = memchr::memchr(b'=', record).ok_or_else(wrong)?;
        records.push((&record[..equals], &record[equals + 1..]));
        text = rest;
    }
    Ok(records)
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
pub(super) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

impl std::fmt::Display for Modified {
    /// As PAX writes times: -0.25 is a quarter of a second before 1970.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanoseconds = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds);
        let (whole, rest) = (nanoseconds.abs() / 1_000_000_000, nanoseconds.abs() % 1_000_000_000);
        let sign = if nanoseconds < 0 { "-" } else { "" };
        match rest {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{rest:09}"),
        }
    }
}

/// An attribute's name without `=`, which would end the key. GNU tar does the same.
pub(super) fn escaped(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'%' => b"%25".to_vec(),
        b'=' => b"%3D".to_vec(),
        _ => vec![*byte],
    };
    name.iter().flat_map(escape).collect()
}

/// What [`escaped`] was given.
pub(super) fn unescaped(mut name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let Some((first, rest)) = name.split_first() {
        let (byte, rest) = match (name.strip_prefix(b"%25"), name.strip_prefix(b"%3D")) {
            (Some(rest), _) => (b'%', rest),
            (_, Some(rest)) => (b'=', rest),
            _ => (*first, rest),
        };
        plain.push(byte);
        name = rest;
    }
    plain
}
