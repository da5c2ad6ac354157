//! Chain specifications: a relay chain with parachains at genesis, made from a runtime by the node's own
//! tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::observe::bytes;
use crate::process::{output, write};

/// The names of the validators, which are those of the node's development keys, and their flags.
pub const VALIDATORS: [&str; 4] = ["Alice", "Bob", "Charlie", "Dave"];

/// The key of a runtime's code in the state: `:code`.
const CODE: &str = "0x3a636f6465";

/// What a decompressed code may have at most.
const BOMB_LIMIT: u64 = 1 << 26;

/// The first bytes of a compressed code.
const COMPRESSED: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// The programs of the node.
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The programs in this folder.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| folder.display().to_string())?;
        for name in [
            "polkadot",
            "polkadot-omni-node",
            "polkadot-prepare-worker",
            "polkadot-execute-worker",
        ] {
            ensure!(
                folder.join(name).is_file(),
                "{} has no {name}",
                folder.display()
            );
        }
        Ok(Self { folder })
    }

    /// The folder, which is that of the stock workers too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command of the relay chain's node.
    pub fn node(&self) -> Command {
        Command::new(self.folder.join("polkadot"))
    }

    /// A command of the collator's node.
    pub fn collator(&self) -> Command {
        Command::new(self.folder.join("polkadot-omni-node"))
    }

    /// The name by which other nodes know the node that has this key.
    ///
    /// # Errors
    /// The program fails.
    pub fn peer(&self, key: &Path) -> Result<String> {
        let peer = output(
            self.node()
                .args(["key", "inspect-node-key", "--file"])
                .arg(key),
        )?;
        Ok(peer.trim().to_owned())
    }

    /// The SS58 form of a development key.
    fn address(&self, key: &str, scheme: &str) -> Result<String> {
        let arguments = [
            "key",
            "inspect",
            "--scheme",
            scheme,
            "--output-type",
            "json",
            key,
        ];
        let answer: Value = serde_json::from_str(&output(self.node().args(arguments))?)?;
        Ok(answer["ss58PublicKey"]
            .as_str()
            .context("a key without its SS58 form")?
            .to_owned())
    }
}

/// A parachain, from its raw chain specification.
pub struct Parachain {
    /// The specification.
    pub specification: PathBuf,
    /// Its number.
    pub id: u32,
    /// The code, as it is on the relay chain.
    pub code: Vec<u8>,
    /// The head of its first block.
    head: String,
}

impl Parachain {
    /// Reads a specification. What the node's tool writes is left in `folder`.
    ///
    /// # Errors
    /// The file is not a raw specification of a parachain, or the node's tool fails.
    pub fn read(programs: &Programs, specification: &Path, folder: &Path) -> Result<Self> {
        let text = read_json(specification)?;
        let id = text
            .get("para_id")
            .or_else(|| text.get("paraId"))
            .and_then(Value::as_u64);
        let id = id.with_context(|| format!("{} has no para_id", specification.display()))?;
        let data = folder.join(format!("genesis-{id}"));
        let mut export = programs.collator();
        // `export-genesis-head` cannot be told to do without RocksDB.
        export
            .args(["export-blocks", "--from", "0", "--to", "0"])
            .args(["--database", "paritydb", "--base-path"])
            .arg(&data)
            .arg("--chain")
            .arg(specification);
        let head = first_head(&output(&mut export)?).context("the parachain's first block")?;
        Ok(Self {
            specification: specification.to_owned(),
            id: u32::try_from(id)?,
            code: code_of(&text)?,
            head,
        })
    }
}

/// The encoded header of the first block, in hexadecimal, from what `export-blocks` prints.
fn first_head(exported: &str) -> Result<String> {
    let line = exported.lines().find(|line| line.starts_with('{'));
    let block: Value = serde_json::from_str(line.context("no block")?)?;
    let header = &block["block"]["header"];
    ensure!(
        header["number"] == "0x0" && header["digest"]["logs"] == json!([]),
        "not a first block: {header}"
    );
    let root = |name: &str| bytes(header[name].as_str().context("a header without roots")?);
    // Parent, number (compact), state root, root of the extrinsics, number of digest items.
    let parts = [
        root("parentHash")?,
        vec![0],
        root("stateRoot")?,
        root("extrinsicsRoot")?,
        vec![0],
    ];
    Ok(format!("0x{}", hex::encode(parts.concat())))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

fn code_of(specification: &Value) -> Result<Vec<u8>> {
    let code = specification["genesis"]["raw"]["top"][CODE].as_str();
    bytes(code.context("no code: is it a raw chain specification?")?)
}

/// Writes the specification of a relay chain with so many validators and with these parachains.
/// `runtime` is the raw specification of a chain whose code is taken.
///
/// # Errors
/// The runtime has no genesis builder, or one that does not know what is asked.
pub fn relay(
    programs: &Programs,
    runtime: &Path,
    parachains: &[Parachain],
    validators: usize,
    folder: &Path,
) -> Result<PathBuf> {
    let code = folder.join("relay-runtime.wasm");
    write(&code, &code_of(&read_json(runtime)?)?)?;
    let builder = || {
        let mut command = programs.collator();
        command.arg("chain-spec-builder");
        command
    };
    let mut preset = builder();
    preset
        .args([
            "display-preset",
            "--preset-name",
            "local_testnet",
            "--runtime",
        ])
        .arg(&code);
    let mut genesis: Value =
        serde_json::from_str(&output(&mut preset)?).context("the runtime's preset")?;
    change(programs, &mut genesis, parachains, validators)?;
    let patch = folder.join("genesis.json");
    write(&patch, &serde_json::to_vec_pretty(&genesis)?)?;
    let specification = folder.join("relay.json");
    let mut create = builder();
    create
        .arg("--chain-spec-path")
        .arg(&specification)
        .args([
            "create",
            "--chain-name",
            "PVF network",
            "--chain-id",
            "pvf-network",
            "-t",
            "local",
        ])
        .args(["--raw-storage", "--runtime"])
        .arg(&code)
        .arg("patch")
        .arg(&patch);
    output(&mut create)?;
    Ok(specification)
}

/// Adds validators and parachains to a genesis for two validators and none.
fn change(
    programs: &Programs,
    genesis: &mut Value,
    parachains: &[Parachain],
    validators: usize,
) -> Result<()> {
    ensure!(
        (2..=VALIDATORS.len()).contains(&validators),
        "2 to {} validators",
        VALIDATORS.len()
    );
    let mut keys = Vec::new();
    let mut stashes = Vec::new();
    for name in &VALIDATORS[..validators] {
        let key = programs.address(&format!("//{name}"), "sr25519")?;
        let stash = programs.address(&format!("//{name}//stash"), "sr25519")?;
        keys.push(json!([stash, stash, {
            "authority_discovery": key,
            "babe": key,
            "beefy": programs.address(&format!("//{name}"), "ecdsa")?,
            "grandpa": programs.address(&format!("//{name}"), "ed25519")?,
            "para_assignment": key,
            "para_validator": key,
        }]));
        stashes.push(stash);
    }
    let paras = parachains.iter().map(|parachain| {
        let code = format!("0x{}", hex::encode(&parachain.code));
        json!([parachain.id, {"genesis_head": parachain.head, "validation_code": code, "parachain": true}])
    });
    genesis["paras"] = json!({"paras": paras.collect::<Vec<_>>()});
    let session = &mut genesis["session"];
    ensure!(
        session["keys"][0][2].as_object().map(|keys| keys.len()) == Some(6),
        "unknown session keys"
    );
    session["keys"] = Value::from(keys);
    if let Some(staking) = genesis.get_mut("staking") {
        let bond = staking["stakers"][0][2].clone();
        let stakers = stashes
            .iter()
            .map(|stash| json!([stash, stash, bond, "Validator"]));
        staking["stakers"] = stakers.collect();
        staking["invulnerables"] = json!(stashes);
        staking["validatorCount"] = json!(validators);
    }
    let configuration = &mut genesis["configuration"]["config"];
    ensure!(
        configuration["scheduler_params"].is_object(),
        "the preset has no scheduler_params"
    );
    // A group has one validator, so that all others approve what it backed. If one of four is against a candidate,
    // two are left to approve it, which is more than the third that has to.
    let groups = validators.max(parachains.len());
    configuration["scheduler_params"]["num_cores"] = json!(groups);
    configuration["scheduler_params"]["max_validators_per_core"] = json!(1);
    Ok(())
}

/// A code that does the same and is not the same: with a custom section more.
///
/// # Errors
/// The code cannot be decompressed.
pub fn another_code(code: &[u8]) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut module = Vec::new();
    match code.strip_prefix(&COMPRESSED) {
        Some(compressed) => {
            let decoder = zstd::Decoder::new(compressed)?;
            decoder.take(BOMB_LIMIT).read_to_end(&mut module)?;
        }
        None => module.extend_from_slice(code),
    }
    ensure!(module.starts_with(b"\0asm\x01\0\0\0"), "not a module");
    let name = b"pvf-network";
    let length = u8::try_from(name.len())?;
    // Section 0: its length, then the length of the name, then the name; no contents.
    module.extend_from_slice(&[0, length + 1, length]);
    module.extend_from_slice(name);
    let mut another = COMPRESSED.to_vec();
    another.extend(zstd::encode_all(&module[..], 3)?);
    Ok(another)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_head_is_encoded() {
        let root = |digit: &str| format!("0x{}", digit.repeat(64));
        let exported = |number: &str| {
            let header = json!({
                "parentHash": root("0"), "number": number, "stateRoot": root("1"),
                "extrinsicsRoot": root("2"), "digest": {"logs": []},
            });
            format!(
                "a line of the log\n{}\n",
                json!({"block": {"header": header}})
            )
        };
        let [zeros, ones, twos] = ["0", "1", "2"].map(|digit| digit.repeat(64));
        let head = first_head(&exported("0x0")).unwrap();
        assert_eq!(head, format!("0x{zeros}00{ones}{twos}00"));
        assert!(first_head(&exported("0x1")).is_err());
        assert!(first_head("nothing").is_err());
    }

    #[test]
    fn another_code_has_one_more_custom_section() {
        let module = b"\0asm\x01\0\0\0";
        let another = another_code(module).unwrap();
        let plain = zstd::decode_all(another.strip_prefix(&COMPRESSED).unwrap()).unwrap();
        assert_eq!(plain, [&module[..], b"\0\x0c\x0bpvf-network"].concat());
        let third = another_code(&another).unwrap();
        let plain = zstd::decode_all(third.strip_prefix(&COMPRESSED).unwrap()).unwrap();
        assert_eq!(
            plain,
            [&module[..], b"\0\x0c\x0bpvf-network\0\x0c\x0bpvf-network"].concat()
        );
        assert!(another_code(b"\0asm\x02\0\0\0").is_err());
    }
}
