//! How a grant is stored: the number of a form, and the form.
//!
//! Form 1 is binary: times and lengths as LEB128, counters in four bytes, texts behind their lengths.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

use grantry_core::{ClientId, CodeChallenge, Issuer, Scope, UnixTime};

use crate::claims_request::ClaimsRequest;
use crate::grant::{CodeOrigin, Grant, GrantId, Origin, Person, State, Subject, Terms};

/// The form that this release writes.
const FORM: u8 = 1;

/// Why stored bytes are not a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are damaged or were never a record.
    #[error("the stored bytes are not a grant")]
    Corrupt,
    /// The record has a form that a later release wrote.
    #[error("the stored grant has form {0}, which this release does not know")]
    Newer(u8),
}

impl Grant {
    /// Writes the record as the bytes that a store keeps: the number of the form, then the form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(256));
        writer.0.push(FORM);
        writer.grant(self);
        writer.0.shrink_to_fit();
        writer.0
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`RecordError::Newer`] for a form that this release does not know, [`RecordError::Corrupt`]
    /// for anything else that is not a record. A store passes both on and deletes nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&FORM, rest)) => {
                let mut reader = Reader(rest);
                let grant = reader.grant().filter(|_| reader.0.is_empty());
                grant.ok_or(RecordError::Corrupt)
            }
            Some((&form, _)) if form > FORM => Err(RecordError::Newer(form)),
            _ => Err(RecordError::Corrupt),
        }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn grant(&mut self, grant: &Grant) {
        self.terms(&grant.terms);
        self.time(grant.expires_at);
        self.time(grant.kept_until);
        self.state(grant.state);
    }

    fn terms(&mut self, terms: &Terms) {
        self.0.extend(terms.id.as_bytes());
        self.0.extend(terms.salt);
        self.text(terms.issuer.as_str());
        self.text(terms.client_id.as_str());
        self.text(terms.scope.as_str());
        self.texts(&terms.resources);
        self.time(terms.created_at);
        self.origin(&terms.origin);
        self.claims(terms.claims());
        self.optional(terms.person.as_ref(), Self::person);
    }

    fn origin(&mut self, origin: &Origin) {
        match origin {
            Origin::Code(code) => {
                self.0.push(0);
                self.text(&code.redirect_uri);
                self.0.push(u8::from(code.redirect_uri_named));
                self.text(code.code_challenge.as_str());
                self.optional(code.nonce.as_ref(), |writer, nonce| writer.text(nonce));
            }
            Origin::Pushed(parameters) => {
                self.0.push(1);
                self.text(parameters);
            }
            Origin::Device { client_name } => {
                self.0.push(2);
                self.text(client_name);
            }
            Origin::Implicit => self.0.push(3),
            Origin::Password => self.0.push(4),
            Origin::Client => self.0.push(5),
        }
    }

    /// As JSON: few grants have any.
    fn claims(&mut self, claims: &ClaimsRequest) {
        // Strings always serialise; a text cut short would be refused on reading.
        let json = (!claims.is_empty()).then(|| serde_json::to_string(claims).unwrap_or_default());
        self.optional(json.as_ref(), |writer, json| writer.text(json));
    }

    fn person(&mut self, person: &Person) {
        self.text(person.subject.as_str());
        self.time(person.authenticated_at);
        self.optional(person.acr.as_ref(), |writer, acr| writer.text(acr));
        self.texts(&person.amr);
        self.optional(person.sid.as_ref(), |writer, sid| writer.text(sid));
    }

    fn state(&mut self, state: State) {
        match state {
            State::Pushed => self.0.push(0),
            State::DevicePending { interval, polled_at } => {
                self.0.push(1);
                self.0.extend(interval.to_be_bytes());
                self.time(polled_at);
            }
            State::DeviceApproved => self.0.push(2),
            State::DeviceDenied => self.0.push(3),
            State::CodeIssued => self.0.push(4),
            State::Active { serial, since } => {
                self.0.push(5);
                // It grows with every rotation, and the record does not.
                self.0.extend(serial.to_be_bytes());
                self.time(since);
            }
            State::Revoked { since } => {
                self.0.push(6);
                self.time(since);
            }
        }
    }

    fn optional<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.length(texts.len());
        texts.iter().for_each(|text| self.text(text));
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or(u64::MAX));
    }

    fn time(&mut self, time: UnixTime) {
        self.number(time.as_secs());
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or_default());
    }
}

/// Reads what a [`Writer`] wrote; `None` for anything else. No length is trusted before the bytes are there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn grant(&mut self) -> Option<Grant> {
        Some(Grant {
            terms: Arc::new(self.terms()?),
            expires_at: self.time()?,
            kept_until: self.time()?,
            state: self.state()?,
        })
    }

    fn terms(&mut self) -> Option<Terms> {
        Some(Terms {
            id: GrantId::from_bytes(*self.bytes()?),
            salt: *self.bytes()?,
            // What a server was made with, for development too.
            issuer: Issuer::danger_loopback_http(self.text()?).ok()?,
            client_id: ClientId::parse(self.text()?).ok()?,
            scope: self.scope()?,
            resources: self.texts()?,
            created_at: self.time()?,
            origin: self.origin()?,
            claims: self.claims()?,
            person: self.optional(Self::person)?,
        })
    }

    fn origin(&mut self) -> Option<Origin> {
        match self.byte()? {
            0 => Some(Origin::Code(CodeOrigin {
                redirect_uri: self.text()?.into(),
                redirect_uri_named: self.flag()?,
                code_challenge: CodeChallenge::parse(self.text()?).ok()?,
                nonce: self.optional(Self::string)?,
            })),
            1 => Some(Origin::Pushed(self.text()?.into())),
            2 => Some(Origin::Device { client_name: self.text()?.into() }),
            3 => Some(Origin::Implicit),
            4 => Some(Origin::Password),
            5 => Some(Origin::Client),
            _ => None,
        }
    }

    fn claims(&mut self) -> Option<Option<Box<ClaimsRequest>>> {
        self.optional(|reader| serde_json::from_str(reader.text()?).ok().map(ClaimsRequest::boxed))
            .map(Option::flatten)
    }

    fn person(&mut self) -> Option<Person> {
        Some(Person {
            subject: Subject::parse(self.text()?).ok()?,
            authenticated_at: self.time()?,
            acr: self.optional(Self::string)?,
            amr: self.texts()?,
            sid: self.optional(Self::string)?,
        })
    }

    fn state(&mut self) -> Option<State> {
        match self.byte()? {
            0 => Some(State::Pushed),
            1 => Some(State::DevicePending { interval: self.fixed()?, polled_at: self.time()? }),
            2 => Some(State::DeviceApproved),
            3 => Some(State::DeviceDenied),
            4 => Some(State::CodeIssued),
            5 => Some(State::Active { serial: self.fixed()?, since: self.time()? }),
            6 => Some(State::Revoked { since: self.time()? }),
            _ => None,
        }
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    /// A set has one text.
    fn scope(&mut self) -> Option<Scope> {
        let text = self.text()?;
        Scope::parse(text).ok().filter(|scope| scope.as_str() == text)
    }

    fn texts(&mut self) -> Option<Vec<String>> {
        let count = self.number()?;
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.string()?);
        }
        Some(texts)
    }

    fn string(&mut self) -> Option<String> {
        self.text().map(String::from)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        core::str::from_utf8(text).ok()
    }

    fn time(&mut self) -> Option<UnixTime> {
        self.number().map(UnixTime::from_secs)
    }

    fn fixed(&mut self) -> Option<u32> {
        self.bytes().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has one bit; and no number has a needless last byte.
            if (shift == 63 && bits > 1) || (shift > 0 && byte == 0) {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn bytes<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(bytes)
    }
}
