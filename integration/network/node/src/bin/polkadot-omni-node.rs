//! The node of a collator: the library of the published crate with its own defaults.

use polkadot_omni_node_lib::chain_spec::DiskChainSpecLoader;
use polkadot_omni_node_lib::extra_subcommand::NoExtraSubcommand;
use polkadot_omni_node_lib::runtime::DefaultRuntimeResolver;
use polkadot_omni_node_lib::{CliConfig, NODE_VERSION, RunConfig, run_with_custom_cli};

/// What the command line says of itself.
struct About;

impl CliConfig for About {
    fn impl_version() -> String {
        NODE_VERSION.into()
    }

    fn author() -> String {
        env!("CARGO_PKG_NAME").into()
    }

    fn support_url() -> String {
        String::new()
    }

    fn copyright_start_year() -> u16 {
        2017
    }
}

fn main() -> color_eyre::eyre::Result<()> {
    color_eyre::install()?;
    let config = RunConfig::new(
        Box::new(DefaultRuntimeResolver),
        Box::new(DiskChainSpecLoader),
    );
    Ok(run_with_custom_cli::<About, NoExtraSubcommand>(config)?)
}
