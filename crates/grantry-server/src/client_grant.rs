//! The client credentials grant: a client asks for itself
//! ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).

use grantry_core::Moment;
use grantry_core::form::Form;

use crate::authentication::Authenticated;
use crate::client::GrantType;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::direct_grant::{Asked, DirectGrant};
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::Origin;
use crate::issue::TokenAnswer;
use crate::operation::Records;
use crate::policy::AccessTokenFormat;
use crate::server::Server;
use crate::stateless_token::StatelessToken;
use crate::transition::{Facts, Presented, step};

/// The parameters of the request.
#[derive(Debug)]
pub(crate) struct ClientRequest(Asked);

impl ClientRequest {
    pub(crate) fn parse(form: &Form<'_>) -> Result<Self, Reason> {
        Asked::parse(form).map(Self)
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        moment: &Moment,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        // RFC 6749 section 4.4: confidential clients only.
        if !client.client().is_confidential() {
            return Err(Reason::ClientNotConfidential);
        }
        let client = client.allowed(GrantType::ClientCredentials)?.client();
        let (scope, resources) = self.0.allowed(server, client)?;
        let kind = EventKind::ClientTokenIssued;
        match server.config.policy.access_token_format {
            // Nothing is written: the token says all that there is to know.
            AccessTokenFormat::Jwt => {
                let event = Event::new(Endpoint::Token, kind, Effect::Nothing).of_client(Some(client.id()));
                let host = records.access_token_claims();
                let token = StatelessToken { server, client, scope, resources, host, moment };
                token.sign(move |tokens| Decision::Reply(Reply::new(TokenAnswer::from(tokens), event)))
            }
            AccessTokenFormat::Opaque => {
                step(None, Presented::DirectRequest, Facts::default()).go()?;
                let (origin, person) = (Origin::Client, None);
                let grant = DirectGrant { server, client, records, scope, resources, origin, person, moment };
                grant.give(kind)
            }
        }
    }
}
