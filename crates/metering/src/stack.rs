//! Stacks of what is open: a million blocks may be nested, and while they end, other memory grows.

/// Stacks up to this capacity keep it.
const MANY: usize = 1 << 14;

/// Gives memory back after something was popped, if the stack has fallen far below its capacity. Over all pops, that
/// takes constant time for each.
///
/// ```
/// let mut stack = vec![0; 1 << 20];
/// while stack.pop().is_some() {
///     pvf_metering::give_back(&mut stack);
///     assert!(stack.capacity() <= 4 * stack.len() + (1 << 14));
/// }
/// ```
#[inline(always)]
pub fn give_back<T>(stack: &mut Vec<T>) {
    if stack.capacity() > MANY && stack.len() < stack.capacity() / 4 {
        shrink(stack);
    }
}

#[cold]
fn shrink<T>(stack: &mut Vec<T>) {
    stack.shrink_to(stack.capacity() / 2);
}
