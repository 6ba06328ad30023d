//! One PEM block of a private key, strictly
//! ([RFC 7468 section 3](https://www.rfc-editor.org/rfc/rfc7468#section-3)).

use alloc::string::String;

use grantry_core::{SecretBytes, SecretString, base64url};

use crate::KeyError;

/// The longest text read, in bytes: a private RSA key of 8192 bits has about 7 KiB.
const MAX_PEM_BYTES: usize = 32 * 1024;
const LINE_CHARS: usize = 64;

/// The DER inside a PEM block, by its label.
pub(crate) enum PrivateKeyPem {
    /// `PRIVATE KEY`.
    Pkcs8(SecretBytes),
    /// `RSA PRIVATE KEY`.
    Pkcs1(SecretBytes),
}

pub(crate) fn decode(text: &str) -> Result<PrivateKeyPem, KeyError> {
    if text.len() > MAX_PEM_BYTES {
        return Err(KeyError::Pem);
    }
    if let Some(body) = body(text, "PRIVATE KEY") {
        return decode_body(body).map(PrivateKeyPem::Pkcs8);
    }
    let body = body(text, "RSA PRIVATE KEY").ok_or(KeyError::Pem)?;
    decode_body(body).map(PrivateKeyPem::Pkcs1)
}

/// Returns the lines between the boundaries of one label, if nothing else is there.
fn body<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let inner = text.strip_prefix("-----BEGIN ")?.strip_prefix(label)?.strip_prefix("-----")?;
    let inner = inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n'))?;
    let inner = inner.strip_suffix('\n').unwrap_or(inner);
    let inner = inner.strip_suffix('\r').unwrap_or(inner);
    inner.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?.strip_suffix('\n')
}

/// Reads lines of standard base64, all of them full but the last, with the padding it needs.
fn decode_body(body: &str) -> Result<SecretBytes, KeyError> {
    // Sized at once, so that growing leaves no copy of the key behind.
    let mut joined = String::with_capacity(body.len());
    let mut lines = body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).peekable();
    while let Some(line) = lines.next() {
        let least = if lines.peek().is_some() { LINE_CHARS } else { 1 };
        if !(least..=LINE_CHARS).contains(&line.len()) {
            return Err(KeyError::Pem);
        }
        joined.push_str(line);
    }
    let joined = SecretString::from(joined);
    let text = joined.expose();
    let unpadded = text.trim_end_matches('=');
    if text.len() % 4 != 0 || text.len() - unpadded.len() > 2 {
        return Err(KeyError::Pem);
    }
    let mut url_text = String::with_capacity(unpadded.len());
    for character in unpadded.chars() {
        url_text.push(match character {
            '+' => '-',
            '/' => '_',
            '-' | '_' => return Err(KeyError::Pem),
            other => other,
        });
    }
    let url_text = SecretString::from(url_text);
    base64url::decode(url_text.expose()).map(SecretBytes::from).map_err(|_| KeyError::Pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn is_read(text: &str) -> bool {
        decode(text).is_ok()
    }

    #[test]
    fn rfc7468_3_one_block_with_full_lines_is_read() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\r\nAAECAw==\r\n-----END PRIVATE KEY-----\r\n",
            "-----BEGIN RSA PRIVATE KEY-----\n+/+/\n-----END RSA PRIVATE KEY-----\n",
        ] {
            assert!(is_read(text), "{text}");
        }
        let two = alloc::format!("-----BEGIN PRIVATE KEY-----\n{LINE}\nAAEC\n-----END PRIVATE KEY-----\n");
        let Ok(PrivateKeyPem::Pkcs8(der)) = decode(&two) else { panic!("not read") };
        assert_eq!(der.expose().len(), 51);
    }

    #[test]
    fn a_pem_text_is_bounded() {
        let of = |lines: usize| {
            let body = alloc::format!("{LINE}\n").repeat(lines);
            alloc::format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n")
        };
        let most = (MAX_PEM_BYTES - of(0).len()) / (LINE_CHARS + 1);
        assert!(is_read(&of(most)));
        assert!(of(most + 1).len() > MAX_PEM_BYTES && !is_read(&of(most + 1)));
    }

    #[test]
    fn rfc7468_3_anything_else_is_refused() {
        for text in [
            "",
            "AAEC",
            " -----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n\n",
            "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\nx",
            "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----AAEC-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAA\nEC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAE\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nA===\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAB==\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\n-_-_\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nA EC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\nAAEC\n-----END EC PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END RSA PRIVATE KEY-----\n",
        ] {
            assert!(!is_read(text), "{text:?}");
        }
    }
}
