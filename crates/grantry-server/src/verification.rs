//! The page where a person types the code of a device
//! ([RFC 8628 section 3.3](https://www.rfc-editor.org/rfc/rfc8628#section-3.3)).

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

use grantry_core::Moment;

use crate::answer::Page;
use crate::claims_request::ClaimsRequest;
use crate::client::GrantType;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Origin, State};
use crate::interaction::{Flow, Interaction};
use crate::operation::{Lookup, Operation, Records};
use crate::server::Server;
use crate::user_code::UserCode;

impl Server {
    /// Reads a user code that a person typed, or that stands in `verification_uri_complete`. Case, spaces
    /// and punctuation do not matter.
    ///
    /// Finding the device decides nothing: show who asks for what, and let the person approve or refuse
    /// ([RFC 8628 section 5.4](https://www.rfc-editor.org/rfc/rfc8628#section-5.4)). Limit the tries of a
    /// session and an address by the events of the [`Verification`](Endpoint::Verification) endpoint
    /// ([RFC 8628 section 5.1](https://www.rfc-editor.org/rfc/rfc8628#section-5.1)).
    pub fn verify_user_code(&self, text: &str) -> VerifyUserCode {
        VerifyUserCode { server: self.clone(), code: UserCode::parse(&self.config.handles, text) }
    }
}

/// A typed user code that waits for the record of its device.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct VerifyUserCode {
    server: Server,
    code: Option<UserCode>,
}

/// What a typed user code leads to.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a device waits, or none does")]
pub enum Verification {
    /// Show the form again: no device waits under the code. One answer for all reasons.
    Page(Page),
    /// Let the person log in and consent, then approve or refuse.
    Interact(Box<Interaction>),
}

impl Operation for VerifyUserCode {
    type Reply = Reply<Verification>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        Lookup { grant: self.code.as_ref().map(UserCode::grant), ..Lookup::of(self.server.issuer()) }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        Decision::Reply(match self.interaction(records, moment) {
            Some(interaction) => {
                let event = Event::new(Endpoint::Verification, EventKind::DeviceFound, Effect::Nothing);
                let event = event.of_client(Some(&interaction.client_id)).of_grant_id(interaction.id);
                Reply::new(Verification::Interact(Box::new(interaction)), event)
            }
            None => {
                let reason = Reason::UserCodeUnknown;
                let event = Event::refused(Endpoint::Verification, reason);
                Reply::new(Verification::Page(Page::new(reason)), event)
            }
        })
    }

    fn writes_grant(&self) -> bool {
        false
    }
}

impl VerifyUserCode {
    fn interaction(&self, records: &Records, moment: &Moment) -> Option<Interaction> {
        let grant = &records.grant_of(self.server.issuer(), self.code.as_ref()?.grant())?.grant;
        let is_pending = matches!(grant.state, State::DevicePending { .. });
        let Origin::Device { client_name } = &grant.terms.origin else { return None };
        let now = moment.time();
        let config = &self.server.config;
        // The device is told that it is over.
        let has_ended = config.policy.has_ended(&grant.terms.client_id, grant.terms.created_at);
        if !is_pending || has_ended || now >= grant.expires_at || !self.server.serves(GrantType::DeviceCode) {
            return None;
        }
        Some(Interaction {
            id: grant.terms.id,
            issuer: config.issuer.as_str().into(),
            client_id: grant.terms.client_id.clone(),
            client_name: client_name.clone(),
            scope: grant.terms.scope.clone(),
            resources: grant.terms.resources.clone(),
            flow: Flow::Device,
            prompts: BTreeSet::new(),
            max_age: None,
            login_hint: None,
            acr_values: Vec::new(),
            claims: ClaimsRequest::default(),
            subject: None,
            asked_at: now,
            expires_at: now.saturating_add(config.policy.interaction_lifetime),
        })
    }
}
