//! The mutants as cargo-mutants lists them.

use serde::Deserialize;

/// A mutant.
#[derive(Debug, Deserialize)]
pub struct Mutant {
    /// Its file, from the repository's root.
    pub file: String,
    /// What kind of change it is.
    pub genre: Genre,
    /// What the code is replaced with; empty if it is deleted.
    pub replacement: String,
    /// The code that is replaced.
    pub span: Span,
}

/// What kind of change a mutant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Genre {
    /// A function returns this at once.
    FnValue,
    /// Another operator.
    BinaryOperator,
    /// An operator is left out.
    UnaryOperator,
    /// An arm of a `match` is left out.
    MatchArm,
    /// The guard of an arm is `true` or `false`.
    MatchArmGuard,
    /// A field of a struct literal is taken from the base.
    StructField,
}

/// Where the code is that is replaced.
#[derive(Debug, Deserialize)]
pub struct Span {
    /// Its first character.
    pub start: Position,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}
