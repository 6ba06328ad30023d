//! A server that holds many live grants.

use core::cell::{Cell, RefCell};

use crate::{Call, Endpoint, Tokens};

/// A server with its live grants and the tokens of each.
///
/// It keeps what it is given, as a server does between two sweeps: requests of every round meet what those
/// before them left.
#[derive(Debug)]
pub struct Crowd<E: Endpoint> {
    server: E,
    grants: RefCell<Vec<Tokens>>,
    turn: Cell<usize>,
    refreshed: RefCell<Vec<(usize, Vec<u8>)>>,
}

/// A request of the client, and of which grant it is.
#[derive(Debug)]
pub struct Turn<R> {
    grant: Option<usize>,
    request: R,
}

impl<E: Endpoint> Crowd<E> {
    /// Gives a server so many grants: a power of ten.
    #[must_use]
    pub fn new(server: E, grants: usize) -> Self {
        let grants = (0..grants).map(|_| server.tokens()).collect();
        Self { server, grants: RefCell::new(grants), turn: Cell::new(0), refreshed: RefCell::default() }
    }

    /// Makes requests that can each be answered once, of one grant after the other and at most one of each.
    #[must_use]
    pub fn requests(&self, call: Call, count: usize) -> Vec<Turn<E::Request>> {
        let mut grants = self.grants.borrow_mut();
        for (grant, body) in self.refreshed.take() {
            if let Some(tokens) = grants.get_mut(grant) {
                *tokens = Tokens::read(&body);
            }
        }
        let first = self.turn.replace(self.turn.get() + count);
        let request = |turn: usize| {
            // A prime, so that all have their turn and neighbours in memory do not follow each other.
            let grant = turn * 611_953 % grants.len();
            let tokens = grants.get(grant)?;
            Some(match call {
                Call::Redemption => Turn { grant: None, request: self.server.redemption() },
                Call::Refresh => {
                    Turn { grant: Some(grant), request: self.server.refresh(&tokens.refresh_token) }
                }
                Call::Introspection => {
                    Turn { grant: None, request: self.server.introspection(&tokens.access_token) }
                }
            })
        };
        (first..first + count).filter_map(request).collect()
    }

    /// Answers a request.
    pub fn answer(&self, Turn { grant, request }: Turn<E::Request>) {
        let body = E::body(self.server.answer(request));
        if let Some(grant) = grant {
            self.refreshed.borrow_mut().push((grant, body));
        }
    }

    /// Returns the server.
    pub const fn server(&self) -> &E {
        &self.server
    }
}
