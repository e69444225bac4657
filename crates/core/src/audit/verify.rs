//! How answers are checked, and what came of it.

use std::fmt;
use std::str::FromStr;

/// How answers are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verify {
    /// Not at all.
    #[default]
    Off,
    /// The answer is given as soon as it is there; shards that come later are
    /// held against it afterwards.
    Detect,
    /// The answer is held back until all shards of every stage were held against
    /// each other. It waits for stragglers.
    Correct,
}

/// The words of [`Verify`].
const WORDS: [(&str, Verify); 3] =
    [("off", Verify::Off), ("detect", Verify::Detect), ("correct", Verify::Correct)];

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find(|(_, verify)| verify == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

impl FromStr for Verify {
    type Err = String;

    fn from_str(text: &str) -> Result<Verify, String> {
        let found = WORDS.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, verify)| *verify)
            .ok_or_else(|| format!("\"{text}\" is none of off, detect and correct"))
    }
}

/// Was an answer checked?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verified {
    /// Nobody asked for that.
    #[default]
    Off,
    /// All stages with shards to spare fit together.
    Yes,
    /// Some could not be checked: too few shards came, or in time.
    No,
    /// It is being checked still.
    Pending,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verified::Off => "off",
            Verified::Yes => "yes",
            Verified::No => "no",
            Verified::Pending => "pending",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for (word, verify) in WORDS {
            assert_eq!((word.parse(), verify.to_string().as_str()), (Ok(verify), word));
        }
        let error = "maybe".parse::<Verify>().unwrap_err();
        assert_eq!(error, "\"maybe\" is none of off, detect and correct");
    }
}
