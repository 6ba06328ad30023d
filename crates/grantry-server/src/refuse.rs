//! A person's no, or the host's.

use grantry_core::Moment;

use crate::approve::Answered;
use crate::decision::{Commit, Decision};
use crate::denial::Reason;
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::{Grant, State};
use crate::interaction::{Flow, Interaction};
use crate::operation::{Lookup, Operation, Records};
use crate::server::Server;
use crate::transition::{Facts, Presented, Then, step};

impl Server {
    /// Ends an interaction without a grant.
    ///
    /// The client is told by a redirect
    /// ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)); no store is
    /// asked, and nothing is written: a host that lets one page be answered once sees to it itself. To a
    /// device, a person's [`Refusal::AccessDenied`] is told when it asks
    /// ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    pub fn refuse(&self, interaction: &Interaction, refusal: Refusal) -> Refuse {
        Refuse { server: self.clone(), interaction: interaction.clone(), refusal }
    }
}

/// Why a host ends an interaction without an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The person said no.
    AccessDenied,
    /// Nobody is signed in, and the client asked for no page.
    LoginRequired,
    /// Consent is needed, and the client asked for no page.
    ConsentRequired,
    /// An account has to be chosen, and the client asked for no page.
    AccountSelectionRequired,
    /// Some other page is needed, and the client asked for none.
    InteractionRequired,
    /// The person cannot be authenticated as the client requires
    /// ([RFC 9470 section 5](https://www.rfc-editor.org/rfc/rfc9470#section-5)).
    UnmetAuthenticationRequirements,
    /// The store failed, and a redirect cannot carry a status that says so.
    ServerError,
}

impl Refusal {
    const fn reason(self) -> Reason {
        match self {
            Self::AccessDenied => Reason::Refused,
            Self::LoginRequired => Reason::LoginNeeded,
            Self::ConsentRequired => Reason::ConsentNeeded,
            Self::AccountSelectionRequired => Reason::AccountNeeded,
            Self::InteractionRequired => Reason::PageNeeded,
            Self::UnmetAuthenticationRequirements => Reason::AuthenticationTooWeak,
            Self::ServerError => Reason::StoreFailed,
        }
    }
}

/// A refused interaction.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Refuse {
    server: Server,
    interaction: Interaction,
    refusal: Refusal,
}

impl Operation for Refuse {
    type Reply = Reply<Answered>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        if self.is_for_device() {
            Lookup { grant: Some(self.interaction.id), ..Lookup::of(self.server.issuer()) }
        } else {
            Lookup::default()
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        if !self.is_for_device() {
            return Decision::Reply(self.interaction.not_granted(self.refusal.reason()));
        }
        self.refuse_device(records, moment)
            .unwrap_or_else(|reason| Decision::Reply(self.interaction.not_granted(reason)))
    }
}

impl Refuse {
    const fn is_for_device(&self) -> bool {
        matches!((&self.interaction.flow, self.refusal), (Flow::Device, Refusal::AccessDenied))
    }

    fn refuse_device(&self, records: &Records, moment: &Moment) -> Result<Decision<Reply<Answered>>, Reason> {
        if self.interaction.issuer != self.server.config.issuer.as_str() {
            return Err(Reason::OtherIssuer);
        }
        let record = records.grant_of(self.server.issuer(), self.interaction.id);
        let record = record.ok_or(Reason::UserCodeUnknown)?;
        let grant = &record.grant;
        let reply = |effect| {
            let event = Event::new(self.interaction.endpoint(), EventKind::AuthorizationRefused, effect);
            Reply::new(Answered::DeviceRefused, event.of_grant(grant).denied(Reason::Refused))
        };
        let facts = Facts { expired: moment.time() >= grant.expires_at, ..Facts::default() };
        match step(Some(grant.state), Presented::DeviceRefusal, facts) {
            Then::Move(_) => {
                let denied = Grant { state: State::DeviceDenied, ..grant.clone() };
                Ok(Decision::Commit(Commit::put(Some(record.version), denied, reply(Effect::Written))))
            }
            Then::Repeat => Ok(Decision::Reply(reply(Effect::Repeated))),
            Then::Refuse(reason) | Then::Wait(reason) | Then::Close(reason) | Then::Alarm(reason) => {
                Err(reason)
            }
        }
    }
}
