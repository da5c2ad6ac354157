//! The prepare worker of a node, unchanged.

polkadot_node_core_pvf_common::decl_worker_main!(
    "prepare-worker",
    polkadot_node_core_pvf_prepare_worker::worker_entrypoint,
    "1.25.1",
    "0000000"
);
