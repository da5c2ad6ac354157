//! What a program aims at: the kinds of code in which faults of compilers have been found.

use crate::random::Random;

/// A kind of code that a body has more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Loops that copy, fill or compare memory, and loops that nearly do.
    Idiom,
    /// Division by constants of every shape.
    Division,
    /// Accesses at the end of the memory, the address split among operands and offset.
    Edge,
    /// Long stretches that do nothing or are not reached.
    Stretch,
    /// Labels that many locals are alive at, in another place on each way there.
    Label,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Idiom,
        Self::Division,
        Self::Edge,
        Self::Stretch,
        Self::Label,
    ];
}

/// The kinds that a program aims at, and the numbers that follow from them.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    /// The kinds; none in a program that aims at nothing.
    pub kinds: Vec<Kind>,
    /// The numbers of locals that functions may have.
    pub locals: &'static [u64],
    /// The most functions.
    pub functions: u64,
}

impl Aim {
    /// A program that aims at nothing in particular.
    pub fn nothing() -> Self {
        Self {
            kinds: Vec::new(),
            locals: &[0, 3, 8, 25, 60],
            functions: 9,
        }
    }

    /// Some kinds, or all of them: programs that differ from each other find more than programs that have everything.
    pub fn draw(random: &mut Random) -> Self {
        let every = random.one_in(4);
        let mut kinds: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|_| every || random.one_in(2))
            .collect();
        if kinds.is_empty() {
            kinds.push(*random.pick(&Kind::ALL));
        }
        let labels = kinds.contains(&Kind::Label);
        Self {
            kinds,
            locals: match labels {
                true => &[8, 25, 60, 150, 300],
                false => &[0, 3, 8, 25],
            },
            // Many functions make many chunks.
            functions: *random.pick(&[3, 9, 40]),
        }
    }
}
