//! The races by name, and what happens in each of them.

use core::fmt;

/// A few requests that come at once. Its text says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Race {
    /// A person clicks twice.
    Consent,
    /// A code, twice.
    Code,
    /// A code, twice, inside of the window of
    /// [`Policy::with_code_retry`](crate::Policy::with_code_retry).
    CodeInWindow,
    /// A code, twice, each time with a client assertion: two changes in one set.
    CodeByAssertion,
    /// A client assertion for two codes.
    AssertionForTwo,
    /// A code beside the revocation of its grant.
    CodeAndRevocation,
    /// A refresh token, twice.
    Refresh,
    /// A refresh token, twice, inside of the window of
    /// [`Policy::with_refresh_retry`](crate::Policy::with_refresh_retry).
    RefreshInWindow,
    /// A refresh token beside its revocation.
    RefreshAndRevocation,
    /// A refresh token beside the replay of the code that it comes from.
    RefreshAndReplay,
    /// A refresh token that was used beside the one that is live.
    OldAndLive,
    /// A refresh token beside the introspection of an access token.
    RefreshAndIntrospection,
    /// A device that asks while its person agrees.
    DeviceAndConsent,
    /// A device code, twice.
    DeviceCode,
    /// A code, three times.
    CodeThrice,
    /// A refresh token, three times, inside of the window.
    RefreshThriceInWindow,
    /// A refresh token, twice, beside its revocation.
    RefreshTwiceAndRevocation,
}

/// A race as data.
pub(super) struct Plan {
    pub(super) by: Caller,
    pub(super) retry: Retry,
    /// What has happened before.
    pub(super) past: &'static [Act],
    pub(super) racers: &'static [Act],
}

/// How a client authenticates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Secret,
    /// With an assertion for each request.
    Assertion,
    /// With one assertion for all who race.
    OneAssertion,
}

/// Whether the same request is answered again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    InWindow,
}

/// One request. Numbers are places in the order in which pages, codes and refresh tokens came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Open,
    Connect,
    TypeUserCode,
    Approve(usize),
    Redeem(usize),
    Poll,
    Refresh(usize),
    RevokeToken,
    RevokeGrant,
    Introspect,
}

use Act::{
    Approve, Connect, Introspect, Open, Poll, Redeem, Refresh, RevokeGrant, RevokeToken, TypeUserCode,
};

const CODE: &[Act] = &[Open, Approve(0)];
const TOKENS: &[Act] = &[Open, Approve(0), Redeem(0)];

impl Race {
    /// Every race of two requests, and behind them those of three.
    pub const ALL: [Self; 17] = [
        Self::Consent,
        Self::Code,
        Self::CodeInWindow,
        Self::CodeByAssertion,
        Self::AssertionForTwo,
        Self::CodeAndRevocation,
        Self::Refresh,
        Self::RefreshInWindow,
        Self::RefreshAndRevocation,
        Self::RefreshAndReplay,
        Self::OldAndLive,
        Self::RefreshAndIntrospection,
        Self::DeviceAndConsent,
        Self::DeviceCode,
        Self::CodeThrice,
        Self::RefreshThriceInWindow,
        Self::RefreshTwiceAndRevocation,
    ];

    /// Returns the race in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Consent => "a consent is sent twice at once",
            Self::Code => "a code is redeemed twice at once",
            Self::CodeInWindow => "a code is redeemed twice at once, inside of the retry window",
            Self::CodeByAssertion => "a code is redeemed twice at once, by a client with assertions",
            Self::AssertionForTwo => "an assertion is used for two codes at once",
            Self::CodeAndRevocation => "a code is redeemed while its grant is revoked",
            Self::Refresh => "a refresh token is used twice at once",
            Self::RefreshInWindow => "a refresh token is used twice at once, inside of the retry window",
            Self::RefreshAndRevocation => "a refresh token is used while it is revoked",
            Self::RefreshAndReplay => "a refresh token is used while its code is replayed",
            Self::OldAndLive => "a refresh token that was used before comes beside the live one",
            Self::RefreshAndIntrospection => "a refresh token is used while an access token is looked up",
            Self::DeviceAndConsent => "a device asks while its person agrees",
            Self::DeviceCode => "a device code is used twice at once",
            Self::CodeThrice => "a code is redeemed three times at once",
            Self::RefreshThriceInWindow => {
                "a refresh token is used three times at once, inside of the retry window"
            }
            Self::RefreshTwiceAndRevocation => "a refresh token is used twice while it is revoked",
        }
    }

    pub(super) const fn plan(self) -> Plan {
        const fn plan(past: &'static [Act], racers: &'static [Act]) -> Plan {
            Plan { by: Caller::Secret, retry: Retry::Never, past, racers }
        }
        match self {
            Self::Consent => plan(&[Open], &[Approve(0), Approve(0)]),
            Self::Code => plan(CODE, &[Redeem(0), Redeem(0)]),
            Self::CodeInWindow => plan(CODE, &[Redeem(0), Redeem(0)]).in_window(),
            Self::CodeByAssertion => plan(CODE, &[Redeem(0), Redeem(0)]).by(Caller::Assertion),
            Self::AssertionForTwo => {
                plan(&[Open, Approve(0), Open, Approve(1)], &[Redeem(0), Redeem(1)]).by(Caller::OneAssertion)
            }
            Self::CodeAndRevocation => plan(CODE, &[Redeem(0), RevokeGrant]),
            Self::Refresh => plan(TOKENS, &[Refresh(0), Refresh(0)]),
            Self::RefreshInWindow => plan(TOKENS, &[Refresh(0), Refresh(0)]).in_window(),
            Self::RefreshAndRevocation => plan(TOKENS, &[Refresh(0), RevokeToken]).in_window(),
            Self::RefreshAndReplay => plan(TOKENS, &[Refresh(0), Redeem(0)]),
            Self::OldAndLive => plan(&[Open, Approve(0), Redeem(0), Refresh(0)], &[Refresh(0), Refresh(1)]),
            Self::RefreshAndIntrospection => plan(TOKENS, &[Refresh(0), Introspect]).in_window(),
            Self::DeviceAndConsent => plan(&[Connect, TypeUserCode], &[Poll, Approve(0)]).in_window(),
            Self::DeviceCode => plan(&[Connect, TypeUserCode, Approve(0)], &[Poll, Poll]),
            Self::CodeThrice => plan(CODE, &[Redeem(0), Redeem(0), Redeem(0)]),
            Self::RefreshThriceInWindow => plan(TOKENS, &[Refresh(0), Refresh(0), Refresh(0)]).in_window(),
            Self::RefreshTwiceAndRevocation => plan(TOKENS, &[Refresh(0), Refresh(0), RevokeToken]),
        }
    }
}

impl Plan {
    const fn in_window(mut self) -> Self {
        self.retry = Retry::InWindow;
        self
    }

    const fn by(mut self, caller: Caller) -> Self {
        self.by = caller;
        self
    }

    /// Tells whether an earlier racer sends the same: who of them begins makes no difference.
    pub(super) fn is_twin(&self, racer: usize, earlier: usize) -> bool {
        earlier < racer && self.racers.get(racer) == self.racers.get(earlier)
    }
}

impl Act {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Open => "asks for a code",
            Self::Connect => "begins as a device",
            Self::TypeUserCode => "types the user code",
            Self::Approve(0) => "approves",
            Self::Approve(_) => "approves the other request",
            Self::Redeem(0) => "redeems the code",
            Self::Redeem(_) => "redeems the other code",
            Self::Poll => "asks with the device code",
            Self::Refresh(0) => "refreshes with the first refresh token",
            Self::Refresh(_) => "refreshes with the next refresh token",
            Self::RevokeToken => "revokes the first refresh token",
            Self::RevokeGrant => "revokes the grant",
            Self::Introspect => "looks the access token up",
        }
    }

    pub(super) const fn asks_for_tokens(self) -> bool {
        matches!(self, Self::Redeem(_) | Self::Poll | Self::Refresh(_))
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
