//! Strict DER, as far as keys need it ([X.690 section 10](https://www.itu.int/rec/T-REC-X.690)).
//!
//! Every value is read under the one tag that its place allows, so the depth is fixed by the caller.

use alloc::vec::Vec;

use crate::KeyError;

/// The longest DER read, in bytes: a private RSA key of 8192 bits has less than 5 KiB.
pub(crate) const MAX_DER_BYTES: usize = 16 * 1024;

/// The identifier octet of a value; every tag of a key fits one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u8);

impl Tag {
    pub(crate) const INTEGER: Self = Self(0x02);
    pub(crate) const BIT_STRING: Self = Self(0x03);
    pub(crate) const OCTET_STRING: Self = Self(0x04);
    pub(crate) const NULL: Self = Self(0x05);
    pub(crate) const OBJECT_IDENTIFIER: Self = Self(0x06);
    pub(crate) const SEQUENCE: Self = Self(0x30);
    /// `[1] IMPLICIT` of a primitive type.
    pub(crate) const IMPLICIT_1: Self = Self(0x81);
    /// `[0]` of a constructed type, `EXPLICIT` or not.
    pub(crate) const CONSTRUCTED_0: Self = Self(0xa0);
    /// `[1] EXPLICIT`.
    pub(crate) const CONSTRUCTED_1: Self = Self(0xa1);
}

/// What is left to read of a constructed value.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Opens the SEQUENCE that a whole encoding is.
    pub(crate) fn open(der: &'a [u8]) -> Result<Self, KeyError> {
        Self::whole(der, Tag::SEQUENCE).map(|rest| Self { rest })
    }

    /// Reads the content of the one value that a whole encoding is.
    pub(crate) fn whole(der: &'a [u8], tag: Tag) -> Result<&'a [u8], KeyError> {
        if der.len() > MAX_DER_BYTES {
            return Err(KeyError::TooLong);
        }
        let mut reader = Self { rest: der };
        let value = reader.value(tag)?;
        reader.end()?;
        Ok(value)
    }

    pub(crate) fn next_is(&self, tag: Tag) -> bool {
        self.rest.first() == Some(&tag.0)
    }

    /// Reads the content of the next value.
    pub(crate) fn value(&mut self, tag: Tag) -> Result<&'a [u8], KeyError> {
        let (found, rest) = self.rest.split_first().ok_or(KeyError::Der)?;
        if *found != tag.0 {
            return Err(KeyError::Der);
        }
        let (length, rest) = length(rest)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(KeyError::Der)?;
        self.rest = rest;
        Ok(value)
    }

    pub(crate) fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, KeyError> {
        if self.next_is(tag) { self.value(tag).map(Some) } else { Ok(None) }
    }

    pub(crate) fn constructed(&mut self, tag: Tag) -> Result<Self, KeyError> {
        self.value(tag).map(|rest| Self { rest })
    }

    /// Reads a version, which is one of the small numbers.
    pub(crate) fn version(&mut self) -> Result<u8, KeyError> {
        match self.value(Tag::INTEGER)? {
            [version @ 0..=0x7f] => Ok(*version),
            _ => Err(KeyError::Der),
        }
    }

    /// Reads a positive number as the bytes that a JWK would have.
    pub(crate) fn positive(&mut self) -> Result<&'a [u8], KeyError> {
        // X.690 section 8.3.2: two's complement in the fewest octets.
        match self.value(Tag::INTEGER)? {
            [0, magnitude @ ..] if matches!(magnitude, [0x80..=0xff, ..]) => Ok(magnitude),
            magnitude @ [1..=0x7f, ..] => Ok(magnitude),
            _ => Err(KeyError::Der),
        }
    }

    pub(crate) fn bit_string(&mut self, tag: Tag) -> Result<&'a [u8], KeyError> {
        whole_octets(self.value(tag)?)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<(), KeyError> {
        if self.rest.is_empty() { Ok(()) } else { Err(KeyError::Der) }
    }
}

/// Returns the octets of a BIT STRING without unused bits; a key has none.
pub(crate) fn whole_octets(content: &[u8]) -> Result<&[u8], KeyError> {
    content.strip_prefix(&[0]).ok_or(KeyError::Der)
}

/// Reads `Ecdsa-Sig-Value` ([RFC 3279 section 2.2.3](https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3))
/// as the two numbers in their full length.
pub(crate) fn ecdsa_signature(der: &[u8], coordinate_len: usize) -> Result<Vec<u8>, KeyError> {
    let mut reader = Reader::open(der)?;
    let (r, s) = (reader.positive()?, reader.positive()?);
    reader.end()?;
    let mut fixed = Vec::with_capacity(coordinate_len.saturating_mul(2));
    for number in [r, s] {
        let zeros = coordinate_len.checked_sub(number.len()).ok_or(KeyError::Der)?;
        fixed.extend(core::iter::repeat_n(0, zeros));
        fixed.extend_from_slice(number);
    }
    Ok(fixed)
}

/// Writes one value of less than 64 KiB, its content given in parts. Sized at once, so that growing
/// leaves no copy of a key behind.
pub(crate) fn write(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let [.., high, low] = length.to_be_bytes();
    let octets: &[u8] = match length {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    let mut out = Vec::with_capacity(length.saturating_add(4));
    out.push(tag.0);
    out.extend_from_slice(octets);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Writes a positive number that has no leading zero byte.
pub(crate) fn write_positive(magnitude: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if matches!(magnitude, [0x80..=0xff, ..]) { &[0] } else { &[] };
    write(Tag::INTEGER, &[sign, magnitude])
}

/// Reads a length that is definite and in the fewest octets (X.690 section 10.1). Two octets are enough
/// for [`MAX_DER_BYTES`].
fn length(der: &[u8]) -> Result<(usize, &[u8]), KeyError> {
    match der {
        [short @ 0..=0x7f, rest @ ..] => Ok((usize::from(*short), rest)),
        [0x81, low @ 0x80..=0xff, rest @ ..] => Ok((usize::from(*low), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => Ok((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        _ => Err(KeyError::Der),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn x690_10_1_a_length_is_definite_and_in_the_fewest_octets() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (255, &[4, 0x81, 255]),
            (256, &[4, 0x82, 1, 0]),
            (4096, &[4, 0x82, 16, 0]),
        ] {
            let content = vec![7; length];
            let whole = [head, &content].concat();
            assert_eq!(write(Tag::OCTET_STRING, &[&content]), whole);
            assert_eq!(Reader::whole(&whole, Tag::OCTET_STRING), Ok(&*content));
        }
        for (length, head) in [
            (0, &[4][..]),
            (0, &[4, 0x81]),
            (0, &[4, 0x81, 0]),
            (127, &[4, 0x81, 127]),
            (0, &[4, 0x82, 1]),
            (255, &[4, 0x82, 0, 255]),
            (256, &[4, 0x83, 0, 1, 0]),
            (256, &[4, 0x88, 0, 0, 0, 0, 0, 0, 1, 0]),
            // Indefinite, with the end-of-contents octets behind it.
            (2, &[0x24, 0x80, 4, 0]),
            (2, &[4, 0x80]),
            // Reserved.
            (0, &[4, 0xff]),
        ] {
            let mut whole = head.to_vec();
            whole.resize(head.len() + length, 0);
            assert_eq!(Reader::whole(&whole, Tag::OCTET_STRING), Err(KeyError::Der), "{head:?}");
        }
    }

    #[test]
    fn x690_8_3_2_a_number_is_positive_and_in_the_fewest_octets() {
        let read = |content: &[u8]| {
            let der = write(Tag::INTEGER, &[content]);
            let mut reader = Reader { rest: &der };
            reader.positive().map(<[u8]>::to_vec)
        };
        for (content, number) in
            [(&[1][..], &[1][..]), (&[0x7f], &[0x7f]), (&[0, 0x80], &[0x80]), (&[1, 0, 1], &[1, 0, 1])]
        {
            assert_eq!(read(content).as_deref(), Ok(number));
            assert_eq!(write_positive(number), write(Tag::INTEGER, &[content]));
        }
        for content in [&[][..], &[0], &[0, 0], &[0, 1], &[0, 0x7f], &[0, 0, 0x80], &[0x80], &[0xff, 1]] {
            assert_eq!(read(content), Err(KeyError::Der), "{content:?}");
        }
    }

    #[test]
    fn x690_8_6_2_2_a_bit_string_of_a_key_has_no_unused_bits() {
        assert_eq!(whole_octets(&[0, 7]), Ok(&[7][..]));
        for content in [&[][..], &[1, 6], &[8, 0]] {
            assert_eq!(whole_octets(content), Err(KeyError::Der));
        }
    }

    #[test]
    fn the_bytes_are_bounded_and_nothing_follows() {
        let largest = write(Tag::SEQUENCE, &[&vec![0; MAX_DER_BYTES - 4]]);
        assert!(Reader::open(&largest).is_ok());
        let larger = write(Tag::SEQUENCE, &[&vec![0; MAX_DER_BYTES - 3]]);
        assert_eq!(Reader::open(&larger).err(), Some(KeyError::TooLong));
        assert_eq!(Reader::open(&[0x30, 0, 0]).err(), Some(KeyError::Der));
        assert_eq!(Reader::open(&[0x31, 0]).err(), Some(KeyError::Der));
        assert_eq!(Reader::open(&[]).err(), Some(KeyError::Der));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..1000)) {
            let der = write(Tag::BIT_STRING, &[&content]);
            prop_assert_eq!(Reader::whole(&der, Tag::BIT_STRING), Ok(&*content));
        }

        #[test]
        fn what_is_read_is_written_the_same(
            head in proptest::collection::vec(any::<u8>(), 0..6),
            length in 0..300_usize,
        ) {
            let mut der = vec![4];
            der.extend(head);
            der.resize(der.len() + length, 7);
            if let Ok(content) = Reader::whole(&der, Tag::OCTET_STRING) {
                prop_assert_eq!(write(Tag::OCTET_STRING, &[content]), der);
            }
        }

        #[test]
        fn a_written_number_is_read(
            first in 1..=255_u8,
            rest in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let number = [&[first], &*rest].concat();
            let der = write_positive(&number);
            prop_assert_eq!(Reader { rest: &der }.positive(), Ok(&*number));
        }
    }
}
