//! What a request needs of a token.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{Challenge, Scope, UnixTime};

use crate::{Access, Reason};

/// What a request needs of a good token: a scope, and a login of the person that is strong and young enough.
///
/// Made once for each kind of request. A [`Scope`] alone becomes one by `From`, and needs each of its tokens;
/// [`Requirement::or_scope`] names another scope that will do.
///
/// ```
/// use core::time::Duration;
/// use grantry_core::Scope;
/// use grantry_resource::Requirement;
///
/// let read = Requirement::scope(Scope::parse("photos.read")?).or_scope(Scope::parse("admin")?);
/// let delete = Requirement::scope(Scope::parse("photos.write")?)
///     .with_acr_values(["urn:example:two-factors"])
///     .with_max_age(Duration::from_secs(300));
/// # assert_ne!(read, delete);
/// # Ok::<(), grantry_core::ScopeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    scope: Scope,
    other_scopes: Vec<Scope>,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
}

impl Requirement {
    /// Needs a good token, whatever its scope.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Needs every token of a scope, which challenges then name
    /// ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    #[must_use]
    pub fn scope(scope: Scope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Is also content with every token of this scope, which no challenge names. Where no scope was needed before,
    /// this one is; the empty scope, which every token has, adds nothing.
    #[must_use]
    pub fn or_scope(mut self, scope: Scope) -> Self {
        if self.scope.is_empty() {
            self.scope = scope;
        } else if !scope.is_empty() {
            self.other_scopes.push(scope);
        }
        self
    }

    /// Needs a login of one of these authentication contexts, the preferred first and each without a space: the
    /// claim `acr` ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    #[must_use]
    pub fn with_acr_values(mut self, acr_values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.acr_values = acr_values.into_iter().map(Into::into).collect();
        self
    }

    /// Needs a login at most so long ago, in whole seconds and with the leeway of the guard: the claim
    /// `auth_time` ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Compares the login first: its challenge names the scope, too, so that one more round is enough.
    pub(crate) fn check(&self, access: &Access, leeway: Duration, now: UnixTime) -> Result<(), Reason> {
        let has_class = |acr: &str| self.acr_values.iter().any(|value| value == acr);
        if !self.acr_values.is_empty() && !access.acr().is_some_and(has_class) {
            return Err(Reason::WeakAuthentication);
        }
        if self.max_age.is_some_and(|max_age| !is_young(access.auth_time(), max_age, leeway, now)) {
            return Err(Reason::OldAuthentication);
        }
        let scopes = core::iter::once(&self.scope).chain(&self.other_scopes);
        if scopes.into_iter().any(|scope| scope.is_within(access.scope())) {
            Ok(())
        } else {
            Err(Reason::InsufficientScope)
        }
    }

    /// Adds the scope to ask for.
    pub(crate) fn add_scope(&self, challenge: Challenge) -> Challenge {
        challenge.with_scope(&self.scope)
    }

    /// Adds the login to ask for.
    pub(crate) fn add_authentication(&self, mut challenge: Challenge) -> Challenge {
        if !self.acr_values.is_empty() {
            challenge = challenge.with_parameter("acr_values", &self.acr_values.join(" "));
        }
        match self.max_age {
            Some(max_age) => challenge.with_parameter("max_age", &alloc::format!("{}", max_age.as_secs())),
            None => challenge,
        }
    }
}

/// Needs every token of the scope.
impl From<Scope> for Requirement {
    fn from(scope: Scope) -> Self {
        Self::scope(scope)
    }
}

/// Tells whether a login was not long ago; one that has not come, or of which nobody knows, was.
fn is_young(auth_time: Option<UnixTime>, max_age: Duration, leeway: Duration, now: UnixTime) -> bool {
    auth_time.is_some_and(|auth_time| {
        auth_time <= now.saturating_add(leeway)
            && now <= auth_time.saturating_add(max_age).saturating_add(leeway)
    })
}
