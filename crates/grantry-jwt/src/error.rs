//! What can go wrong with keys, key sets, signing and verifying. No variant holds text of its input.

use grantry_core::json::JsonError;

use crate::Claim;

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The JWK is not one JSON object with unique member names.
    #[error("the JWK is not a strict JSON object (RFC 7517 section 4)")]
    Json,
    /// A member that the key type needs is missing; a public JWK given as a private one, too.
    #[error("a member of the JWK is missing (RFC 7518 section 6)")]
    MissingMember,
    /// A member has another type or is not canonical base64url; a number is empty or has a leading
    /// zero byte; an operation stands twice in `key_ops`.
    #[error("a member of the JWK is malformed (RFC 7518 section 6)")]
    MalformedMember,
    /// The `kty` or the algorithm identifier is unknown here; those of keys that are bound to
    /// RSASSA-PSS ([RFC 4055 section 1.2](https://www.rfc-editor.org/rfc/rfc4055#section-1.2)), too. Also
    /// when a shared secret is to be written in an encoding that has no place for one.
    #[error("the key type is not supported (RFC 7517 section 4.1)")]
    UnsupportedKeyType,
    /// The curve is another one than P-256, P-384, P-521 and Ed25519, or is given by its parameters.
    #[error("the curve is not supported (RFC 7518 section 6.2.1.1)")]
    UnsupportedCurve,
    /// A coordinate, a private scalar or an Ed25519 key is shorter or longer than its curve says.
    #[error("a value has not the exact length of its curve (RFC 7518 section 6.2.1.2)")]
    CurveLength,
    /// An EC point that is compressed or at infinity.
    #[error("the EC point is not in the uncompressed form (RFC 5480 section 2.2)")]
    PointFormat,
    /// A private scalar of zero.
    #[error("the private scalar is zero (RFC 5915 section 3)")]
    ZeroScalar,
    /// The `alg` is unknown here or belongs to another key type.
    #[error("the algorithm is unknown or does not fit the key type (RFC 7517 section 4.4)")]
    UnsupportedAlgorithm,
    /// `use` or `key_ops` does not allow the operation.
    #[error("the key is not meant for this operation (RFC 7517 sections 4.2 and 4.3)")]
    NotForOperation,
    /// A symmetric key in a public document.
    #[error("a symmetric key in a public key set (RFC 7517 section 9.2)")]
    SymmetricKeyInPublicSet,
    /// An HMAC secret shorter than the digest: 32, 48 or 64 bytes.
    #[error("the secret is shorter than the digest (RFC 7518 section 3.2)")]
    SecretTooShort,
    /// An RSA modulus outside 2048 to 8192 bits, or even.
    #[error("the RSA modulus is even or outside its bounds (RFC 7518 section 3.3)")]
    Modulus,
    /// An RSA public exponent that is even, below 3 or above 2^33 - 1.
    #[error("the RSA public exponent is even or outside its bounds (RFC 8017 section 3.1)")]
    Exponent,
    /// An RSA key of more than two primes.
    #[error("an RSA key of more than two primes (RFC 7518 section 6.3.2.7)")]
    MultiPrime,
    /// The text or the DER is longer than the largest key.
    #[error("the encoded key is longer than its limit")]
    TooLong,
    /// The text is not one strict PEM block with nothing around it.
    #[error("not one strict PEM block with nothing around it (RFC 7468 section 3)")]
    Pem,
    /// The label of the PEM block names no encoding of the wanted kind: a private key given as a public
    /// one, the other way round, or an encoding that is not read here, as the one of OpenSSH.
    #[error("the label of the PEM block is that of another kind of key or encoding (RFC 7468 section 4)")]
    PemLabel,
    /// A certificate; its key has to be taken out, after the certificate is checked.
    #[error("a certificate in the place of a key (RFC 7468 section 5)")]
    Certificate,
    /// An encrypted private key; it has to be decrypted first.
    #[error("the private key is encrypted (RFC 7468 section 11)")]
    Encrypted,
    /// The bytes are not the strict DER of a key: another structure, a length that is indefinite or
    /// not minimal, a number that is not positive or not minimal, or trailing bytes.
    #[error("not the strict DER of a key (X.690 section 10)")]
    Der,
    /// The parts of a private key do not belong together, or the backend refuses the key: `ring` does
    /// not sign with an RSA exponent below 65537.
    #[error("the private key is broken or inconsistent (RFC 8017 section 3.2)")]
    Inconsistent,
    /// An EC point that is not on its curve; an Ed25519 point that is not encoded below the field prime.
    #[error("the point is not on its curve (RFC 8725 section 3.4)")]
    NotOnCurve,
    /// An Ed25519 point of small order, for which anyone can make signatures.
    #[error("the point is of small order (RFC 8725 section 3.4)")]
    SmallOrder,
    /// The backend does not have the algorithm, does not sign with a key of this size, does not generate
    /// such a key, or does not compute the public half that the encoding left out.
    #[error("the backend does not have this algorithm, key size or operation")]
    UnsupportedByBackend,
    /// The backend's random source failed.
    #[error("the backend could not generate a key")]
    Generation,
}

/// Why a key set was refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// Longer than [`JwkSet::MAX_BYTES`](crate::JwkSet::MAX_BYTES), not strict JSON, or without an array `keys`.
    #[error("not a JWK set (RFC 7517 section 5): {0}")]
    Json(#[from] JsonError),
    /// More than [`JwkSet::MAX_KEYS`](crate::JwkSet::MAX_KEYS) keys.
    #[error("the JWK set has too many keys")]
    TooManyKeys,
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims cannot be written as a JSON object
    /// ([RFC 7519 section 7.1](https://www.rfc-editor.org/rfc/rfc7519#section-7.1)).
    #[error("the claims are not a JSON object (RFC 7519 section 7.1)")]
    Claims,
    /// The given header is not one that a verifier takes from this key.
    #[error("the header does not fit the key (RFC 7515 section 4)")]
    Header,
    /// The token would be longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    #[error("the token would be longer than a verifier takes")]
    TooLong,
    /// The backend could not sign: the private key contradicts its public part, or the backend's random
    /// source failed.
    #[error("the backend could not sign with this key")]
    Backend,
    /// The signature from outside is not one of the key over this input.
    #[error("the signature is not one of the key (RFC 7515 section 5.2)")]
    Signature,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES) or than the verifier's own limit.
    #[error("the token is longer than its limit")]
    TooLong,
    /// Not three segments ([RFC 7515 section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).
    #[error("not three segments (RFC 7515 section 7.1)")]
    Segments,
    /// A segment is not canonical base64url
    /// ([RFC 7515 section 2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).
    #[error("a segment is not canonical base64url (RFC 7515 section 2)")]
    Base64Url,
    /// The header is not one JSON object with unique member names
    /// ([RFC 7515 section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4)).
    #[error("the header is not a strict JSON object (RFC 7515 section 4)")]
    HeaderJson,
    /// `alg` is missing, or `alg`, `typ` or `kid` is not a string.
    #[error("a header member is missing or not a string (RFC 7515 section 4.1)")]
    HeaderMember,
    /// `crit` is malformed, or an extension in it is not understood: none is, unless
    /// [`Verifier::understands_critical`](crate::Verifier::understands_critical) says so
    /// ([RFC 7515 section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)).
    #[error("crit is malformed or has an extension that is not understood (RFC 7515 section 4.1.11)")]
    Critical,
    /// `b64` is present ([RFC 7797 section 7](https://www.rfc-editor.org/rfc/rfc7797#section-7)).
    #[error("b64 is present and not implemented (RFC 7797 section 7)")]
    UnencodedPayload,
    /// The `alg` is unknown here; `none` is.
    #[error("the algorithm is unknown (RFC 7515 section 4.1.1)")]
    UnknownAlgorithm,
    /// The `alg` is not among the allowed ones
    /// ([RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
    #[error("the algorithm is not allowed here (RFC 8725 section 3.1)")]
    AlgorithmNotAllowed,
    /// The key that the token names has another algorithm
    /// ([RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
    #[error("the key has another algorithm (RFC 8725 section 3.1)")]
    AlgorithmMismatch,
    /// No key of the set is named by `kid`; newer keys may help.
    #[error("the set has no such key (RFC 7515 section 4.1.4)")]
    UnknownKey,
    /// More than [`MAX_KEYS_TRIED`](crate::MAX_KEYS_TRIED) keys could have signed.
    #[error("too many keys could have signed")]
    AmbiguousKey,
    /// The signature is wrong ([RFC 7515 section 5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2)).
    #[error("the signature is wrong (RFC 7515 section 5.2)")]
    Signature,
    /// `typ` is missing or another one
    /// ([RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
    #[error("typ is missing or another one (RFC 8725 section 3.11)")]
    Typ,
    /// The claims are not one JSON object with unique member names
    /// ([RFC 7519 section 4](https://www.rfc-editor.org/rfc/rfc7519#section-4)).
    #[error("the claims are not a strict JSON object (RFC 7519 section 4)")]
    ClaimsJson,
    /// The claims do not fit the caller's type. Why stays out of the error, for it quotes the token: verify
    /// as `serde_json::Value` and read the type from that to see it.
    #[error("the claims do not fit the expected type")]
    ClaimsShape,
    /// A required claim is missing.
    #[error("a required claim is missing: {0}")]
    MissingClaim(Claim),
    /// A registered claim has another type, `null` included, or is a date beyond 64 bits, also when it is
    /// optional.
    #[error("a registered claim has another type: {0}")]
    MalformedClaim(Claim),
    /// `iss` is another issuer ([RFC 8725 section 3.8](https://www.rfc-editor.org/rfc/rfc8725#section-3.8)).
    #[error("the token is from another issuer (RFC 8725 section 3.8)")]
    Issuer,
    /// `aud` names none of the expected audiences
    /// ([RFC 8725 section 3.9](https://www.rfc-editor.org/rfc/rfc8725#section-3.9)).
    #[error("the token is for another audience (RFC 8725 section 3.9)")]
    Audience,
    /// `sub` is another subject ([RFC 7519 section 4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    #[error("the token is about another subject (RFC 7519 section 4.1.2)")]
    Subject,
    /// `exp` has come ([RFC 7519 section 4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4)).
    #[error("the token has expired (RFC 7519 section 4.1.4)")]
    Expired,
    /// `nbf` has not come ([RFC 7519 section 4.1.5](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.5)).
    #[error("the token is not valid yet (RFC 7519 section 4.1.5)")]
    NotYetValid,
    /// `iat` has not come ([RFC 7519 section 4.1.6](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.6)).
    #[error("the token was issued in the future (RFC 7519 section 4.1.6)")]
    IssuedInFuture,
    /// `iat` is longer ago than the verifier allows
    /// ([RFC 7519 section 4.1.6](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.6)).
    #[error("the token is older than allowed here (RFC 7519 section 4.1.6)")]
    TooOld,
    /// From `iat` to `exp` it is longer than the verifier allows.
    #[error("the token lives longer than allowed here (RFC 7519 section 4.1.4)")]
    LifetimeTooLong,
}
