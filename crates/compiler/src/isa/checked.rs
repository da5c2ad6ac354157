//! In debug builds, a check that targets keep their contracts about the flags.
//!
//! A condition is made by one operation and used by a later one; between the two no operation may write the flags. The
//! generator relies on the contract of each operation, and a target on which of its instructions write the flags. The
//! assembler counts the instructions it emits that write flags. [`Checked`] stands between generator and target and
//! compares that count with the contract, operation by operation.

use super::masm::*;
use crate::types::ValType;
use pvf_assembler::Label;
use pvf_rules::TrapKind;

/// The contract of an operation about the flags, as [`MacroAssembler`] defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contract {
    /// Leaves them as they are.
    Stay,
    /// Makes a condition.
    Make,
    /// Uses the condition made last, which ends with it.
    Use,
    /// Nothing is known of them afterwards.
    Lose,
}

/// A target that can tell how many times the flags were written.
pub(crate) trait Flags {
    /// Instructions so far that write the flags, with the one of a comparison that waits to be emitted.
    fn flag_writes(&self) -> u64;
}

/// A target whose contracts are checked.
pub(crate) struct Checked<M> {
    masm: M,
    /// How many times the flags had been written when the condition was made that can be used.
    condition: Option<u64>,
}

impl<M: Flags> Checked<M> {
    pub(super) fn new(masm: M) -> Self {
        Self {
            masm,
            condition: None,
        }
    }

    /// Does an operation and holds it to its contract.
    fn held<R>(
        &mut self,
        contract: Contract,
        name: &str,
        operation: impl FnOnce(&mut M) -> R,
    ) -> R {
        let before = self.masm.flag_writes();
        if contract == Contract::Use {
            assert_eq!(
                self.condition,
                Some(before),
                "{name}: the flags are not those of the last comparison any more"
            );
        }
        let result = operation(&mut self.masm);
        let after = self.masm.flag_writes();
        match contract {
            Contract::Stay => assert_eq!(after, before, "{name} leaves the flags as they are"),
            Contract::Make => self.condition = Some(after),
            Contract::Use | Contract::Lose => self.condition = None,
        }
        result
    }
}

/// Operations of one contract.
macro_rules! operations {
    ($contract:ident: $(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        $(fn $name(&mut self, $($arg: $ty),*) $(-> $result)? {
            self.held(Contract::$contract, stringify!($name), |masm| masm.$name($($arg),*))
        })*
    };
}

impl<M: MacroAssembler + Flags> MacroAssembler for Checked<M> {
    const MEMORY_OPERANDS: bool = M::MEMORY_OPERANDS;
    const SCALED_SUMS: bool = M::SCALED_SUMS;
    const LATE_CANONICALISATION_BYTES: u64 = M::LATE_CANONICALISATION_BYTES;
    const CALLS_IN_LEAVES: bool = M::CALLS_IN_LEAVES;

    fn offset(&self) -> u32 {
        self.masm.offset()
    }

    fn finish_function(self) -> u32 {
        self.masm.finish_function()
    }

    operations! { Stay:
        fn new_label() -> Label;
        fn set_wasm_offset(offset: u32);
        fn last_use(registers: RegSet);
        fn mark_host_call();

        fn move_register(ty: ValType, dst: Reg, src: Reg);
        fn exchange(a: Reg, b: Reg);
        fn load_const(ty: ValType, dst: Reg, bits: u64);
        fn load_slot(ty: ValType, dst: Reg, slot: u32);
        fn store_slot(ty: ValType, slot: u32, src: Reg);
        fn store_slot_const(ty: ValType, slot: u32, bits: u64);
        fn copy_slot(dst: u32, src: u32);
        fn move_sum(width: Width, dst: Reg, a: Reg, constant: u64);
        fn load_context(ty: ValType, dst: Reg, offset: u32);
        fn store_context(ty: ValType, offset: u32, src: Source);
    }

    operations! { Make:
        fn compare(width: Width, a: Reg, b: Source);
        fn compare_zero(width: Width, a: Reg);
        fn test(width: Width, a: Reg, b: Source);
        fn compare_with_memory(width: Width, a: Reg, b: Address);
        fn compare_memory(access: Access, a: Address, b: u32);
        fn float_compare(width: Width, a: Reg, b: Reg);
    }

    operations! { Use:
        fn set_condition(condition: Condition, dst: Reg);
        fn select(condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg);
        fn jump_if(condition: Condition, label: Label);
    }

    operations! { Lose:
        fn bind(label: Label);
        fn enter_frame(frame_bytes: u32, calls: bool);
        fn leave_frame(frame_bytes: u32, calls: bool);
        fn return_from_function();
        fn zero_slots(from: u32, to: u32);
        fn copy_slots(dst: u32, src: u32, slots: u32);

        fn enter_logical_stack(cost: u32, leaf: bool);
        fn leave_logical_stack(cost: u32);
        fn charge_counter(counter: u32, cost: u32);
        fn release_counter(counter: u32, cost: u32);
        fn charge_gas(cost: u64);
        fn charge_gas_for(units: Reg, cost: u32);

        fn load(access: Access, dst: Reg, address: Address);
        fn store(access: Access, address: Address, src: Source);
        fn int_binary_memory(op: IntBinary, width: Width, dst: Reg, a: Reg, b: Address);
        fn copy_memory(dst: Reg, src: Reg, bytes: u32);
        fn fill_memory(dst: Reg, value: u8, bytes: u32);
        fn memory_size(dst: Reg);

        fn int_binary(op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source);
        fn int_unary(op: IntUnary, width: Width, dst: Reg, src: Reg);
        fn scaled_sum(width: Width, dst: Reg, a: Reg, b: Reg, shift: u8);
        fn divide(op: Division, width: Width, divisor: Reg);
        fn divide_constant(op: Division, width: Width, dst: Reg, a: Reg, divisor: u64);

        fn float_binary(op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg);
        fn float_unary(op: FloatUnary, width: Width, dst: Reg, src: Reg);
        fn canonicalise(width: Width, register: Reg);
        fn convert(conversion: Conversion, dst: Reg, src: Reg);

        fn divide_shared(op: Division, width: Width, divisor: Reg);
        fn float_binary_shared(op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg);
        fn float_unary_shared(op: FloatUnary, width: Width, dst: Reg, src: Reg);
        fn canonicalise_shared(width: Width, register: Reg);
        fn convert_shared(conversion: Conversion, dst: Reg, src: Reg);
        fn shared_stub(shared: Shared) -> u32;

        fn jump(label: Label);
        fn jump_table(index: Reg, labels: &[Label]);
        fn trap(kind: TrapKind);
        fn call(function: u32);
        fn call_indirect(index: Reg, signature: u32, table: Table);

        fn jump_unless_in_memory(index: Reg, offset: u64, bytes: Reg, label: Label);
        fn jump_if_within(a: Reg, distance: i64, b: Reg, bytes: Reg, label: Label);
        fn charge_iterations(bytes: Reg, shift: u8, cost: u32, label: Label);
        fn linear_address(index: Reg, offset: u64);
        fn repeat(register: Reg, bytes: u8);
        fn block(operation: BlockOperation);

        fn block_stub(operation: BlockOperation) -> u32;
        fn host_stub(index: u32, gate: Label) -> u32;
        fn host_gate(gate: Label, ty: &Convention);
        fn plain_host_gate(gate: Label, ty: &Convention);
        fn entry_stub(ty: &Convention) -> u32;
        fn builtin_immediate(value: u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CompileOptions;
    use crate::isa::aarch64::Aarch64;
    use crate::isa::x64::X64;
    use pvf_rules::Features;

    const A: Reg = Reg::general(0);
    const B: Reg = Reg::general(1);

    /// Runs a test for a function of each target.
    macro_rules! for_each_target {
        ($($(#[$panics:meta])* $name:ident($masm:ident) $body:block)*) => {$(
            mod $name {
                use super::*;

                fn violate<M>()
                where
                    for<'m> M: Machine<Masm<'m>: Holds>,
                {
                    let mut machine = M::new(&CompileOptions::new(Features::ALL), Reach::Near);
                    let mut function = machine.begin_function(0);
                    let $masm = &mut function;
                    $body
                    function.finish_function();
                }

                #[test]
                $(#[$panics])*
                fn x86_64() {
                    violate::<X64>();
                }

                #[test]
                $(#[$panics])*
                fn aarch64() {
                    violate::<Aarch64>();
                }
            }
        )*};
    }

    /// Whose contracts are checked.
    trait Holds: MacroAssembler {
        /// Does an operation that adds, with the contract of another.
        fn add_as(&mut self, contract: Contract);
    }

    impl<M: MacroAssembler + Flags> Holds for Checked<M> {
        fn add_as(&mut self, contract: Contract) {
            self.held(contract, "an addition", |masm| {
                masm.charge_gas_for(A, 1);
            });
        }
    }

    for_each_target! {
        #[should_panic(expected = "an addition leaves the flags as they are")]
        a_move_that_writes_the_flags(masm) {
            masm.add_as(Contract::Stay);
        }

        #[should_panic(expected = "set_condition: the flags are not those of the last comparison")]
        a_condition_behind_something_else(masm) {
            masm.compare(Width::W32, A, Source::Reg(B));
            masm.add_as(Contract::Lose);
            masm.set_condition(Condition::LessSigned, A);
        }

        #[should_panic(expected = "jump_if: the flags are not those of the last comparison")]
        a_condition_over_a_label(masm) {
            masm.compare_zero(Width::W32, A);
            let label = masm.new_label();
            masm.bind(label);
            masm.jump_if(Condition::Equal, label);
        }

        #[should_panic(expected = "select: the flags are not those of the last comparison")]
        a_condition_used_twice(masm) {
            masm.compare(Width::W32, A, Source::Reg(B));
            masm.set_condition(Condition::LessSigned, B);
            masm.select(Condition::LessSigned, ValType::I32, A, A, B);
        }

        #[should_panic(expected = "set_condition: the flags are not those of the last comparison")]
        a_condition_behind_a_load(masm) {
            masm.compare_zero(Width::W64, A);
            let address = Address { index: Some(A), offset: 1 << 32 };
            masm.load(Access::Bits64, B, address);
            masm.set_condition(Condition::Equal, A);
        }

        a_condition_behind_moves(masm) {
            for ty in [ValType::I64, ValType::F64] {
                masm.compare_zero(Width::W32, A);
                let register = match ty.class() {
                    Class::General => B,
                    Class::Float => Reg::float(1),
                };
                masm.load_const(ty, register, u64::MAX / 3);
                masm.store_slot(ty, 8, register);
                masm.load_slot(ty, register, 1 << 20);
                for constant in [1, u64::MAX, 0x7fff_ffff, 0x1234_5678] {
                    masm.move_sum(Width::W64, B, A, constant);
                    masm.move_sum(Width::W32, B, B, constant);
                }
                masm.set_condition(Condition::Equal, A);
            }
        }
    }
}
