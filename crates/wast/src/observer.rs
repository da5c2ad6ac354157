//! A look at every call that a script makes.

use pvf_executor::Value;
use pvf_rules::TrapKind;
use std::fmt;
use std::rc::Rc;

/// A call of an exported function that was made, with the state of its instance afterwards.
#[derive(Debug)]
pub struct Called<'a> {
    /// The function's name.
    pub export: &'a str,
    /// How it ended.
    pub ending: Result<&'a [Value], TrapKind>,
    /// Gas used in the instance so far, if it is counted.
    pub gas_used: Option<u64>,
    /// Greatest sum of frames in the instance so far, in bytes.
    pub stack_native_peak: u64,
    /// Greatest logical height in the instance so far, if it is counted.
    pub stack_logical_peak: Option<u64>,
    /// Its linear memory.
    pub memory: &'a [u8],
}

/// Is shown calls.
#[derive(Clone)]
pub struct Observer(Rc<dyn Fn(&Called<'_>)>);

impl Observer {
    /// An observer that does this with each call.
    pub fn new(observe: impl Fn(&Called<'_>) + 'static) -> Self {
        Self(Rc::new(observe))
    }

    pub(crate) fn observe(&self, called: &Called<'_>) {
        (self.0)(called);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
