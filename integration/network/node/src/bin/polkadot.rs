//! The node of a validator: the command line and the service of the published crate, unchanged.

fn main() -> color_eyre::eyre::Result<()> {
    color_eyre::install()?;
    polkadot_cli::run()?;
    Ok(())
}
