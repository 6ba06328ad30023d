//! Small changes to a good input, written as bytes: a fuzzer finds them faster than the input itself.

/// Applies a script of edits, four bytes each: what to do, where (two bytes), and with which byte.
pub(crate) fn edited(original: &[u8], script: &[u8]) -> Vec<u8> {
    const MAX_EDITS: usize = 16;
    const MAX_BYTES: usize = 64 * 1024;
    let mut bytes = original.to_vec();
    for edit in script.chunks_exact(4).take(MAX_EDITS) {
        let &[what, high, low, byte] = edit else { break };
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match what % 6 {
            0 => bytes.insert(at, byte),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] = byte,
            4 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
            5 if bytes.len() < MAX_BYTES => bytes.extend_from_within(at..),
            _ => {}
        }
    }
    bytes
}

/// Reads bytes as text; what is not UTF-8 becomes U+FFFD.
pub(crate) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Splits at the first line feed; without one the second part is empty.
pub(crate) fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}
