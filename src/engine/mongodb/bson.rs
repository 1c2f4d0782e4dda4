//! As much of BSON as an archive's own documents need, and the checksum over everybody else's.
//!
//! It does not know what an archive is. The documents that people store are never read, only summed:
//! their fields are nobody's business here. <https://bsonspec.org/spec.html>

/// A value of an archive's own document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Flag(bool),
    Number(i64),
}

/// Reads the fields of one whole document in their order. `None`: it is no document of such fields.
pub(super) fn fields(document: &[u8]) -> Option<Vec<(&str, Value<'_>)>> {
    let (length, rest) = document.split_first_chunk::<4>()?;
    let (end, mut rest) = rest.split_last()?;
    if usize::try_from(i32::from_le_bytes(*length)) != Ok(document.len()) || *end != 0 {
        return None;
    }
    let mut fields = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        let (name, after) = after.split_at(memchr::memchr(0, after)?);
        let (value, after) = value(*kind, &after[1..])?;
        fields.push((std::str::from_utf8(name).ok()?, value));
        rest = after;
    }
    Some(fields)
}

fn value(kind: u8, bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    match kind {
        0x02 => {
            let (length, after) = bytes.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
            let (text, after) = after.split_at_checked(length)?;
            let (end, text) = text.split_last()?;
            let text = std::str::from_utf8(text).ok().filter(|_| *end == 0)?;
            Some((Value::Text(text), after))
        }
        0x08 => match bytes.split_first()? {
            (flag @ (0 | 1), after) => Some((Value::Flag(*flag == 1), after)),
            _ => None,
        },
        0x10 => {
            let (number, after) = bytes.split_first_chunk::<4>()?;
            Some((Value::Number(i32::from_le_bytes(*number).into()), after))
        }
        0x12 => {
            let (number, after) = bytes.split_first_chunk::<8>()?;
            Some((Value::Number(i64::from_le_bytes(*number)), after))
        }
        _ => None,
    }
}

/// CRC-64 as Go's `hash/crc64` has it for its ECMA polynomial, elsewhere called CRC-64/XZ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Crc(u64);

/// The ECMA-182 polynomial, its bits reversed.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// Eight bytes at a time, because every byte of a dump passes here: `TABLES[n]` is what a byte has
/// become when `n` zero bytes have followed it.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

impl Crc {
    /// The sum of what came so far and these bytes.
    #[must_use]
    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let mut sum = !self.0;
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            let mixed = (sum ^ u64::from_le_bytes(*eight)).to_le_bytes();
            let tables = TABLES.iter().rev().zip(mixed);
            sum = tables.fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)]);
        }
        for byte in rest {
            sum = sum >> 8 ^ TABLES[0][usize::from(sum.to_le_bytes()[0] ^ byte)];
        }
        Self(!sum)
    }

    /// As an archive writes it: BSON has no unsigned number.
    pub(super) fn value(self) -> i64 {
        i64::from_le_bytes(self.0.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_xz_catalogue() {
        // <https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-xz>
        assert_eq!(Crc::default().with(b"123456789").0, 0x995D_C9BB_DF19_39FA);
        assert_eq!(Crc::default().with(b"").value(), 0);
        let text =
            b"in one piece, in two, or byte by byte: it is the same sum in the end".as_slice();
        let whole = Crc::default().with(text).0;
        for cut in 0..text.len() {
            assert_eq!(Crc::default().with(&text[..cut]).with(&text[cut..]).0, whole, "{cut}");
        }
    }

    #[test]
    fn half_a_document_has_no_fields() {
        let body = b"\x02db\0\x05\0\0\0shop\0\x08EOF\0\x01\x10n\0\x07\0\0\0\0".as_slice();
        let length = u32::try_from(body.len() + 4).unwrap().to_le_bytes();
        let document = [&length, body].concat();
        let expected =
            [("db", Value::Text("shop")), ("EOF", Value::Flag(true)), ("n", Value::Number(7))];
        assert_eq!(fields(&document).unwrap(), expected);
        for end in 0..document.len() {
            assert_eq!(fields(&document[..end]), None, "{end}");
        }
        for at in 0..document.len() {
            let mut flipped = document.clone();
            flipped[at] ^= 0x80;
            assert_ne!(fields(&flipped).as_deref(), Some(&expected[..]), "{at}");
        }
    }
}
