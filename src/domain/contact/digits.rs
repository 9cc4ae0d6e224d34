//! Digits of all scripts as those of ASCII, so that a number is found however it is typed.

/// The zeros of the scripts of Unicode that people type (general category Nd); nine more digits follow each.
const ZEROS: [u32; 33] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1B50, 0x1C40, 0xA8D0, 0xA9D0,
    0xABF0, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
];

/// A text with digits of ASCII alone, and where its parts come from.
pub(super) struct Plain {
    pub(super) text: String,
    /// For each byte, and the end, the place in the text that it stands for.
    origins: Vec<usize>,
}

impl Plain {
    pub(super) fn of(text: &str) -> Self {
        let mut plain = Self { text: String::with_capacity(text.len()), origins: Vec::new() };
        for (at, char) in text.char_indices().filter(|(_, char)| !is_invisible(*char)) {
            plain.text.push(digit(char).unwrap_or(char));
            plain.origins.resize(plain.text.len(), at);
        }
        plain.origins.push(text.len());
        plain
    }

    /// The place in the text that this one stands for.
    pub(super) fn origin(&self, at: usize) -> usize {
        self.origins.get(at).or(self.origins.last()).copied().unwrap_or_default()
    }
}

/// What joins others or turns their direction without being seen, and the frame of a keycap.
const fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fe0f}'
            | '\u{20e3}'
    )
}

fn digit(char: char) -> Option<char> {
    if char.is_ascii() {
        return None;
    }
    let mut values = ZEROS.iter().filter_map(|zero| u32::from(char).checked_sub(*zero));
    values.find(|value| *value < 10).and_then(|value| char::from_digit(value, 10))
}
