//! From a token to access.

use alloc::sync::Arc;

use grantry_core::UnixTime;
use grantry_jwt::{JwkSet, VerifyError, Wanted, peek_unverified};

use crate::guard::Rules;
use crate::keys::{Halt, KeySource};
use crate::remembered::Digest;
use crate::trusted::{self, Trusted};
use crate::{Access, AccessCache, Reason};

/// One check of a JWT access token.
pub(crate) struct Check<'a> {
    pub(crate) rules: &'a Arc<Rules>,
    pub(crate) now: UnixTime,
    pub(crate) cache: &'a mut AccessCache,
}

impl Check<'_> {
    pub(crate) fn run<K: KeySource>(self, token: &str, keys: &mut K) -> Result<Access, Halt<K::Pause>> {
        let Self { rules, now, cache } = self;
        // What is signed is compared itself, so that the signature alone has to be digested.
        let parts = token.rsplit_once('.').filter(|_| cache.capacity() > 0);
        let parts = parts.map(|(signed, signature)| (signed, Digest::of(signature)));
        let known = parts.and_then(|(signed, signature)| cache.find(rules, signed, &signature, now));
        let place = match &known {
            Some((place, _)) => *place,
            None => trusted::place_of(&rules.trusted, token).map_err(Halt::Refused)?,
        };
        // A guard has an issuer at each place that is found.
        let unknown = Halt::Refused(Reason::Token(VerifyError::Issuer));
        let issuer = rules.trusted.get(place).ok_or(unknown)?;
        let current = keys.keys(issuer, Wanted::Any)?;
        match known {
            Some((_, access)) if cache.is_checked_with(place, &current) => Ok(access),
            Some(_) | None => {
                let (access, signed_with) = Self::read(issuer, token, current, keys, now, cache)?;
                if let Some((_, digest)) = parts {
                    let until = access.expires_at().unwrap_or(now).saturating_add(rules.leeway);
                    cache.keep(digest, (place, access.clone()), &signed_with, until, now);
                }
                Ok(access)
            }
        }
    }

    /// Reads the token, and once more with newer keys when its own is not among the current ones.
    fn read<K: KeySource>(
        issuer: &Trusted,
        token: &str,
        current: Arc<JwkSet>,
        keys: &mut K,
        now: UnixTime,
        cache: &mut AccessCache,
    ) -> Result<(Access, Arc<JwkSet>), Halt<K::Pause>> {
        match issuer.read(token, &current, now, &mut cache.buffer) {
            Ok(access) => return Ok((access, current)),
            Err(Reason::Token(VerifyError::UnknownKey)) => {}
            Err(reason) => return Err(Halt::Refused(reason)),
        }
        let header = peek_unverified(token).map_err(|error| Halt::Refused(Reason::Token(error)))?;
        let newer = keys.keys(issuer, Wanted::from(&header))?;
        let access = issuer.read(token, &newer, now, &mut cache.buffer).map_err(Halt::Refused)?;
        Ok((access, newer))
    }
}
