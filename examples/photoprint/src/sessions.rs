//! Sessions that live on the server, found by a cookie.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use grantry::core::{Moment, SecretString, UnixTime};
use sha2::{Digest, Sha256};

/// The most sessions kept at once, because anybody can open one; the oldest makes room.
const MAX_SESSIONS: usize = 1000;
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The sessions of one site.
pub(crate) struct Sessions<T> {
    cookie: &'static str,
    table: Mutex<BTreeMap<Key, Row<T>>>,
}

/// A digest: whoever sees the table holds no cookie that opens a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key([u8; 32]);

impl Key {
    fn of(id: &str) -> Self {
        Self(Sha256::digest(id).into())
    }
}

struct Row<T> {
    number: u64,
    opened_at: UnixTime,
    session: Session<T>,
}

/// One session. The state is the site's own.
pub(crate) struct Session<T> {
    pub(crate) id: SecretString,
    pub(crate) csrf: SecretString,
    pub(crate) state: Arc<T>,
}

impl<T> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), csrf: self.csrf.clone(), state: Arc::clone(&self.state) }
    }
}

impl<T> Session<T> {
    /// Tells whether a posted form comes from a page of this session.
    pub(crate) fn posted(&self, csrf: Option<&str>) -> bool {
        csrf.is_some_and(|csrf| self.csrf.matches(csrf))
    }
}

impl<T> Sessions<T> {
    /// Cookies know hosts and not ports, so sites on one loopback address need names of their own.
    pub(crate) const fn new(cookie: &'static str) -> Self {
        Self { cookie, table: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn find(&self, jar: &CookieJar, now: UnixTime) -> Option<Session<T>> {
        let table = self.table();
        let row = table.get(&Key::of(jar.get(self.cookie)?.value()))?;
        (now < row.opened_at.saturating_add(LIFETIME)).then(|| row.session.clone())
    }

    pub(crate) fn find_or_open(&self, jar: CookieJar, moment: &Moment) -> (Session<T>, CookieJar)
    where
        T: Default,
    {
        match self.find(&jar, moment.time()) {
            Some(session) => (session, jar),
            None => self.open(jar, moment, T::default()),
        }
    }

    pub(crate) fn open(&self, jar: CookieJar, moment: &Moment, state: T) -> (Session<T>, CookieJar) {
        let secret = |label: &str| SecretString::from(moment.random_text(label));
        let session =
            Session { id: secret("session id"), csrf: secret("session csrf"), state: Arc::new(state) };
        let mut table = self.table();
        if table.len() >= MAX_SESSIONS {
            let oldest = table.iter().min_by_key(|(_, row)| row.number).map(|(key, _)| *key);
            oldest.and_then(|key| table.remove(&key));
        }
        let number = table.values().map(|row| row.number + 1).max().unwrap_or(0);
        let row = Row { number, opened_at: moment.time(), session: session.clone() };
        table.insert(Key::of(session.id.expose()), row);
        let jar = jar.add(self.cookie_of(&session.id));
        (session, jar)
    }

    /// Gives a browser a new session in place of an old one: an identifier that was known before a
    /// person signed in says nothing afterwards.
    pub(crate) fn renew(
        &self,
        old: &Session<T>,
        jar: CookieJar,
        moment: &Moment,
        state: T,
    ) -> (Session<T>, CookieJar) {
        self.table().remove(&Key::of(old.id.expose()));
        self.open(jar, moment, state)
    }

    /// The session opened last, for the tour to look behind the curtain.
    pub(crate) fn newest(&self) -> Option<Session<T>> {
        let table = self.table();
        table.values().max_by_key(|row| row.number).map(|row| row.session.clone())
    }

    // On a public host: `__Host-` in front of the name, and `Secure`.
    fn cookie_of(&self, id: &SecretString) -> Cookie<'static> {
        Cookie::build((self.cookie, id.expose().to_owned()))
            .http_only(true)
            .same_site(SameSite::Lax)
            .path("/")
            .build()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Key, Row<T>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_make_the_table_grow_without_bound() {
        let sessions = Sessions::<()>::new("test");
        for number in 0..MAX_SESSIONS as u64 + 5 {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&number.to_be_bytes());
            let moment = Moment::new(UnixTime::from_secs(1), seed);
            let _ = sessions.open(CookieJar::new(), &moment, ());
        }
        assert_eq!(sessions.table().len(), MAX_SESSIONS);
        assert!(sessions.table().values().all(|row| row.number >= 5));
    }

    #[test]
    fn a_renewed_session_leaves_the_old_cookie_worthless() {
        let sessions = Sessions::<u8>::new("test");
        let moment = |byte| Moment::new(UnixTime::from_secs(1), [byte; 32]);
        let (old, old_jar) = sessions.open(CookieJar::new(), &moment(1), 1);
        let (new, new_jar) = sessions.renew(&old, old_jar.clone(), &moment(2), 2);
        assert!(sessions.find(&old_jar, UnixTime::from_secs(1)).is_none());
        assert_eq!(sessions.find(&new_jar, UnixTime::from_secs(1)).map(|found| *found.state), Some(2));
        assert!(!new.posted(Some(old.csrf.expose())) && !new.posted(None));
        assert!(sessions.find(&new_jar, UnixTime::from_secs(1).saturating_add(LIFETIME)).is_none());
    }
}
