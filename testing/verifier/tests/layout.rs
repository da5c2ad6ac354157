//! The verifier and the compiler state the same contract between code and runtime.

use pvf_compiler::abi::{self, Builtin, ContextLayout};
use pvf_verifier::layout;

#[test]
fn the_context_is_laid_out_the_same() {
    macro_rules! same {
        ($($module:ident::{$($name:ident),* $(,)?};)*) => {
            $($(assert_eq!(layout::$module::$name, abi::$module::$name, stringify!($name));)*)*
        };
    }
    same! {
        context::{
            MEMORY_BASE, MEMORY_BYTES, STACK_LOW, STACK_LIMIT, STACK_TOP, HOST_CALL, EXIT, ENTRY_FUNCTION,
            ENTRY_SLOTS, GAS_LEFT, LOGICAL_BEYOND, COUNTER_PEAK, COUNTER_LIMIT, AUDIT_DEPTH, AUDIT_DIFFERENCE,
            AUDIT_CALLS, HOST_SP, WASM_SP, STORE, IMPORTS, ENDED, GLOBALS,
        };
    }
    assert_eq!(layout::GLOBAL_BYTES, abi::GLOBAL_BYTES);
    assert_eq!(layout::SLOT_BYTES, abi::SLOT_BYTES);
    assert_eq!(layout::TABLE_ENTRY_BYTES, abi::TABLE_ENTRY_BYTES);
    assert_eq!(layout::TABLE_ENTRY_CODE, abi::TABLE_ENTRY_CODE);
    assert_eq!(layout::TABLE_ENTRY_SIGNATURE, abi::TABLE_ENTRY_SIGNATURE);
    assert_eq!(layout::STACK_MARGIN_BYTES, abi::STACK_MARGIN_BYTES);
    assert_eq!(layout::BUILTIN_FLAG, abi::BUILTIN_FLAG);
    assert_eq!(layout::PLAIN_PARAMS, abi::PLAIN_PARAMS);
    for globals in [0, 1, 2, 1000] {
        let theirs = ContextLayout::new(globals, 7);
        assert_eq!(layout::table_offset(globals), theirs.table);
    }
    for (code, (_, _, takes_segment)) in (0..).zip(layout::BUILTINS) {
        let builtin = Builtin::from_code(code).unwrap();
        assert_eq!(builtin.takes_segment(), takes_segment, "{builtin:?}");
    }
    assert_eq!(layout::BUILTINS.len(), Builtin::ALL.len());
}
