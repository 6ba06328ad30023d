//! Strings of a payload, by their place in it.

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};

use crate::capture::Captured;

/// Where a string is: in the payload as it stands, or after its end among the copies.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline]
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    /// Returns where in the payload the very bytes of a text are.
    #[inline]
    pub(crate) fn of(text: &str, payload: &str) -> Option<Self> {
        let start = text.as_ptr().addr().checked_sub(payload.as_ptr().addr())?;
        let end = start.checked_add(text.len())?;
        if end <= payload.len() { Self::new(start, end) } else { None }
    }

    #[inline]
    fn bounds(self) -> Option<(usize, usize)> {
        Some((usize::try_from(self.start).ok()?, usize::try_from(self.end).ok()?))
    }
}

/// Where one string or an array of them is.
#[derive(Clone, Copy)]
pub(crate) enum Spans {
    One(Span),
    /// From the start of the first to the end of the last, with quotes between them and none within.
    Verbatim(Span),
    Copied,
}

/// Returns the strings of a piece of JSON that starts in the first and ends in the last of them.
pub(crate) fn unquoted(piece: &str) -> impl Iterator<Item = &str> {
    piece.split('"').step_by(2)
}

/// Returns the piece of the payload from the start of one text of it to the end of another.
pub(crate) fn joined<'p>(first: &str, last: &str, payload: &'p str) -> Option<&'p str> {
    let (start, _) = Span::of(first, payload)?.bounds()?;
    let (_, end) = Span::of(last, payload)?.bounds()?;
    payload.get(start..end)
}

/// Returns what of the payload follows a text of it.
pub(crate) fn after<'p>(text: &str, payload: &'p str) -> Option<&'p str> {
    let (_, end) = Span::of(text, payload)?.bounds()?;
    payload.get(end..)
}

/// The strings that are written with escapes, so that none of them stands in the payload.
#[derive(Clone, Default)]
pub(crate) struct Copies(Option<Box<Copied>>);

#[derive(Clone, Default)]
struct Copied {
    texts: String,
    array: Vec<String>,
}

impl Copies {
    #[inline]
    pub(crate) fn text<'a>(&'a self, span: Option<Span>, payload: &'a str) -> Option<&'a str> {
        let (start, end) = span?.bounds()?;
        payload.get(start..end).or_else(|| {
            let (start, end) = (start.checked_sub(payload.len())?, end.checked_sub(payload.len())?);
            self.0.as_ref()?.texts.get(start..end)
        })
    }

    pub(crate) fn texts<'a>(&'a self, spans: Spans, payload: &'a str) -> impl Iterator<Item = &'a str> {
        let (one, verbatim, copied): (_, _, &[_]) = match (spans, &self.0) {
            (Spans::One(span), _) => (self.text(Some(span), payload), None, &[]),
            (Spans::Verbatim(span), _) => (None, self.text(Some(span), payload), &[]),
            (Spans::Copied, Some(copied)) => (None, None, &copied.array),
            (Spans::Copied, None) => (None, None, &[]),
        };
        let verbatim = verbatim.into_iter().flat_map(unquoted);
        one.into_iter().chain(verbatim).chain(copied.iter().map(String::as_str))
    }

    /// Keeps a string; `None` for another value.
    #[inline]
    pub(crate) fn span(&mut self, value: &Captured<'_>, payload: &str) -> Option<Span> {
        match value {
            Captured::Text(Cow::Borrowed(text)) => Span::of(text, payload),
            Captured::Text(Cow::Owned(text)) => self.copy(text, payload),
            Captured::Verbatim(_) | Captured::Texts(_) | Captured::Number(_) | Captured::Other => None,
        }
    }

    /// Keeps one string or an array of strings; `None` for another value
    /// ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
    pub(crate) fn spans(&mut self, value: &Captured<'_>, payload: &str) -> Option<Spans> {
        match value {
            Captured::Text(_) => self.span(value, payload).map(Spans::One),
            Captured::Verbatim(texts) => Span::of(texts, payload).map(Spans::Verbatim),
            Captured::Texts(texts) => {
                let texts = texts.iter().map(|text| String::from(&**text));
                self.0.get_or_insert_default().array = texts.collect();
                Some(Spans::Copied)
            }
            Captured::Number(_) | Captured::Other => None,
        }
    }

    #[cold]
    fn copy(&mut self, text: &str, payload: &str) -> Option<Span> {
        let texts = &mut self.0.get_or_insert_default().texts;
        let start = payload.len().checked_add(texts.len())?;
        texts.push_str(text);
        Span::new(start, payload.len().checked_add(texts.len())?)
    }
}
