//! What a host's storage has to do for sessions: load by key, and compare-and-swap.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::fmt;

use grantry_core::{Moment, SecretString, base64url};

/// A blocking store of sessions.
///
/// It keeps a [`SessionRecord`] for each key. The key is the host's: the id of its own session, or one
/// fixed name for a program with one user. The text of a record is as secret as the tokens in it.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::convert::Infallible;
/// use std::sync::Mutex;
///
/// use grantry_client::{Revision, Saved, SessionRecord, SessionStore};
///
/// struct Table(Mutex<BTreeMap<String, SessionRecord>>);
///
/// impl SessionStore for Table {
///     type Error = Infallible;
///
///     fn load(&self, key: &str) -> Result<Option<SessionRecord>, Infallible> {
///         // SELECT revision, json FROM sessions WHERE key = $1
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///
///     fn save(
///         &self,
///         key: &str,
///         expected: Option<&Revision>,
///         record: &SessionRecord,
///     ) -> Result<Saved, Infallible> {
///         // UPDATE sessions SET revision = $3, json = $4 WHERE key = $1 AND revision = $2, or
///         // INSERT ... ON CONFLICT DO NOTHING; one row is `Applied`, none is `Conflict`.
///         let mut rows = self.0.lock().unwrap();
///         if rows.get(key).map(|row| &row.revision) != expected {
///             return Ok(Saved::Conflict);
///         }
///         rows.insert(key.to_owned(), record.clone());
///         Ok(Saved::Applied)
///     }
///
///     fn remove(&self, key: &str) -> Result<(), Infallible> {
///         self.0.lock().unwrap().remove(key);
///         Ok(())
///     }
/// }
/// ```
pub trait SessionStore {
    /// How loading or saving fails.
    type Error;

    /// Loads the record of a key.
    ///
    /// # Errors
    ///
    /// The store's own failures. A record that can't be read is an error, never an absent one.
    fn load(&self, key: &str) -> Result<Option<SessionRecord>, Self::Error>;

    /// Replaces the record of a key if its revision is the expected one; `None` stands for no record. When
    /// it returns [`Saved::Applied`] the record is durable.
    ///
    /// # Errors
    ///
    /// The store's own failures. Nobody knows then whether the record was replaced, and the same can be
    /// tried again.
    fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> Result<Saved, Self::Error>;

    /// Removes the record of a key, whatever its revision. Where there is none, nothing happens.
    ///
    /// # Errors
    ///
    /// The store's own failures.
    fn remove(&self, key: &str) -> Result<(), Self::Error>;
}

/// An asynchronous store whose futures need not be `Send`, for single-threaded executors.
///
/// A store for executors that move tasks between threads implements [`SendSessionStore`] and gets this
/// trait with it.
pub trait AsyncSessionStore {
    /// How loading or saving fails.
    type Error;

    /// Loads the record of a key; see [`SessionStore::load`].
    fn load(&self, key: &str) -> impl Future<Output = Result<Option<SessionRecord>, Self::Error>>;

    /// Replaces the record of a key; see [`SessionStore::save`].
    fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> impl Future<Output = Result<Saved, Self::Error>>;

    /// Removes the record of a key; see [`SessionStore::remove`].
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>>;
}

/// An asynchronous store whose futures are `Send`, so that code generic over it is `Send` too.
pub trait SendSessionStore: Sync {
    /// How loading or saving fails.
    type Error: Send;

    /// Loads the record of a key; see [`SessionStore::load`].
    fn load(&self, key: &str) -> impl Future<Output = Result<Option<SessionRecord>, Self::Error>> + Send;

    /// Replaces the record of a key; see [`SessionStore::save`].
    fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> impl Future<Output = Result<Saved, Self::Error>> + Send;

    /// Removes the record of a key; see [`SessionStore::remove`].
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What a store keeps for a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionRecord {
    /// The name of this state of the record.
    pub revision: Revision,
    /// The stored form of a [`TokenKeeper`](crate::TokenKeeper).
    pub json: SecretString,
}

impl SessionRecord {
    /// Puts a record together as a store kept it.
    #[must_use]
    pub const fn new(revision: Revision, json: SecretString) -> Self {
        Self { revision, json }
    }
}

/// The name of one state of a record: 128 random bits, so that none comes back, not even after the record
/// was removed and made anew.
#[derive(Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Reads what [`Revision::as_str`] wrote.
    ///
    /// # Errors
    ///
    /// [`RevisionError`] when it is not 16 bytes in base64url.
    pub fn parse(text: &str) -> Result<Self, RevisionError> {
        match base64url::decode(text) {
            Ok(bytes) if bytes.len() == 16 => Ok(Self(text.into())),
            Ok(_) | Err(_) => Err(RevisionError),
        }
    }

    /// Returns the text: 22 characters of base64url.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn generate(moment: &Moment) -> Self {
        Self(base64url::encode(moment.random::<16>("session revision")))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({})", self.0)
    }
}

/// A text is no revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a revision of a session")]
#[non_exhaustive]
pub struct RevisionError;

/// What became of a record that was to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was saved"]
#[expect(clippy::exhaustive_enums, reason = "a compare-and-swap has two outcomes")]
pub enum Saved {
    /// The record is replaced, durably.
    Applied,
    /// The record has another revision, and nothing was changed.
    Conflict,
}

macro_rules! through_a_reference {
    ($($pointer:ty),*) => {$(
        impl<S: SessionStore + ?Sized> SessionStore for $pointer {
            type Error = S::Error;

            fn load(&self, key: &str) -> Result<Option<SessionRecord>, Self::Error> {
                (**self).load(key)
            }

            fn save(
                &self,
                key: &str,
                expected: Option<&Revision>,
                record: &SessionRecord,
            ) -> Result<Saved, Self::Error> {
                (**self).save(key, expected, record)
            }

            fn remove(&self, key: &str) -> Result<(), Self::Error> {
                (**self).remove(key)
            }
        }
    )*};
}

through_a_reference!(&S, Box<S>, Arc<S>);

macro_rules! sent_through_a_reference {
    ($($pointer:ty $(: $bound:ident)?),*) => {$(
        impl<S: SendSessionStore $(+ $bound)?> SendSessionStore for $pointer {
            type Error = S::Error;

            fn load(
                &self,
                key: &str,
            ) -> impl Future<Output = Result<Option<SessionRecord>, Self::Error>> + Send {
                SendSessionStore::load(&**self, key)
            }

            fn save(
                &self,
                key: &str,
                expected: Option<&Revision>,
                record: &SessionRecord,
            ) -> impl Future<Output = Result<Saved, Self::Error>> + Send {
                SendSessionStore::save(&**self, key, expected, record)
            }

            fn remove(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send {
                SendSessionStore::remove(&**self, key)
            }
        }
    )*};
}

sent_through_a_reference!(&S, Arc<S>: Send, Box<S>);

impl<S: SendSessionStore> AsyncSessionStore for S {
    type Error = S::Error;

    fn load(&self, key: &str) -> impl Future<Output = Result<Option<SessionRecord>, Self::Error>> {
        SendSessionStore::load(self, key)
    }

    fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> impl Future<Output = Result<Saved, Self::Error>> {
        SendSessionStore::save(self, key, expected, record)
    }

    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> {
        SendSessionStore::remove(self, key)
    }
}
