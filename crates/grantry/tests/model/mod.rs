//! The life of a grant as one would explain it: who is answered what, and what is alive then.
//!
//! It is written from the RFCs and the guide, without the table of the server. Times are in seconds.

pub(crate) mod acts;

use grantry::server::Reason;

pub(crate) const CODE_LIFETIME: u64 = 60;
pub(crate) const ACCESS_LIFETIME: u64 = 300;
pub(crate) const GRANT_LIFETIME: u64 = 3000;
pub(crate) const IDLE_LIFETIME: u64 = 1000;
pub(crate) const PAGE_LIFETIME: u64 = 400;
pub(crate) const PUSHED_LIFETIME: u64 = 90;
pub(crate) const DEVICE_LIFETIME: u64 = 150;
pub(crate) const INTERVAL: u64 = 5;
/// For how long a record stays behind its end.
const MARGIN: u64 = 3600;

/// How a grant comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Code,
    Pushed,
    Implicit,
    Device,
    Password,
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    Alice,
    Bob,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is no record.
    Nothing,
    Pushed,
    Pending {
        interval: u64,
        polled: Option<u64>,
    },
    Approved,
    Denied,
    Code,
    Active {
        serial: usize,
        since: u64,
    },
    Revoked,
}

/// One grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) flow: Flow,
    /// For how long lost replies are given again.
    pub(crate) retry: u64,
    pub(crate) state: State,
    /// Until when what was given out last is alive.
    pub(crate) until: u64,
    /// Until when the page of the person may be sent.
    pub(crate) page_until: u64,
    /// Until when the record is kept at least.
    kept_until: u64,
    person: Option<Person>,
}

impl Model {
    pub(crate) const fn new(flow: Flow, retry: u64) -> Self {
        Self { flow, retry, state: State::Nothing, until: 0, page_until: 0, kept_until: 0, person: None }
    }

    /// The client's own request, which begins a grant.
    pub(crate) fn begin(&mut self, now: u64) {
        let (state, lifetime) = match self.flow {
            Flow::Pushed => (State::Pushed, PUSHED_LIFETIME),
            Flow::Device => (State::Pending { interval: INTERVAL, polled: None }, DEVICE_LIFETIME),
            Flow::Password => (State::Active { serial: 1, since: now }, GRANT_LIFETIME),
            Flow::Client => (State::Active { serial: 1, since: now }, ACCESS_LIFETIME),
            Flow::Code | Flow::Implicit => return,
        };
        (self.state, self.until) = (state, now + lifetime);
        self.kept_until = match self.flow {
            Flow::Pushed | Flow::Device => self.until + PAGE_LIFETIME,
            Flow::Code | Flow::Implicit | Flow::Password | Flow::Client => 0,
        };
    }

    /// Whether a page is shown to the person who comes.
    pub(crate) fn open(&mut self, now: u64) -> bool {
        let is_shown = match self.flow {
            Flow::Code | Flow::Implicit => self.state == State::Nothing,
            Flow::Pushed => self.state == State::Pushed && now < self.until,
            Flow::Device => matches!(self.state, State::Pending { .. }) && now < self.until,
            Flow::Password | Flow::Client => false,
        };
        if is_shown {
            self.page_until = now + PAGE_LIFETIME;
        }
        is_shown
    }

    /// A person's yes.
    pub(crate) fn approve(&mut self, person: Person, now: u64) -> Result<(), Reason> {
        if now >= self.page_until {
            return Err(Reason::InteractionExpired);
        }
        let is_same = self.person == Some(person) && now < self.until;
        match (self.flow, self.state) {
            (Flow::Code, State::Nothing) | (Flow::Pushed, State::Pushed) => {
                (self.state, self.until) = (State::Code, now + CODE_LIFETIME);
            }
            (Flow::Implicit, State::Nothing) => {
                (self.state, self.until) = (State::Active { serial: 1, since: now }, now + ACCESS_LIFETIME);
            }
            (Flow::Device, State::Pending { .. }) if now >= self.until => {
                return Err(Reason::DeviceCodeExpired);
            }
            (Flow::Device, State::Pending { .. }) => self.state = State::Approved,
            // One page is one grant: the same answer again, while it is not taken up.
            (Flow::Code | Flow::Pushed, State::Code)
            | (Flow::Implicit, State::Active { .. })
            | (Flow::Device, State::Approved)
                if is_same =>
            {
                return Ok(());
            }
            _ => return Err(Reason::AlreadyAnswered),
        }
        self.person = Some(person);
        self.kept_until = self.kept_until.max(self.page_until);
        Ok(())
    }

    /// A person's no.
    pub(crate) fn refuse(&mut self, now: u64) -> Result<(), Reason> {
        match (self.flow, self.state) {
            (Flow::Device, State::Pending { .. }) if now >= self.until => Err(Reason::DeviceCodeExpired),
            (Flow::Device, State::Pending { .. } | State::Denied) => {
                self.state = State::Denied;
                Ok(())
            }
            (Flow::Device, State::Nothing) => Err(Reason::UserCodeUnknown),
            (Flow::Device, _) => Err(Reason::AlreadyAnswered),
            // Nobody is told but the client, by the browser.
            _ => Err(Reason::Refused),
        }
    }

    /// A handle finds its record, and only its own client may present it.
    pub(crate) fn is_found_by(&self, client: &str, unknown: Reason) -> Result<(), Reason> {
        match client {
            _ if self.state == State::Nothing => Err(unknown),
            "app" => Ok(()),
            _ => Err(Reason::OtherClient),
        }
    }

    /// The client's presentation of its code, with all that proves that it is its own.
    pub(crate) fn redeem(&mut self, now: u64) -> Result<usize, Reason> {
        match self.state {
            State::Code if now >= self.until => Err(Reason::CodeExpired),
            State::Code => Ok(self.activate(now)),
            State::Active { .. } => self.present_again(now, Reason::CodeReused),
            State::Revoked => Err(Reason::GrantRevoked),
            State::Nothing | State::Pushed | State::Pending { .. } | State::Approved | State::Denied => {
                Err(Reason::CodeUnknown)
            }
        }
    }

    /// A device that asks whether the person has answered.
    pub(crate) fn poll(&mut self, now: u64) -> Result<usize, Reason> {
        let is_over = now >= self.until;
        match self.state {
            State::Nothing => Err(Reason::DeviceCodeExpired),
            State::Pending { .. } | State::Approved | State::Denied if is_over => {
                Err(Reason::DeviceCodeExpired)
            }
            State::Pending { interval, polled } => {
                // Early by a second is no offence.
                let is_early = polled.is_some_and(|polled| now + 1 < polled + interval);
                let slower = if is_early { 5 } else { 0 };
                self.state = State::Pending { interval: interval + slower, polled: Some(now) };
                Err(if is_early { Reason::PolledTooSoon } else { Reason::PersonHasNotAnswered })
            }
            State::Approved => Ok(self.activate(now)),
            State::Denied => {
                self.state = State::Revoked;
                Err(Reason::Refused)
            }
            State::Active { .. } => self.present_again(now, Reason::DeviceCodeReused),
            State::Revoked => Err(Reason::GrantRevoked),
            State::Pushed | State::Code => unreachable!("no device"),
        }
    }

    fn activate(&mut self, now: u64) -> usize {
        (self.state, self.until) = (State::Active { serial: 1, since: now }, now + GRANT_LIFETIME);
        1
    }

    /// A code that was redeemed comes back: a lost reply, or a theft.
    fn present_again(&mut self, now: u64, reason: Reason) -> Result<usize, Reason> {
        let is_lost_reply =
            matches!(self.state, State::Active { serial: 1, since } if now < since + self.retry);
        if now >= self.until {
            Err(reason)
        } else if is_lost_reply {
            Ok(1)
        } else {
            self.state = State::Revoked;
            Err(reason)
        }
    }

    /// The client's presentation of the refresh token with a number; `Ok` is the number of the next.
    pub(crate) fn refresh(&mut self, number: usize, is_wider: bool, now: u64) -> Result<usize, Reason> {
        let State::Active { serial, since } = self.state else {
            let is_revoked = self.state == State::Revoked;
            return Err(if is_revoked { Reason::GrantRevoked } else { Reason::RefreshTokenUnknown });
        };
        let is_lost_reply = number + 1 == serial && now < since + self.retry;
        if now >= self.refreshable_until() {
            Err(Reason::RefreshTokenExpired)
        } else if number != serial && !is_lost_reply {
            self.state = State::Revoked;
            Err(Reason::RefreshTokenReused)
        } else if is_wider {
            Err(Reason::ScopeWidened)
        } else if is_lost_reply {
            Ok(serial)
        } else {
            self.state = State::Active { serial: serial + 1, since: now };
            Ok(serial + 1)
        }
    }

    /// The client takes a token back that is alive, or any of its refresh tokens.
    pub(crate) fn revoke(&mut self) {
        if self.state != State::Nothing {
            self.state = State::Revoked;
        }
    }

    /// Nothing can come of it any more.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        match self.state {
            State::Revoked | State::Denied => true,
            // Nobody has come yet, or nobody has answered in time, or the record is gone.
            State::Nothing => now >= self.until.max(self.page_until) && self.until.max(self.page_until) > 0,
            State::Pushed | State::Pending { .. } | State::Approved | State::Code | State::Active { .. } => {
                now >= self.until
            }
        }
    }

    /// Records that are long dead go.
    pub(crate) fn sweep(&mut self, now: u64) {
        if self.state != State::Nothing && now >= self.until.max(self.kept_until) + MARGIN {
            self.state = State::Nothing;
        }
    }

    pub(crate) fn is_access_token_alive(&self, until: u64, now: u64) -> bool {
        matches!(self.state, State::Active { .. }) && now < self.until && now < until
    }

    pub(crate) fn is_refresh_token_alive(&self, number: usize, now: u64) -> bool {
        let is_live = matches!(self.state, State::Active { serial, .. } if serial == number);
        is_live && now < self.refreshable_until()
    }

    /// Until when an access token lives that is given out, or given again.
    pub(crate) fn access_until(&self) -> u64 {
        let State::Active { since, .. } = self.state else { return 0 };
        self.until.min(since + ACCESS_LIFETIME)
    }

    pub(crate) fn refreshable_until(&self) -> u64 {
        let State::Active { since, .. } = self.state else { return 0 };
        self.until.min(since + IDLE_LIFETIME)
    }
}
