//! What a host keeps in its state goes to every thread and borrows nothing.

use grantry_jwt::{
    Advice, Algorithm, Buffer, FetchTicket, HeaderFields, JwkSet, JwksCache, JwksPolicy, KeyLoader, KeyRing,
    KeyRingPolicy, PrivateKey, PublicKey, RegisteredClaims, RingKey, SigningInput, SigningKey, Verified,
    VerifiedTokenCache, Verifier, VerifyError, VerifyingKey,
};

#[test]
fn state_is_send_sync_and_static() {
    const fn state<T: Send + Sync + 'static>() {}

    state::<(Verifier, Verified<'static, ()>, RegisteredClaims<'static>, VerifyError)>();
    state::<(Buffer, VerifiedTokenCache)>();
    state::<(JwksCache, JwksPolicy, Advice, FetchTicket, JwkSet)>();
    state::<(KeyRing, KeyRingPolicy, RingKey, KeyLoader)>();
    state::<(SigningKey, VerifyingKey, PrivateKey, PublicKey, Algorithm)>();
    state::<(SigningInput, HeaderFields<'static>)>();
}
