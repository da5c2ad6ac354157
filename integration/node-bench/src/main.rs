//! x
use polkadot_node_core_pvf_common as _;
fn main() {}
