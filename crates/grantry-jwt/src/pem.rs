//! PEM blocks of keys, strictly ([RFC 7468 section 3](https://www.rfc-editor.org/rfc/rfc7468#section-3)).

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantry_core::{SecretBytes, SecretString};

use crate::KeyError;

/// The longest text read, in bytes: a private RSA key of 8192 bits has about 7 KiB.
const MAX_PEM_BYTES: usize = 32 * 1024;
const LINE_CHARS: usize = 64;
/// The bytes that a full line holds.
const LINE_BYTES: usize = 48;

/// What a block says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// `SubjectPublicKeyInfo`.
    Spki,
    /// The `RSAPublicKey` of PKCS#1.
    Pkcs1Public,
    /// PKCS#8.
    Pkcs8,
    /// The `RSAPrivateKey` of PKCS#1.
    Pkcs1Private,
    /// The `ECPrivateKey` of SEC1.
    Sec1,
}

impl Label {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Spki => "PUBLIC KEY",
            Self::Pkcs1Public => "RSA PUBLIC KEY",
            Self::Pkcs8 => "PRIVATE KEY",
            Self::Pkcs1Private => "RSA PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
        }
    }

    fn parse(label: &str) -> Result<Self, KeyError> {
        match label {
            "PUBLIC KEY" => Ok(Self::Spki),
            "RSA PUBLIC KEY" => Ok(Self::Pkcs1Public),
            "PRIVATE KEY" => Ok(Self::Pkcs8),
            "RSA PRIVATE KEY" => Ok(Self::Pkcs1Private),
            "EC PRIVATE KEY" => Ok(Self::Sec1),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(KeyError::Certificate),
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
            _ => Err(KeyError::PemLabel),
        }
    }
}

/// One block, its content decoded.
pub(crate) struct Block {
    pub(crate) label: Label,
    pub(crate) der: SecretBytes,
}

/// Reads the one block that the text is.
pub(crate) fn read(text: &str) -> Result<Block, KeyError> {
    if text.len() > MAX_PEM_BYTES {
        return Err(KeyError::TooLong);
    }
    let (label, body) = split(text).ok_or(KeyError::Pem)?;
    let label = Label::parse(label)?;
    // RFC 1421 section 4.6.1.1, as OpenSSL writes it.
    if body.starts_with("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    Ok(Block { label, der: read_body(body)? })
}

/// Writes one block. Sized at once, so that growing leaves no copy of a key behind.
pub(crate) fn write(label: Label, der: &[u8]) -> String {
    let label = label.as_str();
    let body = der.len().div_ceil(3) * 4 + der.len().div_ceil(LINE_BYTES);
    let boundaries = "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len();
    let mut text = String::with_capacity(boundaries + body);
    text.extend(["-----BEGIN ", label, "-----\n"]);
    for line in der.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

/// Returns the label and the lines between the boundaries, if nothing else is there.
fn split(text: &str) -> Option<(&str, &str)> {
    let (label, inner) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let inner = inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n'))?;
    let inner = inner.strip_suffix('\n').unwrap_or(inner);
    let inner = inner.strip_suffix('\r').unwrap_or(inner);
    let inner = inner.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?;
    Some((label, inner.strip_suffix('\n')?))
}

/// Reads lines of standard base64, all of them full but the last, with the padding it needs.
fn read_body(body: &str) -> Result<SecretBytes, KeyError> {
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
    STANDARD.decode(joined.expose()).map(SecretBytes::from).map_err(|_| KeyError::Pem)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const LINE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read_label(text: &str) -> Result<Label, KeyError> {
        read(text).map(|block| block.label)
    }

    #[test]
    fn rfc7468_3_one_block_with_full_lines_is_read() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\r\nAAECAw==\r\n-----END PRIVATE KEY-----\r\n",
        ] {
            let block = read(text).ok().unwrap();
            assert_eq!((block.label, block.der.expose()), (Label::Pkcs8, &[0, 1, 2, 3][..]), "{text}");
        }
        let two = format!("-----BEGIN PRIVATE KEY-----\n{LINE}\nAAEC\n-----END PRIVATE KEY-----\n");
        assert_eq!(read(&two).ok().unwrap().der.expose().len(), 51);
    }

    #[test]
    fn rfc7468_4_the_label_says_what_is_inside() {
        let of = |label: &str| format!("-----BEGIN {label}-----\n+/+/\n-----END {label}-----\n");
        for label in [Label::Spki, Label::Pkcs1Public, Label::Pkcs8, Label::Pkcs1Private, Label::Sec1] {
            assert_eq!(read_label(&of(label.as_str())), Ok(label));
        }
        for label in ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"] {
            assert_eq!(read_label(&of(label)), Err(KeyError::Certificate), "{label}");
        }
        assert_eq!(read_label(&of("ENCRYPTED PRIVATE KEY")), Err(KeyError::Encrypted));
        for label in ["", "private key", "PRIVATE KEY ", "OPENSSH PRIVATE KEY", "EC PARAMETERS"] {
            assert_eq!(read_label(&of(label)), Err(KeyError::PemLabel), "{label}");
        }
    }

    #[test]
    fn a_pem_text_is_bounded() {
        let of = |lines: usize| {
            let body = format!("{LINE}\n").repeat(lines);
            format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n")
        };
        let most = (MAX_PEM_BYTES - of(0).len()) / (LINE_CHARS + 1);
        assert_eq!(read_label(&of(most)), Ok(Label::Pkcs8));
        assert!(of(most + 1).len() > MAX_PEM_BYTES);
        assert_eq!(read_label(&of(most + 1)), Err(KeyError::TooLong));
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
            "-----BEGIN PRIVATE KEY-----\nAAE=AAEC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nA===\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAB==\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\n-_-_\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nA EC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN EC PARAMETERS-----\nAAEC\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nAAEC\n-----END EC PRIVATE KEY-----\n",
        ] {
            assert_eq!(read_label(text), Err(KeyError::Pem), "{text:?}");
        }
    }

    #[test]
    fn rfc1421_4_6_1_1_an_encrypted_body_is_named() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(read_label(text), Err(KeyError::Encrypted));
    }

    #[test]
    fn rfc7468_3_what_is_written_is_read() {
        for length in (1..200).chain([4096]) {
            let der = alloc::vec![0xa5; length];
            let text = write(Label::Sec1, &der);
            assert_eq!(text.len(), text.capacity(), "sized at once");
            let block = read(&text).ok().unwrap();
            assert_eq!((block.label, block.der.expose()), (Label::Sec1, &*der));
        }
    }
}
