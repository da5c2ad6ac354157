//! Memory operands: a base register and what is added to it, in the fields of
//! the instruction already.

use super::{Extend, Gpr};

/// How many bytes a load or store moves; the number is their logarithm.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Access {
    /// One byte.
    B1 = 0,
    /// Two bytes.
    B2 = 1,
    /// Four bytes.
    B4 = 2,
    /// Eight bytes.
    B8 = 3,
    /// Sixteen bytes.
    B16 = 4,
}

impl Access {
    /// All five, narrowest first.
    pub const ALL: [Self; 5] = [Self::B1, Self::B2, Self::B4, Self::B8, Self::B16];

    /// The width in bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }
}

/// A memory operand of a load or store of one register. It is made for accesses
/// of one width, and only these take it (`debug_assert`ed).
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub struct Mem {
    /// The address's fields, the base's number among them.
    fields: u32,
    access: Access,
}

/// Whether `value` survives in nine bits with a sign.
#[inline(always)]
const fn fits_i9(value: i64) -> bool {
    value >= -256 && value <= 255
}

#[inline(always)]
const fn imm9(value: i64) -> u32 {
    (value as u32 & 0x1FF) << 12
}

impl Mem {
    /// `[base]`. The base can be `SP`.
    #[inline(always)]
    pub const fn base(base: Gpr, access: Access) -> Self {
        Self {
            fields: 1 << 24 | base.or_sp() << 5,
            access,
        }
    }

    /// `[base + offset]`, if one of the two immediate forms fits: a multiple of
    /// the access's width from 0 to 4095 widths, or -256 to 255. The base can
    /// be `SP`.
    #[inline]
    pub const fn offset(base: Gpr, offset: i64, access: Access) -> Option<Self> {
        let scaled = (offset as u64) >> access as u32;
        let fields = if scaled < 1 << 12 && scaled << access as u32 == offset as u64 {
            1 << 24 | (scaled as u32) << 10
        } else if fits_i9(offset) {
            imm9(offset)
        } else {
            return None;
        };
        Some(Self {
            fields: fields | base.or_sp() << 5,
            access,
        })
    }

    /// `[base + index]`, the index extended by `Uxtw`, `Uxtx`, `Sxtw` or
    /// `Sxtx`, and, if `scaled`, multiplied by the access's width. The base can
    /// be `SP`.
    #[inline(always)]
    pub const fn index(
        base: Gpr,
        index: Gpr,
        extend: Extend,
        scaled: bool,
        access: Access,
    ) -> Self {
        debug_assert!(
            extend as u8 & 2 != 0,
            "an index is extended from 32 bits at least"
        );
        // To multiply by one is to leave it.
        let scaled = scaled && !matches!(access, Access::B1);
        Self {
            fields: 1 << 21
                | index.or_zr() << 16
                | extend.bits()
                | (scaled as u32) << 12
                | 2 << 10
                | base.or_sp() << 5,
            access,
        }
    }

    /// `[base + offset]!`: adds to the base before the access, if the offset is
    /// within -256 to 255. The base can be `SP`, and must not be the register
    /// loaded or stored.
    #[inline]
    pub const fn pre(base: Gpr, offset: i64, access: Access) -> Option<Self> {
        if !fits_i9(offset) {
            return None;
        }
        Some(Self {
            fields: imm9(offset) | 3 << 10 | base.or_sp() << 5,
            access,
        })
    }

    /// `[base], offset`: adds to the base after the access; as
    /// [`pre`](Self::pre).
    #[inline]
    pub const fn post(base: Gpr, offset: i64, access: Access) -> Option<Self> {
        if !fits_i9(offset) {
            return None;
        }
        Some(Self {
            fields: imm9(offset) | 1 << 10 | base.or_sp() << 5,
            access,
        })
    }

    /// The width of the accesses it is for.
    pub const fn access(self) -> Access {
        self.access
    }

    #[inline(always)]
    pub(super) const fn bits(self, access: Access) -> u32 {
        debug_assert!(
            self.access as u8 == access as u8,
            "an address for another width"
        );
        self.fields
    }
}

/// A memory operand of a load or store of two registers. It is made for
/// registers of one width, and only these take it (`debug_assert`ed).
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub struct MemPair {
    fields: u32,
    access: Access,
}

impl MemPair {
    /// `[base + offset]`, if the offset is a multiple of one register's width
    /// and from -64 to 63 of them. `access` is that width: 4 bytes or more. The
    /// base can be `SP`.
    #[inline]
    pub const fn offset(base: Gpr, offset: i64, access: Access) -> Option<Self> {
        Self::new(base, offset, access, 2)
    }

    /// `[base + offset]!`: adds to the base before the access. As
    /// [`offset`](Self::offset); the base must be neither register.
    #[inline]
    pub const fn pre(base: Gpr, offset: i64, access: Access) -> Option<Self> {
        Self::new(base, offset, access, 3)
    }

    /// `[base], offset`: adds to the base after the access. As
    /// [`offset`](Self::offset); the base must be neither register.
    #[inline]
    pub const fn post(base: Gpr, offset: i64, access: Access) -> Option<Self> {
        Self::new(base, offset, access, 1)
    }

    #[inline(always)]
    const fn new(base: Gpr, offset: i64, access: Access, mode: u32) -> Option<Self> {
        debug_assert!(access as u8 >= 2, "pairs are of four bytes or more each");
        let scaled = offset >> access as u32;
        if scaled << access as u32 != offset || scaled < -64 || scaled > 63 {
            return None;
        }
        Some(Self {
            fields: mode << 23 | (scaled as u32 & 0x7F) << 15 | base.or_sp() << 5,
            access,
        })
    }

    /// The width of each of the two registers.
    pub const fn access(self) -> Access {
        self.access
    }

    #[inline(always)]
    pub(super) const fn bits(self, access: Access) -> u32 {
        debug_assert!(
            self.access as u8 == access as u8,
            "an address for another width"
        );
        self.fields
    }
}
