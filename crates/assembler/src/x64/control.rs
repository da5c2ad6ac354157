//! The state of the x86-64 assembler: what waits for labels, the code as far as it depends on the machine, and the
//! instructions that transfer control.

use super::encode::{Imm, fits_i8, op};
use super::{Cond, Gpr, Mem, Size};
use crate::assembler::{Code, Machine, appends_to_code};
use crate::buffer::CodeBuffer;
use crate::label::{FinishError, Label, Labels};

/// The x86-64 assembler: [`Instructions`], the labels between them, and the code as a whole.
pub type Assembler = crate::assembler::Assembler<Instructions>;

/// The operations of an [`Assembler`] between two labels.
#[derive(Clone, Debug, Default)]
pub struct Instructions {
    code: Code,
    /// 32-bit distances to labels unbound when they were emitted.
    distances: Vec<Distance>,
    /// Tables of differences of labels. Until these are known, the code holds the labels' numbers there.
    tables: Vec<Differences>,
    /// Short jumps to labels not bound yet, oldest first. Few at any time: each
    /// is resolved or found out of range within 128 bytes.
    short_jumps: Vec<ShortJump>,
}

appends_to_code!(Instructions);

/// A 32-bit field to be filled in when all labels are bound: the target minus the end of the field.
#[derive(Copy, Clone, Debug)]
struct Distance {
    at: u32,
    target: Label,
}

/// Fields of 32 bits, one after the other, to be filled in when all labels are bound: each target minus the base.
#[derive(Copy, Clone, Debug)]
struct Differences {
    at: u32,
    count: u32,
    base: Label,
    /// Must not be negative.
    unsigned: bool,
}

/// A short jump whose 8-bit field at `at` waits for its label.
#[derive(Copy, Clone, Debug)]
struct ShortJump {
    at: u32,
    target: Label,
}

/// Above this many labels or fix-ups, `take_code` frees the buffers instead of reusing them.
const LARGE: usize = 1 << 16;

/// The manual's recommended no-operations of one to nine bytes.
const NOPS: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0F, 0x1F, 0x00],
    &[0x0F, 0x1F, 0x40, 0x00],
    &[0x0F, 0x1F, 0x44, 0x00, 0x00],
    &[0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00],
    &[0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

impl Machine for Instructions {
    fn clear_references(&mut self) {
        self.distances.clear();
        self.tables.clear();
        self.short_jumps.clear();
    }

    fn reserve_references(&mut self, references: usize) {
        self.distances.reserve(references);
    }

    fn is_large(&self) -> bool {
        self.labels.len() > LARGE || self.distances.capacity() > LARGE
    }

    #[inline]
    fn bind(&mut self, label: Label) {
        let here = self.offset();
        self.bind_once(label, here);
        if !self.short_jumps.is_empty() {
            self.resolve_short_jumps(label, here);
        }
    }

    fn resolve(&mut self) -> Result<(), FinishError> {
        if let Some(jump) = self.short_jumps.first() {
            return Err(FinishError::UnboundLabel {
                label: jump.target,
                at: jump.at,
            });
        }
        let Code { buffer, labels, .. } = &mut self.code;
        for &Distance { at, target } in &self.distances {
            let target = labels.known(target, at)?;
            buffer.patch_u32(at, target.wrapping_sub(at + 4));
        }
        for table in &self.tables {
            table.fill_in(buffer, labels)?;
        }
        self.distances.clear();
        self.tables.clear();
        Ok(())
    }

    /// All is emitted where it is asked for.
    fn emit_rest(&mut self) {}

    fn align(&mut self, to: u32) {
        debug_assert!(to.is_power_of_two(), "alignments are powers of two");
        self.nop(self.offset().wrapping_neg() & (to - 1));
    }
}

/// The place in the code.
impl Instructions {
    /// `bytes` bytes of no-operations, as few as possible.
    pub fn nop(&mut self, bytes: u32) {
        let mut left = bytes as usize;
        while left > 0 {
            let nop = NOPS[left.min(NOPS.len()) - 1];
            self.buffer.put_slice(nop);
            left -= nop.len();
        }
    }
}

/// Labels.
impl Instructions {
    /// A new label, not bound yet.
    #[inline]
    pub fn new_label(&mut self) -> Label {
        self.labels.create()
    }

    /// `target - base` as an `i32`, such as an entry of a jump table.
    pub fn emit_label_difference_i32(&mut self, target: Label, base: Label) {
        self.emit_difference(target, base, false);
    }

    /// `target - base` as a `u32`; `target` must not lie before `base`.
    pub fn emit_label_difference_u32(&mut self, target: Label, base: Label) {
        self.emit_difference(target, base, true);
    }

    fn emit_difference(&mut self, target: Label, base: Label, unsigned: bool) {
        let at = self.offset();
        match self.tables.last_mut() {
            Some(last)
                if last.at + 4 * last.count == at
                    && (last.base, last.unsigned) == (base, unsigned) =>
            {
                last.count += 1;
            }
            _ => self.tables.push(Differences {
                at,
                count: 1,
                base,
                unsigned,
            }),
        }
        self.buffer.put_word(u64::from(target.number()), 4);
    }

    /// `lea dst, [rip + label]`: the address of `label`.
    #[inline]
    pub fn lea_label(&mut self, dst: Gpr, label: Label) {
        self.encode_rl(const { op("8D /r") }, Size::S64, dst.number(), label);
    }

    /// The value of the 32-bit distance field at `field`; 0, and a fix-up, if
    /// the label is not bound yet.
    #[inline(always)]
    pub(super) fn distance_or_fixup(&mut self, label: Label, field: u32) -> i32 {
        match self.labels.offset(label) {
            Some(target) => target.wrapping_sub(field).wrapping_sub(4) as i32,
            None => {
                self.distances.push(Distance {
                    at: field,
                    target: label,
                });
                0
            }
        }
    }

    /// Fills in the short jumps that wait for `label`, bound at `here`.
    #[inline(never)]
    fn resolve_short_jumps(&mut self, label: Label, here: u32) {
        let Self {
            code: Code { buffer, error, .. },
            short_jumps,
            ..
        } = self;
        short_jumps.retain(|jump| {
            if jump.target != label {
                return true;
            }
            let distance = here - (jump.at + 1);
            debug_assert!(
                distance <= i8::MAX as u32,
                "the caller promised a short jump"
            );
            if distance <= i8::MAX as u32 {
                buffer.patch_u8(jump.at, distance as u8);
            } else {
                error.get_or_insert(FinishError::ShortJumpOutOfRange { label, at: jump.at });
            }
            false
        });
    }
}

impl Differences {
    /// From the numbers of labels to their differences. All offsets are below 2^31.
    fn fill_in(&self, buffer: &mut CodeBuffer, labels: &Labels) -> Result<(), FinishError> {
        for at in (self.at..).step_by(4).take(self.count as usize) {
            let label = Label::from_number(buffer.read_u32(at));
            let (target, base) = (labels.known(label, at)?, labels.known(self.base, at)?);
            if self.unsigned && target < base {
                return Err(FinishError::NegativeDifference {
                    label: self.base,
                    at,
                });
            }
            buffer.patch_u32(at, target.wrapping_sub(base));
        }
        Ok(())
    }
}

/// Jumps, calls and traps.
impl Instructions {
    /// `jmp label`: short if `label` is bound within reach, else near.
    #[inline]
    pub fn jmp(&mut self, label: Label) {
        match self.short_distance_back(label) {
            Some(distance) => self.buffer.put_word(0xEB | (distance as u64) << 8, 2),
            None => self.encode_jump(const { op("E9") }, label),
        }
    }

    /// `jcc label`: short if `label` is bound within reach, else near.
    #[inline]
    pub fn jcc(&mut self, cond: Cond, label: Label) {
        match self.short_distance_back(label) {
            Some(distance) => {
                self.buffer
                    .put_word((0x70 | cond.code()) as u64 | (distance as u64) << 8, 2);
            }
            None => self.encode_jump(const { op("0F 80") }.plus(cond.code()), label),
        }
    }

    /// `jmp label` in the short form: the caller promises that `label` is, or
    /// will be, bound within 127 bytes of the jump's end (128 backwards).
    /// A broken promise is an error of [`finish`](Assembler::finish).
    #[inline]
    pub fn jmp_short(&mut self, label: Label) {
        self.put_short(0xEB, label);
    }

    /// `jcc label` in the short form, as [`jmp_short`](Self::jmp_short).
    #[inline]
    pub fn jcc_short(&mut self, cond: Cond, label: Label) {
        self.put_short(0x70 | cond.code(), label);
    }

    /// `call label`
    #[inline]
    pub fn call(&mut self, label: Label) {
        self.encode_jump(const { op("E8") }, label);
    }

    /// `call` with a 32-bit distance of 0; returns the offset of that field.
    #[inline]
    pub fn call_rel32_placeholder(&mut self) -> u32 {
        self.encode(const { op("E8") }, Size::S32, Imm::dword(0));
        self.offset() - 4
    }

    /// `jmp` with a 32-bit distance of 0; returns the offset of that field.
    #[inline]
    pub fn jmp_rel32_placeholder(&mut self) -> u32 {
        self.encode(const { op("E9") }, Size::S32, Imm::dword(0));
        self.offset() - 4
    }

    /// `call qword [target]`
    #[inline]
    pub fn call_m(&mut self, target: Mem) {
        self.encode_dm(const { op("FF /2") }, Size::S32, target, Imm::NONE);
    }

    /// `jmp target`
    #[inline]
    pub fn jmp_r(&mut self, target: Gpr) {
        self.encode_dr(const { op("FF /4") }, Size::S32, target.number(), Imm::NONE);
    }

    /// `jmp qword [target]`
    #[inline]
    pub fn jmp_m(&mut self, target: Mem) {
        self.encode_dm(const { op("FF /4") }, Size::S32, target, Imm::NONE);
    }

    /// `ret`
    #[inline]
    pub fn ret(&mut self) {
        self.encode(const { op("C3") }, Size::S32, Imm::NONE);
    }

    /// `ud2`: an invalid instruction, on purpose.
    #[inline]
    pub fn ud2(&mut self) {
        self.encode(const { op("0F 0B") }, Size::S32, Imm::NONE);
    }

    /// `int3`: a breakpoint.
    #[inline]
    pub fn int3(&mut self) {
        self.encode(const { op("CC") }, Size::S32, Imm::NONE);
    }

    /// The 8-bit distance of a two-byte jump here back to `label`, if it is
    /// bound within reach.
    #[inline(always)]
    fn short_distance_back(&self, label: Label) -> Option<u8> {
        let target = self.labels.offset(label)?;
        let distance = target.wrapping_sub(self.offset()).wrapping_sub(2) as i32;
        fits_i8(distance).then_some(distance as u8)
    }

    #[inline(always)]
    fn put_short(&mut self, opcode: u8, label: Label) {
        let at = self.offset().wrapping_add(1);
        let distance = if self.is_bound(label) {
            self.short_distance_back(label).unwrap_or_else(|| {
                debug_assert!(false, "the caller promised a short jump");
                self.error
                    .get_or_insert(FinishError::ShortJumpOutOfRange { label, at });
                0
            })
        } else {
            self.await_short_label(ShortJump { at, target: label });
            0
        };
        self.buffer
            .put_word(opcode as u64 | (distance as u64) << 8, 2);
    }

    fn await_short_label(&mut self, jump: ShortJump) {
        // The oldest label is bound after `jump` at the earliest. If that is
        // out of reach already, the jump fails whatever happens to its label; to
        // drop it keeps the list short however the promise is broken.
        if let Some(&oldest) = self.short_jumps.first()
            && jump.at - oldest.at > i8::MAX as u32
        {
            let ShortJump { at, target: label } = self.short_jumps.remove(0);
            self.error
                .get_or_insert(FinishError::ShortJumpOutOfRange { label, at });
        }
        self.short_jumps.push(jump);
    }
}
