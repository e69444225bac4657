//! Words in a picture: how wide they are, and where their lines break.
//!
//! The font is whichever the reader has, so widths are estimates for a common
//! sans-serif font, rather too wide than too narrow.

/// Estimated width of `text` in letters of the size `em`.
pub(super) fn width(text: &str, em: i32) -> i32 {
    let share = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
        c if c.is_ascii_uppercase() => 0.74,
        c if c.is_ascii() => 0.6,
        _ => 0.8,
    };
    (text.chars().map(share).sum::<f64>() * f64::from(em)).ceil() as i32
}

/// The lines of `text` where none is to be wider than `most`; a word that is
/// wider has a line of its own.
pub(super) fn wrap(text: &str, em: i32, most: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), em) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let text = "devices that each layer is split over";
        for most in [1, 100, 200, 10_000] {
            let lines = wrap(text, 20, most);
            assert_eq!(lines.join(" "), text);
            assert!(lines.iter().all(|line| width(line, 20) <= most || !line.contains(' ')));
        }
        assert_eq!(wrap(text, 20, 10_000).len(), 1);
        assert!(wrap("  ", 20, 100).is_empty());
    }
}
