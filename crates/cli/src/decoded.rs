//! What candidates, results and blocks hold, in JSON and in words.

use crate::output::{hex, size};
use blake2::Blake2b;
use blake2::digest::{Digest, consts::U32};
use pvf_executor::COMPRESSED_MAGIC;
use pvf_primitives::{
    BlockData, DigestItem, Header, ValidationParams, ValidationParamsExtension, ValidationResult,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// BLAKE2b-256, as Polkadot hashes headers and code.
pub fn blake2_256(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}

/// Head data: any bytes, of which those of a Substrate chain are a header.
#[derive(Clone, Debug, Serialize)]
pub struct HeadJson {
    /// Size.
    pub bytes: usize,
    /// BLAKE2b-256 of the bytes: of a header, the hash of its block.
    pub hash: String,
    /// The header that the bytes are.
    pub header: Option<HeaderJson>,
}

/// A header.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderJson {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: String,
    /// Hash of its parent.
    pub parent_hash: String,
    /// Root of the state after it.
    pub state_root: String,
    /// Root of its extrinsics.
    pub extrinsics_root: String,
    /// The digest.
    pub digest: Vec<DigestJson>,
}

/// An item of a digest.
#[derive(Clone, Debug, Serialize)]
pub struct DigestJson {
    /// `pre_runtime`, `consensus`, `seal`, `other` or `runtime_environment_updated`.
    pub kind: &'static str,
    /// The consensus engine, such as `aura`.
    pub engine: Option<String>,
    /// Size of the item's data.
    pub bytes: usize,
    /// The slot, of an item of Aura before the runtime.
    pub slot: Option<u64>,
}

/// The code that a result announces.
#[derive(Clone, Debug, Serialize)]
pub struct NewCodeJson {
    /// Size as it is on chain.
    pub bytes: usize,
    /// The code's hash, as votes and upgrades name it.
    pub hash: String,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// Messages to the relay chain.
#[derive(Clone, Debug, Serialize)]
pub struct UpwardJson {
    /// Messages, without what follows the separator.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Bytes of the largest.
    pub largest: usize,
    /// What follows the separator, an empty message: signals, such as the choice of a core.
    pub signals: usize,
}

/// Messages to other parachains.
#[derive(Clone, Debug, Serialize)]
pub struct HorizontalJson {
    /// Messages.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// By recipient.
    pub recipients: Vec<RecipientJson>,
}

/// Messages to one parachain.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientJson {
    /// The parachain's identifier.
    pub recipient: u32,
    /// Messages.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// What `validate_block` returned.
#[derive(Clone, Debug, Serialize)]
pub struct ResultJson {
    /// The new head.
    pub head: HeadJson,
    /// The new code, if the block asks for an upgrade.
    pub new_code: Option<NewCodeJson>,
    /// Messages to the relay chain.
    pub upward_messages: UpwardJson,
    /// Messages to other parachains.
    pub horizontal_messages: HorizontalJson,
    /// Messages from the relay chain that were processed.
    pub processed_downward_messages: u32,
    /// The relay chain's block up to which messages from other parachains were processed.
    pub hrmp_watermark: u32,
}

/// The block data of a candidate.
#[derive(Clone, Debug, Serialize)]
pub struct BlockDataJson {
    /// Size, decompressed.
    pub bytes: usize,
    /// Version of the encoding.
    pub version: Option<u8>,
    /// Why they are not those of cumulus.
    pub error: Option<String>,
    /// Number of blocks.
    pub block_count: Option<usize>,
    /// The blocks, oldest first, at most 64.
    pub blocks: Vec<BlockJson>,
    /// Nodes of the storage proof.
    pub proof_nodes: Option<usize>,
    /// Their bytes.
    pub proof_bytes: Option<usize>,
    /// Headers of the relay chain in the scheduling proof.
    pub scheduling_headers: Option<usize>,
}

/// A block.
#[derive(Clone, Debug, Serialize)]
pub struct BlockJson {
    /// The header, with its seal.
    pub header: HeaderJson,
    /// Number of extrinsics.
    pub extrinsics: usize,
    /// Their bytes.
    pub extrinsics_bytes: usize,
    /// Bytes of the largest.
    pub largest_extrinsic: usize,
}

/// The parameters of a candidate.
#[derive(Clone, Debug, Serialize)]
pub struct ParamsJson {
    /// The head of the parent.
    pub parent_head: HeadJson,
    /// The block data.
    pub block_data: BlockDataJson,
    /// Number of the relay parent.
    pub relay_parent_number: u32,
    /// Storage root of the relay parent.
    pub relay_parent_storage_root: String,
    /// The extension of candidates of version 3.
    pub extension: Option<ExtensionJson>,
}

/// The extension of a candidate's parameters.
#[derive(Clone, Debug, Serialize)]
pub struct ExtensionJson {
    /// The relay parent's hash.
    pub relay_parent: String,
    /// The scheduling parent's hash.
    pub scheduling_parent: String,
}

impl HeadJson {
    /// Of head data.
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len(),
            hash: hex(&blake2_256(bytes)),
            header: Header::from_bytes(bytes).ok().as_ref().map(HeaderJson::new),
        }
    }

    /// In a few words.
    pub fn words(&self) -> String {
        match &self.header {
            Some(header) => format!("block {}, {}", header.number, self.hash),
            None => format!("{} B, {}", self.bytes, self.hash),
        }
    }
}

impl HeaderJson {
    /// Of a header.
    pub fn new(header: &Header<'_>) -> Self {
        Self {
            number: header.number,
            hash: hex(&blake2_256(header.bytes)),
            parent_hash: hex(&header.parent_hash),
            state_root: hex(&header.state_root),
            extrinsics_root: hex(&header.extrinsics_root),
            digest: header
                .digest()
                .take(MOST_ITEMS)
                .map(DigestJson::new)
                .collect(),
        }
    }
}

/// The most items of a digest, blocks and recipients that are listed. Lists of 100,000 are there to hurt.
const MOST_ITEMS: usize = 64;

impl DigestJson {
    fn new(item: DigestItem<'_>) -> Self {
        let (kind, engine, data) = match item {
            DigestItem::Other(data) => ("other", None, data),
            DigestItem::Consensus(engine, data) => ("consensus", Some(engine), data),
            DigestItem::Seal(engine, data) => ("seal", Some(engine), data),
            DigestItem::PreRuntime(engine, data) => ("pre_runtime", Some(engine), data),
            DigestItem::RuntimeEnvironmentUpdated => ("runtime_environment_updated", None, &[][..]),
        };
        let slot = match (kind, engine, <[u8; 8]>::try_from(data)) {
            ("pre_runtime", Some(engine), Ok(slot)) if engine == *b"aura" => {
                Some(u64::from_le_bytes(slot))
            }
            _ => None,
        };
        let engine = engine.map(|it| it.escape_ascii().to_string());
        Self {
            kind,
            engine,
            bytes: data.len(),
            slot,
        }
    }

    fn words(&self) -> String {
        let engine = self.engine.as_deref().unwrap_or("");
        match self.slot {
            Some(slot) => format!("{} {engine} (slot {slot})", self.kind),
            None => format!("{} {engine} ({} B)", self.kind, self.bytes),
        }
    }
}

impl ResultJson {
    /// Of a result.
    pub fn new(result: &ValidationResult) -> Self {
        let upward = &result.upward_messages.0;
        let separator = upward.iter().position(Vec::is_empty);
        let messages = &upward[..separator.unwrap_or(upward.len())];
        let mut recipients: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        for message in &result.horizontal_messages.0 {
            let (count, bytes) = recipients.entry(message.recipient).or_default();
            *count += 1;
            *bytes += message.data.len();
        }
        Self {
            head: HeadJson::new(&result.head_data),
            new_code: result
                .new_validation_code
                .as_deref()
                .map(|code| NewCodeJson {
                    bytes: code.len(),
                    hash: hex(&blake2_256(code)),
                    compressed: code.starts_with(&COMPRESSED_MAGIC),
                }),
            upward_messages: UpwardJson {
                count: messages.len(),
                bytes: messages.iter().map(Vec::len).sum(),
                largest: messages.iter().map(Vec::len).max().unwrap_or(0),
                signals: separator.map_or(0, |at| upward.len() - at - 1),
            },
            horizontal_messages: HorizontalJson {
                count: result.horizontal_messages.0.len(),
                bytes: recipients.values().map(|(_, bytes)| bytes).sum(),
                recipients: recipients
                    .into_iter()
                    .map(|(recipient, (count, bytes))| RecipientJson {
                        recipient,
                        count,
                        bytes,
                    })
                    .collect(),
            },
            processed_downward_messages: result.processed_downward_messages,
            hrmp_watermark: result.hrmp_watermark,
        }
    }

    /// As lines of an output.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  head          {}", self.head.words())?;
        if let Some(code) = &self.new_code {
            writeln!(
                out,
                "  new code      {}, {}",
                size(code.bytes as u64),
                code.hash
            )?;
        }
        let (up, across) = (&self.upward_messages, &self.horizontal_messages);
        writeln!(
            out,
            "  messages      {} to the relay chain ({} B), {} to parachains ({} B), {} from the relay chain processed",
            up.count, up.bytes, across.count, across.bytes, self.processed_downward_messages
        )?;
        if up.signals > 0 {
            writeln!(out, "  signals       {}", up.signals)?;
        }
        for to in across.recipients.iter().take(MOST_ITEMS) {
            writeln!(
                out,
                "                to {}: {} ({} B)",
                to.recipient, to.count, to.bytes
            )?;
        }
        writeln!(out, "  watermark     {}", self.hrmp_watermark)
    }
}

impl BlockDataJson {
    /// Of block data, decompressed.
    pub fn new(bytes: &[u8]) -> Self {
        let read = BlockData::from_bytes(bytes);
        let error = read.as_ref().err().map(ToString::to_string);
        let data = read.ok();
        let data = data.as_ref();
        Self {
            bytes: bytes.len(),
            version: data.map(|it| it.version),
            error,
            block_count: data.map(|it| it.blocks.len()),
            blocks: data.map_or_else(Vec::new, |it| {
                let blocks = it.blocks.iter().take(MOST_ITEMS);
                blocks.map(BlockJson::new).collect()
            }),
            proof_nodes: data.map(|it| it.proof.count),
            proof_bytes: data.map(|it| it.proof.bytes),
            scheduling_headers: data
                .and_then(|it| it.scheduling.as_ref())
                .map(|it| it.headers().count()),
        }
    }

    /// As lines of an output.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  block data    {}", size(self.bytes as u64))?;
        if let Some(error) = &self.error {
            return writeln!(out, "                not those of cumulus: {error}");
        }
        if let Some((version, blocks)) = self.version.zip(self.block_count) {
            let noun = if blocks == 1 { "block" } else { "blocks" };
            writeln!(out, "  version       {version}, {blocks} {noun}")?;
        }
        if let (Some(nodes), Some(bytes)) = (self.proof_nodes, self.proof_bytes) {
            writeln!(out, "  proof         {nodes} nodes, {}", size(bytes as u64))?;
        }
        if let Some(headers) = self.scheduling_headers {
            writeln!(out, "  scheduling    {headers} headers of the relay chain")?;
        }
        for block in &self.blocks {
            block.text(out)?;
        }
        Ok(())
    }
}

impl BlockJson {
    fn new(block: &pvf_primitives::Block<'_>) -> Self {
        Self {
            header: HeaderJson::new(&block.header),
            extrinsics: block.extrinsics.count,
            extrinsics_bytes: block.extrinsics.bytes,
            largest_extrinsic: block.extrinsics.largest,
        }
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let header = &self.header;
        writeln!(out, "  block {}", header.number)?;
        writeln!(out, "    hash        {}", header.hash)?;
        writeln!(out, "    parent      {}", header.parent_hash)?;
        writeln!(out, "    state root  {}", header.state_root)?;
        let digest: Vec<String> = header.digest.iter().map(DigestJson::words).collect();
        writeln!(out, "    digest      {}", digest.join(", "))?;
        writeln!(
            out,
            "    extrinsics  {} ({}, the largest {})",
            self.extrinsics,
            size(self.extrinsics_bytes as u64),
            size(self.largest_extrinsic as u64)
        )
    }
}

impl ParamsJson {
    /// Of the parameters and their extension.
    pub fn new(params: &ValidationParams, extension: Option<&ValidationParamsExtension>) -> Self {
        Self {
            parent_head: HeadJson::new(&params.parent_head),
            block_data: BlockDataJson::new(&params.block_data),
            relay_parent_number: params.relay_parent_number,
            relay_parent_storage_root: hex(&params.relay_parent_storage_root),
            extension: extension.map(
                |ValidationParamsExtension::V3 {
                     relay_parent,
                     scheduling_parent,
                 }| {
                    ExtensionJson {
                        relay_parent: hex(relay_parent),
                        scheduling_parent: hex(scheduling_parent),
                    }
                },
            ),
        }
    }

    /// As lines of an output.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  parent        {}", self.parent_head.words())?;
        writeln!(
            out,
            "  relay parent  {}, storage root {}",
            self.relay_parent_number, self.relay_parent_storage_root
        )?;
        if let Some(extension) = &self.extension {
            writeln!(
                out,
                "  extension     relay parent {}, scheduling parent {}",
                extension.relay_parent, extension.scheduling_parent
            )?;
        }
        self.block_data.text(out)
    }
}
