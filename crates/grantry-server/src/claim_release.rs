//! Which of a person's claims a client is told, and where
//! ([OpenID Connect Core sections 5.4 and 5.5](https://openid.net/specs/openid-connect-core-1_0.html#ScopeClaims)).

use grantry_core::Scope;

use crate::claims::Claims;
use crate::claims_request::ClaimsRequest;

/// Returns the claims that a scope token asks for
/// ([OpenID Connect Core section 5.4](https://openid.net/specs/openid-connect-core-1_0.html#ScopeClaims)):
/// what a consent page has to speak of. Only `profile`, `email`, `address` and `phone` ask for any.
#[must_use]
pub fn claims_of_scope(token: &str) -> &'static [&'static str] {
    match token {
        "profile" => PROFILE,
        "email" => &["email", "email_verified"],
        "address" => &["address"],
        "phone" => &["phone_number", "phone_number_verified"],
        _ => &[],
    }
}

const PROFILE: &[&str] = &[
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];

/// Where the claims that a scope asks for are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeClaims {
    /// At the userinfo endpoint, for there is an access token to get them by.
    AtUserInfo,
    /// In the ID token, which comes alone.
    InIdToken,
}

/// Selects what the userinfo endpoint tells, `sub` aside.
pub(crate) fn for_userinfo(person: &Claims, scope: &Scope, request: &ClaimsRequest) -> Claims {
    person.filter(|name| request.has_userinfo_name(name) || is_of_scope(name, scope))
}

/// Selects what an ID token tells beside the protocol's own.
pub(crate) fn for_id_token(
    person: &Claims,
    scope: &Scope,
    request: &ClaimsRequest,
    scope_claims: ScopeClaims,
) -> Claims {
    person.filter(|name| {
        request.has_id_token_name(name)
            || (scope_claims == ScopeClaims::InIdToken && is_of_scope(name, scope))
    })
}

fn is_of_scope(name: &str, scope: &Scope) -> bool {
    scope_of_claim(name).is_some_and(|token| scope.contains(token))
}

/// The scope token that asks for a claim, if one does.
pub(crate) fn scope_of_claim(name: &str) -> Option<&'static str> {
    // OpenID Connect Core section 5.2: behind the sign is a language.
    let name = name.split('#').next().unwrap_or(name);
    ["profile", "email", "address", "phone"].into_iter().find(|token| claims_of_scope(token).contains(&name))
}

#[cfg(test)]
mod tests {
    use alloc::{
        collections::BTreeSet,
        string::{String, ToString},
        vec::Vec,
    };

    use serde_json::{Map, Value, json};

    use super::*;

    const SCOPES: [&str; 4] = ["profile", "email", "address", "phone"];

    /// Every standard claim, and some of the host's own.
    fn person() -> Claims {
        let standard = SCOPES.into_iter().flat_map(claims_of_scope).copied();
        let own = ["name#de", "groups", "profile2", "https://example.org/role"];
        let claims = standard.chain(own).map(|name| (String::from(name), json!("x")));
        Claims::new(claims.collect::<Map<String, Value>>()).unwrap()
    }

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn request(claims: &Value) -> ClaimsRequest {
        ClaimsRequest::parse(&claims.to_string()).unwrap()
    }

    fn names(claims: &Claims) -> Vec<&str> {
        claims.names().collect()
    }

    #[test]
    fn oidc_5_4_each_scope_asks_for_its_claims() {
        let (person, none) = (person(), ClaimsRequest::default());
        for token in SCOPES {
            let told = for_userinfo(&person, &scope(token), &none);
            let mut expected: BTreeSet<_> = claims_of_scope(token).iter().copied().collect();
            expected.extend((token == "profile").then_some("name#de"));
            assert_eq!(names(&told).into_iter().collect::<BTreeSet<_>>(), expected, "{token}");
        }
        for token in ["openid", "offline_access", "groups", "Email"] {
            assert!(for_userinfo(&person, &scope(token), &none).is_empty(), "{token}");
        }
        assert_eq!(SCOPES.map(|token| claims_of_scope(token).len()), [14, 2, 1, 2]);
    }

    #[test]
    fn oidc_5_5_a_single_claim_is_told_where_it_is_asked_for() {
        let request = request(&json!({
            "userinfo": { "groups": null, "unknown": { "essential": true } },
            "id_token": { "email": null, "https://example.org/role": { "essential": true } },
        }));
        let (person, scope) = (person(), scope("openid phone"));
        let at_userinfo = for_userinfo(&person, &scope, &request);
        assert_eq!(names(&at_userinfo), ["groups", "phone_number", "phone_number_verified"]);
        let in_id_token = for_id_token(&person, &scope, &request, ScopeClaims::AtUserInfo);
        assert_eq!(names(&in_id_token), ["email", "https://example.org/role"]);
    }

    /// Nobody can ask userinfo without an access token.
    #[test]
    fn oidc_5_4_the_claims_of_a_scope_are_in_an_id_token_that_comes_alone() {
        let (person, none, scope) = (person(), ClaimsRequest::default(), scope("openid email"));
        let alone = for_id_token(&person, &scope, &none, ScopeClaims::InIdToken);
        assert_eq!(names(&alone), ["email", "email_verified"]);
        assert!(for_id_token(&person, &scope, &none, ScopeClaims::AtUserInfo).is_empty());
    }
}
