//! Parses bytes to a tree. Bytes that are not understood stay unchanged in a leaf. No input is
//! refused, and encoding the tree gives the same bytes.

use super::{Form, Module, Node, Prefix, What, leb};

/// Parses a module.
pub fn parse(bytes: &[u8]) -> Module {
    let mut reader = Reader { rest: bytes };
    let mut parts = Vec::new();
    for (what, length) in [("magic number", 4), ("version", 4)] {
        let taken = reader.take(length.min(reader.rest.len())).unwrap_or(&[]);
        parts.push(Node::leaf(what, Form::Raw, taken));
    }
    while let Some((section, after)) = section(reader.rest) {
        parts.push(section);
        reader.rest = after;
    }
    if !reader.rest.is_empty() {
        parts.push(Node::leaf("trailing bytes", Form::Raw, reader.rest));
    }
    Module {
        root: Node::group("module", parts),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// Reads the bytes of a LEB128 number.
    fn number(&mut self) -> Option<&'a [u8]> {
        let length = self
            .rest
            .iter()
            .take(10)
            .position(|byte| byte & 0x80 == 0)?;
        self.take(length + 1)
    }

    fn leaf(&mut self, what: What, form: Form) -> Option<Node> {
        let bytes = match form {
            Form::Byte => self.take(1)?,
            _ => self.number()?,
        };
        Some(Node::leaf(what, form, bytes))
    }

    /// Reads a length or count, and how it is encoded.
    fn prefix(&mut self) -> Option<(usize, Prefix)> {
        let bytes = self.number()?;
        let value = leb::read_unsigned(bytes)?;
        let prefix = match bytes.len() > leb::unsigned(value).len() {
            true => Prefix::Padded(bytes.len()),
            false => Prefix::Right,
        };
        Some((usize::try_from(value).ok()?, prefix))
    }

    fn counted(
        &mut self,
        what: What,
        mut item: impl FnMut(&mut Self) -> Option<Node>,
    ) -> Option<Node> {
        let (count, prefix) = self.prefix()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(Node::Counted {
            what,
            prefix,
            items,
        })
    }

    fn sized(
        &mut self,
        what: What,
        inside: impl FnOnce(&mut Self) -> Option<Vec<Node>>,
    ) -> Option<Node> {
        let (length, prefix) = self.prefix()?;
        let bytes = self.take(length)?;
        let mut reader = Reader { rest: bytes };
        let inside = match inside(&mut reader) {
            Some(mut parts) => {
                if !reader.rest.is_empty() {
                    parts.push(Node::leaf("rest", Form::Raw, reader.rest));
                }
                parts
            }
            None => vec![Node::leaf("not understood", Form::Raw, bytes)],
        };
        Some(Node::Sized {
            what,
            prefix,
            inside,
        })
    }

    fn name(&mut self, what: What) -> Option<Node> {
        self.sized(what, |inside| {
            let all = inside.take(inside.rest.len())?;
            Some(vec![Node::leaf(what, Form::Raw, all)])
        })
    }

    fn limits(&mut self, what: What) -> Option<Node> {
        let flags = self.leaf("limits flags", Form::Byte)?;
        let has_maximum = matches!(&flags, Node::Leaf { bytes, .. } if bytes[0] & 1 == 1);
        let mut parts = vec![flags, self.leaf("minimum", Form::Unsigned)?];
        if has_maximum {
            parts.push(self.leaf("maximum", Form::Unsigned)?);
        }
        Some(Node::group(what, parts))
    }

    fn table(&mut self) -> Option<Node> {
        let kind = self.leaf("table element type", Form::Byte)?;
        Some(Node::group(
            "table",
            vec![kind, self.limits("table limits")?],
        ))
    }

    fn global_type(&mut self) -> Option<Node> {
        let value = self.leaf("value type", Form::Byte)?;
        let mutable = self.leaf("mutability", Form::Byte)?;
        Some(Node::group("global type", vec![value, mutable]))
    }

    fn import(&mut self) -> Option<Node> {
        let module = self.name("import module")?;
        let name = self.name("import name")?;
        let kind = self.leaf("import kind", Form::Byte)?;
        let kind_byte = match &kind {
            Node::Leaf { bytes, .. } => bytes[0],
            _ => return None,
        };
        let what = match kind_byte {
            0 => self.leaf("type index", Form::Unsigned)?,
            1 => self.table()?,
            2 => self.limits("memory limits")?,
            3 => self.global_type()?,
            _ => return None,
        };
        Some(Node::group("import", vec![module, name, kind, what]))
    }

    fn export(&mut self) -> Option<Node> {
        let name = self.name("export name")?;
        let kind = self.leaf("export kind", Form::Byte)?;
        let index = self.leaf("export index", Form::Unsigned)?;
        Some(Node::group("export", vec![name, kind, index]))
    }

    fn function_type(&mut self) -> Option<Node> {
        let form = self.leaf("type form", Form::Byte)?;
        let value = |reader: &mut Self| reader.leaf("value type", Form::Byte);
        let parameters = self.counted("parameter count", value)?;
        let results = self.counted("result count", value)?;
        Some(Node::group("type", vec![form, parameters, results]))
    }

    fn constant(&mut self) -> Option<Node> {
        let mut parts = Vec::new();
        loop {
            let instruction = self.instruction()?;
            let is_end = is_end(&instruction);
            parts.push(instruction);
            if is_end {
                return Some(Node::group("constant expression", parts));
            }
        }
    }

    fn global(&mut self) -> Option<Node> {
        let parts = vec![self.global_type()?, self.constant()?];
        Some(Node::group("global", parts))
    }

    fn element(&mut self) -> Option<Node> {
        let index = self.leaf("element segment index", Form::Unsigned)?;
        let offset = self.constant()?;
        let members = self.counted("element count", |reader| {
            reader.leaf("element function index", Form::Unsigned)
        })?;
        Some(Node::group("element segment", vec![index, offset, members]))
    }

    fn data(&mut self) -> Option<Node> {
        let index = self.leaf("data segment index", Form::Unsigned)?;
        let offset = self.constant()?;
        let bytes = self.name("data size")?;
        Some(Node::group("data segment", vec![index, offset, bytes]))
    }

    fn body(&mut self) -> Option<Node> {
        let body = self.sized("body size", |inside| {
            let locals = inside.counted("local group count", |reader| {
                let count = reader.leaf("local count", Form::Unsigned)?;
                let value = reader.leaf("value type", Form::Byte)?;
                Some(Node::group("locals", vec![count, value]))
            })?;
            let mut parts = vec![locals];
            while !inside.rest.is_empty() {
                let before = inside.rest;
                match inside.instruction() {
                    Some(instruction) => parts.push(instruction),
                    None => {
                        inside.rest = before;
                        break;
                    }
                }
            }
            Some(parts)
        })?;
        Some(Node::group("body", vec![body]))
    }

    fn instruction(&mut self) -> Option<Node> {
        let opcode = self.leaf("opcode", Form::Byte)?;
        let byte = match &opcode {
            Node::Leaf { bytes, .. } => bytes[0],
            _ => return None,
        };
        let mut parts = vec![opcode];
        match byte {
            0x02..=0x04 => parts.push(self.leaf("block type", Form::Signed32)?),
            0x0c | 0x0d => parts.push(self.leaf("label", Form::Unsigned)?),
            0x0e => {
                parts.push(
                    self.counted("label count", |reader| reader.leaf("label", Form::Unsigned))?,
                );
                parts.push(self.leaf("label", Form::Unsigned)?);
            }
            0x10 => parts.push(self.leaf("function index", Form::Unsigned)?),
            0x11 => {
                parts.push(self.leaf("type index", Form::Unsigned)?);
                parts.push(self.leaf("reserved byte", Form::Byte)?);
            }
            0x20..=0x22 => parts.push(self.leaf("local index", Form::Unsigned)?),
            0x23 | 0x24 => parts.push(self.leaf("global index", Form::Unsigned)?),
            0x28..=0x3e => {
                parts.push(self.leaf("alignment", Form::Unsigned)?);
                parts.push(self.leaf("offset", Form::Unsigned)?);
            }
            0x3f | 0x40 => parts.push(self.leaf("reserved byte", Form::Byte)?),
            0x41 => parts.push(self.leaf("i32", Form::Signed32)?),
            0x42 => parts.push(self.leaf("i64", Form::Signed64)?),
            0x43 => parts.push(Node::leaf("f32", Form::Raw, self.take(4)?)),
            0x44 => parts.push(Node::leaf("f64", Form::Raw, self.take(8)?)),
            0x00 | 0x01 | 0x05 | 0x0b | 0x0f | 0x1a | 0x1b | 0x45..=0xbf => {}
            _ => return None,
        }
        Some(Node::group("instruction", parts))
    }
}

fn is_end(instruction: &Node) -> bool {
    matches!(instruction.parts().first(), Some(Node::Leaf { bytes, .. }) if bytes[..] == [0x0b])
}

fn section(bytes: &[u8]) -> Option<(Node, &[u8])> {
    let mut reader = Reader { rest: bytes };
    let id = reader.take(1)?[0];
    let content = reader.sized("section size", |inside| {
        let entries = match id {
            0 => {
                let name = inside.name("custom section name")?;
                let content = inside.take(inside.rest.len())?;
                let content = Node::leaf("custom section content", Form::Raw, content);
                return Some(vec![name, content]);
            }
            1 => inside.counted("type count", Reader::function_type)?,
            2 => inside.counted("import count", Reader::import)?,
            3 => inside.counted("function count", |reader| {
                reader.leaf("type index", Form::Unsigned)
            })?,
            4 => inside.counted("table count", Reader::table)?,
            5 => inside.counted("memory count", |reader| reader.limits("memory limits"))?,
            6 => inside.counted("global count", Reader::global)?,
            7 => inside.counted("export count", Reader::export)?,
            8 => inside.leaf("start function index", Form::Unsigned)?,
            9 => inside.counted("element segment count", Reader::element)?,
            10 => inside.counted("body count", Reader::body)?,
            11 => inside.counted("data segment count", Reader::data)?,
            12 => inside.leaf("data count", Form::Unsigned)?,
            _ => return None,
        };
        Some(vec![entries])
    })?;
    let section = Node::group("section", vec![Node::byte("section id", id), content]);
    Some((section, reader.rest))
}

/// Parses instructions that are to be inserted into bodies.
pub fn instructions(bytes: &[u8]) -> Vec<Node> {
    let mut reader = Reader { rest: bytes };
    let mut parts = Vec::new();
    while !reader.rest.is_empty() {
        let before = reader.rest;
        match reader.instruction() {
            Some(instruction) => parts.push(instruction),
            None => {
                let rest = Node::leaf("opcode beyond", Form::Raw, before);
                parts.push(Node::group("instruction", vec![rest]));
                break;
            }
        }
    }
    parts
}
