//! What providers do that the standards do not say.

use alloc::{collections::BTreeSet, format, string::String};

use grantry_core::Issuer;

use crate::Provider;

/// What of the standards one provider breaks and its clients bear: nothing, unless it is named here.
///
/// ```
/// use grantry_client::{Quirk, Tolerance};
///
/// let twitch = Tolerance::strict().with_quirk(Quirk::ScopeArray);
/// assert!(twitch.tolerates(Quirk::ScopeArray));
/// assert!(!twitch.tolerates(Quirk::MissingTokenType));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    quirks: BTreeSet<Quirk>,
    issuer_template: Option<IssuerTemplate>,
}

impl Tolerance {
    /// Makes the profile of a provider that keeps to the standards.
    #[must_use]
    pub const fn strict() -> Self {
        Self { quirks: BTreeSet::new(), issuer_template: None }
    }

    /// Bears one quirk more.
    #[must_use]
    pub fn with_quirk(mut self, quirk: Quirk) -> Self {
        self.quirks.insert(quirk);
        self
    }

    /// Weakens the comparison of issuers
    /// ([OpenID Connect Discovery section 4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation)):
    /// the provider's metadata may name the template instead of the issuer, and the issuer of an ID token
    /// is the template with the token's own `tid` in it. So anyone with a tenant can sign in, or make one
    /// and sign in, and a `sub` means a person only together with the issuer of the ID token. A host that
    /// serves some tenants alone compares `tid` itself.
    ///
    /// Entra ID does this for `https://login.microsoftonline.com/common/v2.0` and `organizations`, with
    /// the template `https://login.microsoftonline.com/{tenantid}/v2.0`
    /// ([Microsoft](https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer)).
    /// A client of one tenant names the issuer of that tenant and needs none of this.
    #[must_use]
    pub fn danger_with_issuer_template(mut self, template: IssuerTemplate) -> Self {
        self.issuer_template = Some(template);
        self
    }

    /// Tells whether a quirk is borne.
    #[must_use]
    pub fn tolerates(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Returns the template that stands for the issuer, if there is one.
    #[must_use]
    pub const fn issuer_template(&self) -> Option<&IssuerTemplate> {
        self.issuer_template.as_ref()
    }
}

/// What a provider does in its token answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// Weakens the type of `expires_in`
    /// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)): a string of digits
    /// counts as the number. Naver sends `"3600"`
    /// ([oauth4webapi 47](https://github.com/panva/oauth4webapi/pull/47)).
    ExpiresInText,
    /// Weakens the type of `scope`
    /// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)): an array of texts counts
    /// as the text. [Twitch](https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/) documents one
    /// ([oauth2-rs 269](https://github.com/ramosbugs/oauth2-rs/issues/269)).
    ScopeArray,
    /// Weakens the grammar of `scope`
    /// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)): a comma parts two tokens, so
    /// that none has one. [GitHub](https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps)
    /// documents `"scope":"repo,gist"`.
    CommaSeparatedScope,
    /// Weakens the rule that a token of an unknown type is not used
    /// ([RFC 6749 section 7.1](https://www.rfc-editor.org/rfc/rfc6749#section-7.1)): an answer without
    /// `token_type` counts as one with `Bearer`.
    /// [LinkedIn](https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow)
    /// documents none ([openid-client 826](https://github.com/panva/openid-client/issues/826)).
    MissingTokenType,
}

/// An issuer with `{tenantid}` in the place of one part of its path, which is how Entra ID names all of its
/// tenants at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerTemplate {
    text: String,
    before: String,
    after: String,
}

impl IssuerTemplate {
    const PLACE: &str = "{tenantid}";

    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`IssuerTemplateError`] when `{tenantid}` is not one whole part of the path of an `https` issuer.
    pub fn parse(text: &str) -> Result<Self, IssuerTemplateError> {
        let (before, after) = text.split_once(Self::PLACE).ok_or(IssuerTemplateError)?;
        // Two slashes stand before the host, which no tenant chooses.
        let is_in_path = before.ends_with('/') && before.matches('/').count() > 2;
        let is_whole = after.is_empty() || after.starts_with('/');
        if !is_in_path || !is_whole || after.contains(Self::PLACE) {
            return Err(IssuerTemplateError);
        }
        Issuer::parse(format!("{before}0{after}")).map_err(|_| IssuerTemplateError)?;
        Ok(Self { text: text.into(), before: before.into(), after: after.into() })
    }

    /// Returns the template as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether the issuer is the template with one part of a path in its place.
    #[must_use]
    pub fn covers(&self, issuer: &Issuer) -> bool {
        let rest = issuer.as_str().strip_prefix(&self.before);
        let part = rest.and_then(|rest| rest.strip_suffix(&self.after));
        part.is_some_and(|part| !part.is_empty() && !part.contains('/'))
    }

    /// Returns the issuer of a tenant; `None` when the `tid` is no GUID in lower case.
    fn issuer_of(&self, tenant_id: &str) -> Option<Issuer> {
        is_guid(tenant_id).then(|| Issuer::parse(format!("{}{tenant_id}{}", self.before, self.after)).ok())?
    }
}

impl Provider {
    /// Returns the issuer that an ID token with this `tid` names, for a provider whose profile has a
    /// template that covers its issuer
    /// ([`danger_with_issuer_template`](Tolerance::danger_with_issuer_template)). The `tid` is a GUID.
    #[must_use]
    pub fn issuer_of_tenant(&self, tenant_id: &str) -> Option<Issuer> {
        let template = self.tolerance().issuer_template().filter(|template| template.covers(self.issuer()));
        template.and_then(|template| template.issuer_of(tenant_id))
    }
}

fn is_guid(text: &str) -> bool {
    let mut parts = text.split('-');
    let has_lengths =
        [8, 4, 4, 4, 12].iter().all(|length| parts.next().is_some_and(|part| part.len() == *length));
    has_lengths
        && parts.next().is_none()
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// The text is not an `https` issuer with `{tenantid}` as one whole part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an https issuer with {{tenantid}} as one part of its path")]
#[non_exhaustive]
pub struct IssuerTemplateError;

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRA: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

    #[test]
    fn a_template_has_its_place_in_the_path_once() {
        assert_eq!(IssuerTemplate::parse(ENTRA).unwrap().as_str(), ENTRA);
        for good in ["https://as.example/{tenantid}", "https://as.example/a/{tenantid}/b/c"] {
            assert!(IssuerTemplate::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://as.example/common",
            "https://{tenantid}/v2.0",
            "https://{tenantid}.as.example/v2.0",
            "https://as.example/x{tenantid}",
            "https://as.example/{tenantid}x",
            "https://as.example/{tenantid}/{tenantid}",
            "https://as.example/?{tenantid}",
            "https://as.example/?/{tenantid}",
            "https://as.example/{tenantid}/#",
            "http://as.example/{tenantid}",
            "/{tenantid}",
            "///{tenantid}",
        ] {
            assert_eq!(IssuerTemplate::parse(bad), Err(IssuerTemplateError), "{bad}");
        }
    }

    fn provider(issuer: &str, template: Option<&str>) -> Provider {
        let provider =
            Provider::new(Issuer::parse(issuer).unwrap(), "https://as.example/a", "https://as.example/t");
        let template = template.map(|template| IssuerTemplate::parse(template).unwrap());
        let tolerance =
            template.into_iter().fold(Tolerance::strict(), Tolerance::danger_with_issuer_template);
        provider.unwrap().with_tolerance(tolerance)
    }

    #[test]
    fn the_issuer_of_a_tenant_is_the_template_with_its_guid() {
        let common = provider("https://login.microsoftonline.com/common/v2.0", Some(ENTRA));
        let issuer = common.issuer_of_tenant(TENANT).unwrap();
        assert_eq!(
            issuer.as_str(),
            "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0"
        );
        for other in [
            "",
            "common",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a49",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a490-",
            "8eaef0232b344da19baa8bc8c9d6a490",
            "8EAEF023-2b34-4da1-9baa-8bc8c9d6a490",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a4/0",
            "8eaef023-2b34-4da1-9baa8-bc8c9d6a490",
        ] {
            assert_eq!(common.issuer_of_tenant(other), None, "{other}");
        }
    }

    #[test]
    fn a_provider_speaks_for_the_tenants_of_its_own_template_alone() {
        let strict = provider("https://login.microsoftonline.com/common/v2.0", None);
        assert_eq!(strict.issuer_of_tenant(TENANT), None);
        for other in [
            "https://evil.example/common/v2.0",
            "https://login.microsoftonline.com/common/v2.0/",
            "https://login.microsoftonline.com/a/b/v2.0",
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/v2.0",
        ] {
            assert_eq!(provider(other, Some(ENTRA)).issuer_of_tenant(TENANT), None, "{other}");
        }
    }
}
