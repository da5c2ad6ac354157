//! A module as a tree of its bytes: every length, count, index and opcode is a node of its own that can be changed without the
//! others, or with the lengths and counts around it following.

pub mod encode;
pub mod leb;
pub mod parse;

/// What a node stands for, for a report: "type count", "label", ...
pub type What = &'static str;

/// How the number in front of a [`Node::Sized`] or [`Node::Counted`] is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// As it is, in the fewest bytes.
    #[default]
    Right,
    /// As it is, in so many bytes.
    Padded(usize),
    /// Off by so many.
    Off(i64),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// How a leaf's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An unsigned number of 32 bits, LEB128.
    Unsigned,
    /// A signed number of 32 bits or fewer, LEB128.
    Signed32,
    /// A signed number of 64 bits, LEB128.
    Signed64,
    /// One byte.
    Byte,
    /// Any bytes.
    Raw,
}

/// A part of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Bytes without parts.
    Leaf {
        /// What they stand for.
        what: What,
        /// How they are read.
        form: Form,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Parts behind their length in bytes.
    Sized {
        /// What the length stands for.
        what: What,
        /// How it is written.
        prefix: Prefix,
        /// The parts.
        inside: Vec<Node>,
    },
    /// Parts behind their number.
    Counted {
        /// What the number stands for.
        what: What,
        /// How it is written.
        prefix: Prefix,
        /// The parts.
        items: Vec<Node>,
    },
    /// Parts that belong together: a section, an entry, an instruction.
    Group {
        /// What they are.
        what: What,
        /// The parts.
        parts: Vec<Node>,
    },
}

impl Node {
    /// A leaf.
    pub fn leaf(what: What, form: Form, bytes: impl Into<Vec<u8>>) -> Self {
        Self::Leaf {
            what,
            form,
            bytes: bytes.into(),
        }
    }

    /// A byte.
    pub fn byte(what: What, byte: u8) -> Self {
        Self::leaf(what, Form::Byte, [byte])
    }

    /// An unsigned number.
    pub fn unsigned(what: What, value: u32) -> Self {
        Self::leaf(what, Form::Unsigned, leb::unsigned(u64::from(value)))
    }

    /// Parts behind their length.
    pub fn sized(what: What, inside: Vec<Node>) -> Self {
        let prefix = Prefix::Right;
        Self::Sized {
            what,
            prefix,
            inside,
        }
    }

    /// Parts behind their number.
    pub fn counted(what: What, items: Vec<Node>) -> Self {
        let prefix = Prefix::Right;
        Self::Counted {
            what,
            prefix,
            items,
        }
    }

    /// Parts that belong together.
    pub fn group(what: What, parts: Vec<Node>) -> Self {
        Self::Group { what, parts }
    }

    /// A section.
    pub fn section(id: u8, inside: Vec<Node>) -> Self {
        let inside = Self::sized("section size", inside);
        Self::group("section", vec![Self::byte("section id", id), inside])
    }

    /// A name.
    pub fn name(what: What, bytes: impl Into<Vec<u8>>) -> Self {
        Self::sized(what, vec![Self::leaf(what, Form::Raw, bytes)])
    }

    /// What it stands for.
    pub fn what(&self) -> What {
        match self {
            Self::Leaf { what, .. }
            | Self::Sized { what, .. }
            | Self::Counted { what, .. }
            | Self::Group { what, .. } => what,
        }
    }

    /// Its parts.
    pub fn parts(&self) -> &[Node] {
        match self {
            Self::Leaf { .. } => &[],
            Self::Sized { inside: parts, .. }
            | Self::Counted { items: parts, .. }
            | Self::Group { parts, .. } => parts,
        }
    }

    /// Its parts, to be changed.
    pub fn parts_mut(&mut self) -> Option<&mut Vec<Node>> {
        match self {
            Self::Leaf { .. } => None,
            Self::Sized { inside: parts, .. }
            | Self::Counted { items: parts, .. }
            | Self::Group { parts, .. } => Some(parts),
        }
    }
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Everything: magic number, version, sections.
    pub root: Node,
}

/// How many of each there are, as far as can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spaces {
    /// Types.
    pub types: u32,
    /// Functions, imported ones included.
    pub functions: u32,
    /// Globals, imported ones included.
    pub globals: u32,
    /// Imported globals.
    pub imported_globals: u32,
    /// Tables, imported ones included.
    pub tables: u32,
    /// Memories, imported ones included.
    pub memories: u32,
}

impl Module {
    /// The sections.
    pub fn sections(&self) -> impl Iterator<Item = &Node> {
        let all = self.root.parts().iter();
        all.filter(|node| node.what() == "section")
    }

    /// The sections and what is between them, to be changed.
    pub fn parts_mut(&mut self) -> &mut Vec<Node> {
        match &mut self.root {
            Node::Group { parts, .. } => parts,
            // There is no other root.
            other => unreachable!("{other:?} as a root"),
        }
    }

    /// The sizes of the index spaces.
    pub fn spaces(&self) -> Spaces {
        let mut spaces = Spaces::default();
        for section in self.sections() {
            let [Node::Leaf { bytes, .. }, Node::Sized { inside, .. }] = section.parts() else {
                continue;
            };
            let Some(Node::Counted { items, .. }) = inside.first() else {
                continue;
            };
            let count = items.len() as u32;
            match bytes[..] {
                [1] => spaces.types += count,
                [2] => {
                    for import in items {
                        let kind = import.parts().iter();
                        let mut kind = kind.filter(|part| part.what() == "import kind");
                        match kind.next() {
                            Some(Node::Leaf { bytes, .. }) if bytes[..] == [0] => {
                                spaces.functions += 1;
                            }
                            Some(Node::Leaf { bytes, .. }) if bytes[..] == [1] => {
                                spaces.tables += 1;
                            }
                            Some(Node::Leaf { bytes, .. }) if bytes[..] == [2] => {
                                spaces.memories += 1;
                            }
                            Some(Node::Leaf { bytes, .. }) if bytes[..] == [3] => {
                                spaces.globals += 1;
                                spaces.imported_globals += 1;
                            }
                            _ => {}
                        }
                    }
                }
                [3] => spaces.functions += count,
                [4] => spaces.tables += count,
                [5] => spaces.memories += count,
                [6] => spaces.globals += count,
                _ => {}
            }
        }
        spaces
    }
}
