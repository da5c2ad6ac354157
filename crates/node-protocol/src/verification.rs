//! When workers verify machine code: an installation says so in a file, other hosts by options.

use std::fmt;
use std::str::FromStr;

/// When our workers verify machine code, that is, check that it stays within its memory, its stack and its control flow.
///
/// Its text is that of the file [`VERIFY_FILE`](crate::VERIFY_FILE): words, separated by white space.
///
/// ```
/// use pvf_node_protocol::Verification;
///
/// let verification: Verification = "at-load".parse().unwrap();
/// assert!(verification.when_preparing && verification.at_load);
/// assert_eq!(verification.to_string(), "at-load");
/// assert_eq!("".parse(), Ok(Verification::default()));
/// assert!("at-lode".parse::<Verification>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// A prepare worker verifies what it compiled, against the module. What is refused is a failure of the worker.
    pub when_preparing: bool,
    /// An execute worker verifies an artifact when it first loads it, without the module. What is refused is a
    /// corrupted artifact, which a node prepares again.
    pub at_load: bool,
}

impl Default for Verification {
    /// When preparing, and not at load.
    fn default() -> Self {
        Self {
            when_preparing: true,
            at_load: false,
        }
    }
}

const AT_LOAD: &str = "at-load";
const NOT_WHEN_PREPARING: &str = "not-when-preparing";

/// The options of a worker's command line for the two words. No node uses them.
const VERIFY_AT_LOAD: &str = "--verify-at-load";
const NO_VERIFY: &str = "--no-verify";

impl Verification {
    /// The options that make a worker verify so.
    pub fn options(self) -> impl Iterator<Item = &'static str> {
        let options = [
            (!self.when_preparing).then_some(NO_VERIFY),
            self.at_load.then_some(VERIFY_AT_LOAD),
        ];
        options.into_iter().flatten()
    }

    /// Takes an option of a worker's command line. Returns whether it is one of [`Self::options`].
    pub fn take_option(&mut self, option: &str) -> bool {
        match option {
            VERIFY_AT_LOAD => self.at_load = true,
            NO_VERIFY => self.when_preparing = false,
            _ => return false,
        }
        true
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (!self.when_preparing).then_some(NOT_WHEN_PREPARING),
            self.at_load.then_some(AT_LOAD),
        ];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        f.write_str(&words.join(" "))
    }
}

/// A word that does not say when to verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither `{at}` nor `{not}`", at = AT_LOAD, not = NOT_WHEN_PREPARING)]
pub struct UnknownWord(pub String);

impl FromStr for Verification {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let mut verification = Self::default();
        for word in text.split_whitespace() {
            match word {
                AT_LOAD => verification.at_load = true,
                NOT_WHEN_PREPARING => verification.when_preparing = false,
                _ => return Err(UnknownWord(word.to_owned())),
            }
        }
        Ok(verification)
    }
}
