//! From WebSocket messages to whole texts: fragments put together, limits kept.

/// A message or a fragment of one, as the transport gives it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// A whole text, known to be UTF-8.
    Text(&'a str),
    /// A whole binary message.
    Binary,
    /// The first fragment of a text.
    FirstText(&'a [u8]),
    /// The first fragment of a binary message, of which only the size matters.
    FirstBinary(usize),
    /// A fragment in between.
    Middle(&'a [u8]),
    /// The last fragment.
    Last(&'a [u8]),
}

/// What comes out once a message is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// A text.
    Text(String),
    /// A binary message, which no frame is.
    Binary,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Fragments in an order that RFC 6455, section 5.4, rules out.
    Order,
    /// More bytes than the limit.
    TooBig,
    /// Text that is no UTF-8.
    NotText,
}

/// The message that is being put together.
#[derive(Debug, Default)]
pub(super) enum Assembly {
    #[default]
    Idle,
    Text(Vec<u8>),
    /// Of a binary message only its size matters.
    Binary(usize),
}

impl Assembly {
    /// Takes a part; gives the message once it is whole.
    pub(super) fn take(&mut self, part: Part<'_>, limit: usize) -> Result<Option<Whole>, Broken> {
        match (part, std::mem::take(self)) {
            (Part::Text(text), Self::Idle) if text.len() > limit => Err(Broken::TooBig),
            (Part::Text(text), Self::Idle) => Ok(Some(Whole::Text(text.to_owned()))),
            (Part::Binary, Self::Idle) => Ok(Some(Whole::Binary)),
            (Part::FirstText(bytes), Self::Idle) => self.grow_text(Vec::new(), bytes, limit).map(|()| None),
            (Part::FirstBinary(size), Self::Idle) => self.grow_binary(0, size, limit).map(|()| None),
            (Part::Middle(bytes), Self::Text(text)) => self.grow_text(text, bytes, limit).map(|()| None),
            (Part::Last(bytes), Self::Text(text)) => {
                self.grow_text(text, bytes, limit)?;
                match std::mem::take(self) {
                    Self::Text(text) => String::from_utf8(text)
                        .map(|text| Some(Whole::Text(text)))
                        .map_err(|_| Broken::NotText),
                    Self::Idle | Self::Binary(_) => Err(Broken::Order),
                }
            }
            (Part::Middle(bytes), Self::Binary(size)) => {
                self.grow_binary(size, bytes.len(), limit).map(|()| None)
            }
            (Part::Last(bytes), Self::Binary(size)) => {
                self.grow_binary(size, bytes.len(), limit)?;
                *self = Self::Idle;
                Ok(Some(Whole::Binary))
            }
            (Part::Middle(_) | Part::Last(_), Self::Idle)
            | (
                Part::Text(_) | Part::Binary | Part::FirstText(_) | Part::FirstBinary(_),
                Self::Text(_) | Self::Binary(_),
            ) => Err(Broken::Order),
        }
    }

    fn grow_binary(&mut self, size: usize, more: usize, limit: usize) -> Result<(), Broken> {
        let size = size.saturating_add(more);
        if size > limit {
            return Err(Broken::TooBig);
        }
        *self = Self::Binary(size);
        Ok(())
    }

    fn grow_text(&mut self, mut text: Vec<u8>, bytes: &[u8], limit: usize) -> Result<(), Broken> {
        if text.len().saturating_add(bytes.len()) > limit {
            return Err(Broken::TooBig);
        }
        text.extend_from_slice(bytes);
        *self = Self::Text(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(parts: &[Part<'_>]) -> Result<Option<Whole>, Broken> {
        let mut assembly = Assembly::default();
        let mut last = Ok(None);
        for part in parts {
            last = assembly.take(*part, 10);
            if last.is_err() {
                break;
            }
        }
        last
    }

    #[test]
    fn fragments_make_the_text_that_they_were_cut_from() {
        let euro = "€".as_bytes();
        let parts = [Part::FirstText(&euro[..1]), Part::Middle(&euro[1..2]), Part::Last(&euro[2..])];
        assert_eq!(feed(&parts), Ok(Some(Whole::Text("€".into()))));
        assert_eq!(feed(&[Part::FirstText(b""), Part::Last(b"")]), Ok(Some(Whole::Text(String::new()))));
    }

    #[test]
    fn the_limit_is_on_the_whole_message() {
        assert_eq!(feed(&[Part::Text("12345678901")]), Err(Broken::TooBig));
        assert_eq!(feed(&[Part::FirstText(b"123456"), Part::Middle(b"78901")]), Err(Broken::TooBig));
        assert_eq!(feed(&[Part::FirstBinary(5), Part::Middle(&[0; 6])]), Err(Broken::TooBig));
        assert_eq!(feed(&[Part::FirstBinary(11)]), Err(Broken::TooBig));
        assert_eq!(feed(&[Part::FirstBinary(5), Part::Last(&[0; 6])]), Err(Broken::TooBig));
        assert!(feed(&[Part::FirstText(b"12345"), Part::Last(b"67890")]).is_ok());
    }

    #[test]
    fn fragments_out_of_order_break_the_connection() {
        assert_eq!(feed(&[Part::Last(b"")]), Err(Broken::Order));
        assert_eq!(feed(&[Part::Middle(b"")]), Err(Broken::Order));
        assert_eq!(feed(&[Part::FirstText(b""), Part::FirstText(b"")]), Err(Broken::Order));
        assert_eq!(feed(&[Part::FirstText(b""), Part::Text("")]), Err(Broken::Order));
    }

    #[test]
    fn fragments_that_are_no_text_are_told() {
        assert_eq!(feed(&[Part::FirstText(&[0xff]), Part::Last(&[0xfe])]), Err(Broken::NotText));
        assert_eq!(feed(&[Part::FirstBinary(0), Part::Last(&[0xff])]), Ok(Some(Whole::Binary)));
    }
}
