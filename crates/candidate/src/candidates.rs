//! Candidates of a chain's blocks, and whether they are what was built.

use crate::block::Block;
use crate::candidate::{Bytes, Corruption, ProofForm, extrinsics_root, write};
use crate::chain::{Chain, Options, grow};
use crate::error::Error;
use crate::last_error::LastError;
use crate::runtime::Runtime;
use crate::script::Script;
use crate::source::Source;
use parity_scale_codec::Decode;
use pvf_executor::{Execution, Outcome};
use pvf_primitives::{BoundedMessages, HorizontalMessage, ValidationResult};
use pvf_validation::Pvf;
use serde::Serialize;
use std::sync::Arc;

/// The blocks of a script, whose candidates can be written.
pub struct Candidates {
    chain: Chain,
    form: ProofForm,
    pvf: Pvf,
    last_error: LastError,
}

/// What is known of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// The runtime's name.
    pub spec_name: String,
    /// The runtime's version.
    pub spec_version: u32,
    /// The parachain's identifier.
    pub para_id: u32,
    /// Where the genesis state is from.
    pub genesis: String,
    /// Hash of the genesis block.
    pub genesis_hash: String,
    /// Number of the block.
    pub number: u32,
    /// Hash of the block.
    pub block_hash: String,
    /// Extrinsics, inherents among them.
    pub extrinsics: usize,
    /// Inherents.
    pub inherents: usize,
    /// Extrinsics of `call` and `bare` whose dispatch failed.
    pub failed_dispatches: usize,
    /// Number of the relay parent.
    pub relay_parent_number: u32,
    /// Length of the parachain's slots in milliseconds.
    pub slot_milliseconds: u64,
    /// Whether the author seals blocks with Aura.
    pub sealed: bool,
    /// How the proof is written: `compact` or `plain`.
    pub proof_form: &'static str,
}

impl Candidates {
    /// Builds all blocks of a script, and checks that the candidate of the first is valid.
    ///
    /// # Errors
    /// A block cannot be built, or its candidate is not valid.
    pub fn build(source: &Source, script: &Script, options: &Options) -> Result<Self, Error> {
        let runtime = Arc::new(Runtime::new(&source.code)?);
        let chain = grow(source, &runtime, script, options)?;
        let last_error = LastError::default();
        let mut this = Self {
            pvf: Pvf::new(runtime.module.clone(), last_error.host_parameters()),
            chain,
            form: ProofForm::Compact,
            last_error,
        };
        // No interface says which form a runtime takes; one of them is valid.
        let Err(error) = this.check(0) else {
            return Ok(this);
        };
        this.form = ProofForm::Plain;
        this.check(0).map_err(|_| error)?;
        Ok(this)
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        self.chain.blocks.len()
    }

    /// The candidate of a block, by its position from 0.
    ///
    /// # Errors
    /// There is no such block, or it has nothing that could be corrupted so.
    pub fn write(&self, index: usize, corruption: Option<Corruption>) -> Result<Bytes, Error> {
        write(
            &self.chain.author,
            self.block(index)?,
            self.form,
            corruption,
        )
    }

    /// The candidate of the last block.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn last(&self) -> Result<Bytes, Error> {
        self.write(self.count().saturating_sub(1), None)
    }

    /// The result that a validation function has to return for a block, as far as the block's own
    /// runtime says it: all of it for runtimes since 2022, the head data for older ones.
    ///
    /// # Errors
    /// There is no such block, or the runtime's answer does not decode.
    pub fn expected(&self, index: usize) -> Result<Expected, Error> {
        let block = self.block(index)?;
        let head_data = block.sealed().encode();
        let Some(collation) = &block.collation else {
            return Ok(Expected {
                head_data,
                rest: None,
            });
        };
        let collation = Collation::decode(&mut &collation[..]).map_err(
            crate::error::undecodable("CollectCollationInfo_collect_collation_info"),
        )?;
        Ok(Expected {
            head_data,
            rest: Some(collation),
        })
    }

    /// Whether the candidate of a block is valid and its result is what the block's own runtime
    /// says. Returns the validation.
    ///
    /// # Errors
    /// [`Error::Disagreement`] says what is different.
    pub fn check(&self, index: usize) -> Result<Execution, Error> {
        let block = self.block(index)?;
        let root = extrinsics_root(&self.chain.author, &block.extrinsics);
        if root != block.header.extrinsics_root {
            let what = "the extrinsics' root is not the header's";
            return Err(Error::Disagreement(what.to_owned()));
        }
        let (execution, reason) = self.judge(&self.write(index, None)?.params)?;
        if let Some(reason) = reason {
            return Err(Error::Disagreement(format!("it is not valid: {reason}")));
        }
        if let Outcome::Valid(result) = &execution.outcome {
            let result = ValidationResult::from_bytes(result)
                .map_err(crate::error::undecodable("validate_block"))?;
            if let Some(what) = self.expected(index)?.difference(&result) {
                let what = format!("the validation function returns {what}");
                return Err(Error::Disagreement(what));
            }
        }
        Ok(execution)
    }

    /// Validates parameters with the runtime. If they are not valid, returns the reason as well:
    /// the panic's message, where the runtime logs it.
    ///
    /// # Errors
    /// This machine failed.
    pub fn judge(&self, params: &[u8]) -> Result<(Execution, Option<String>), Error> {
        self.last_error.take();
        let execution = self.pvf.validate(params)?;
        let reason = match &execution.outcome {
            Outcome::Valid(_) => None,
            Outcome::Invalid { reason, .. } => {
                Some(self.last_error.take().unwrap_or_else(|| reason.clone()))
            }
            Outcome::Rejected(rejection) => Some(rejection.to_string()),
        };
        Ok((execution, reason))
    }

    /// What the state after the last block has under a key.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.chain.state.get(key)
    }

    /// What is known of the candidate of a block.
    ///
    /// # Errors
    /// There is no such block.
    pub fn about(&self, index: usize) -> Result<About, Error> {
        let block = self.block(index)?;
        let version = &self.chain.author.runtime.version;
        Ok(About {
            spec_name: version.spec_name.clone(),
            spec_version: version.spec_version,
            para_id: self.chain.para_id,
            genesis: self.chain.genesis_origin.clone(),
            genesis_hash: format!("{:?}", self.chain.genesis.hash()),
            number: block.header.number,
            block_hash: format!("{:?}", block.sealed().hash()),
            extrinsics: block.extrinsics.len(),
            inherents: block.inherents,
            failed_dispatches: block.failed_dispatches,
            relay_parent_number: block.relay_number,
            slot_milliseconds: self.chain.author.slot_milliseconds,
            sealed: block.seal.is_some(),
            proof_form: match self.form {
                ProofForm::Compact => "compact",
                ProofForm::Plain => "plain",
            },
        })
    }

    fn block(&self, index: usize) -> Result<&Block, Error> {
        let count = self.count();
        let found = self.chain.blocks.get(index);
        found.ok_or_else(|| Error::Source(format!("there is no block {index} of {count}")))
    }
}

/// What a validation function has to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The head data: the block's header with its seal.
    pub head_data: Vec<u8>,
    rest: Option<Collation>,
}

/// The result of `CollectCollationInfo`, without the head data, which its first version lacks.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
struct Collation {
    upward_messages: Vec<Vec<u8>>,
    horizontal_messages: Vec<(u32, Vec<u8>)>,
    new_validation_code: Option<Vec<u8>>,
    processed_downward_messages: u32,
    hrmp_watermark: u32,
}

impl Expected {
    /// What is different in a result, in words.
    pub fn difference(&self, result: &ValidationResult) -> Option<&'static str> {
        if result.head_data != self.head_data {
            return Some("other head data");
        }
        let expected = self.rest.as_ref()?;
        let horizontal = expected.horizontal_messages.iter();
        let horizontal = horizontal.map(|(recipient, data)| HorizontalMessage {
            recipient: *recipient,
            data: data.clone(),
        });
        let horizontal = BoundedMessages(horizontal.collect());
        if result.upward_messages.0 != expected.upward_messages {
            Some("other messages to the relay chain")
        } else if result.horizontal_messages != horizontal {
            Some("other messages to parachains")
        } else if result.new_validation_code != expected.new_validation_code {
            Some("other new code")
        } else if result.processed_downward_messages != expected.processed_downward_messages {
            Some("another number of processed messages")
        } else if result.hrmp_watermark != expected.hrmp_watermark {
            Some("another watermark")
        } else {
            None
        }
    }
}
