//! The ids of the specification's rules, by which a rejection or a trap names the rule that decided.

use serde::{Serialize, Serializer};
use std::fmt;

/// A rule of the specification (`spec/src`) by its number, such as `LIMIT-2`.
///
/// Only rules that decide a rejection or end a run are here, because only those are reported.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(&'static str);

macro_rules! rules {
    ($($name:ident = $id:literal, $what:literal;)*) => {
        impl RuleId {
            $(
                #[doc = concat!("`", $id, "`: ", $what, ".")]
                pub const $name: Self = Self($id);
            )*

            /// Every rule that can be named.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

rules! {
    CODE_2 = "CODE-2", "a compressed blob is zstd frames to its last byte";
    CODE_3 = "CODE-3", "decompression is bounded";
    LANG_1 = "LANG-1", "the base language is WebAssembly 1.0 with mutable globals";
    LANG_2 = "LANG-2", "four switches widen the language";
    LANG_4 = "LANG-4", "nothing else is accepted";
    LANG_6 = "LANG-6", "one table and one memory at most";
    LANG_7 = "LANG-7", "segment forms of bulk memory need its switch";
    LANG_9 = "LANG-9", "a constant expression is one operator";
    LANG_10 = "LANG-10", "reserved bytes are zero";
    NET_2 = "NET-2", "sections";
    NET_3 = "NET-3", "numbers, operators and bodies";
    NET_5 = "NET-5", "memories";
    NET_6 = "NET-6", "functions that are entered from elsewhere";
    NET_7 = "NET-7", "what is validated";
    NET_8 = "NET-8", "the limiter's global";
    LIMIT_2 = "LIMIT-2", "what each limit counts";
    LIMIT_4 = "LIMIT-4", "the sizes of the types of imports and exports have a common bound";
    STACK_5 = "STACK-5", "the native boundary";
    LOGICAL_6 = "LOGICAL-6", "the logical boundary";
    LOGICAL_8 = "LOGICAL-8", "a body without a logical cost rejects the module";
    GAS_8 = "GAS-8", "exhaustion";
    MEM_2 = "MEM-2", "memory.grow succeeds within the limit and only there";
    MEM_4 = "MEM-4", "a memory that starts above its limit is rejected";
    MEM_6 = "MEM-6", "an access is in bounds as a whole or traps";
    SEG_2 = "SEG-2", "an active segment out of bounds rejects the module";
    START_2 = "START-2", "a trap of the start function rejects the module";
    TRAP_1 = "TRAP-1", "the kinds of traps";
    TRAP_4 = "TRAP-4", "division traps";
    TRAP_5 = "TRAP-5", "conversion traps";
    TRAP_6 = "TRAP-6", "indirect-call traps";
    HOST_2 = "HOST-2", "imports are functions of the module env, or a memory";
    HOST_4 = "HOST-4", "a host function has one type";
    HOST_5 = "HOST-5", "an imported memory becomes the module's own";
    HOST_9 = "HOST-9", "failures of host functions are traps";
}

impl RuleId {
    /// The number as the specification writes it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}
