//! A module as a tree of its bytes. Every length, count, index and opcode is a node that can be
//! changed alone, or so that the enclosing lengths and counts follow.

pub mod encode;
pub mod leb;
pub mod parse;

/// The meaning of a node, for reports: "type count", "label", ...
pub type What = &'static str;

/// How the number before a [`Node::Sized`] or [`Node::Counted`] is encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// The correct number in the minimal encoding.
    #[default]
    Right,
    /// The correct number, padded to this many bytes.
    Padded(usize),
    /// The correct number plus this difference.
    Off(i64),
    /// Arbitrary bytes.
    Bytes(Vec<u8>),
}

/// How the bytes of a leaf are interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An unsigned 32-bit number in LEB128.
    Unsigned,
    /// A signed number of at most 32 bits in LEB128.
    Signed32,
    /// A signed 64-bit number in LEB128.
    Signed64,
    /// One byte.
    Byte,
    /// Arbitrary bytes.
    Raw,
}

/// A part of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Bytes without parts.
    Leaf {
        /// The meaning of the bytes.
        what: What,
        /// How the bytes are interpreted.
        form: Form,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Parts preceded by their length in bytes.
    Sized {
        /// The meaning of the length.
        what: What,
        /// How the length is encoded.
        prefix: Prefix,
        /// The parts.
        inside: Vec<Node>,
    },
    /// Parts preceded by their number.
    Counted {
        /// The meaning of the number.
        what: What,
        /// How the number is encoded.
        prefix: Prefix,
        /// The parts.
        items: Vec<Node>,
    },
    /// Parts that form a unit: a section, an entry, an instruction.
    Group {
        /// The kind of unit.
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

    /// Parts preceded by their length.
    pub fn sized(what: What, inside: Vec<Node>) -> Self {
        let prefix = Prefix::Right;
        Self::Sized {
            what,
            prefix,
            inside,
        }
    }

    /// Parts preceded by their number.
    pub fn counted(what: What, items: Vec<Node>) -> Self {
        let prefix = Prefix::Right;
        Self::Counted {
            what,
            prefix,
            items,
        }
    }

    /// Parts that form a unit.
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

    /// The meaning of the node.
    pub fn what(&self) -> What {
        match self {
            Self::Leaf { what, .. }
            | Self::Sized { what, .. }
            | Self::Counted { what, .. }
            | Self::Group { what, .. } => what,
        }
    }

    /// The parts of the node.
    pub fn parts(&self) -> &[Node] {
        match self {
            Self::Leaf { .. } => &[],
            Self::Sized { inside: parts, .. }
            | Self::Counted { items: parts, .. }
            | Self::Group { parts, .. } => parts,
        }
    }

    /// The parts of the node, mutable; `None` for a leaf.
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
    /// Magic number, version and sections.
    pub root: Node,
}

/// The sizes of the index spaces, as far as the tree shows them.
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

    /// The top-level parts, mutable: magic number, version, sections and other bytes.
    pub fn parts_mut(&mut self) -> &mut Vec<Node> {
        match &mut self.root {
            Node::Group { parts, .. } => parts,
            // `parse` and `sketch` make only groups as roots.
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
