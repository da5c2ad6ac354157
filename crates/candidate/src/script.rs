//! Scripts: what the blocks of a chain hold.
//!
//! A script is text, one step a line. `#` begins a comment. The candidate is the last block.
//!
//! | step | meaning |
//! | --- | --- |
//! | `block` | begins a block; the first block needs no such line |
//! | `blocks N` | N blocks without steps, and then begins a block |
//! | `transfer N [SCHEME]` | N transfers, each from its own account to a new one, signed by `sr25519` (default), `ed25519`, `ecdsa` or, in turn, all of them (`mixed`) |
//! | `fill N [SCHEME]` | the same, but only as many as the block has room for |
//! | `batch N` | one batch of N transfers to new accounts |
//! | `remark BYTES` | one remark of so many bytes |
//! | `xcm-down N [VERSION]` | N messages of the relay chain, each a teleport to a new account, in this version of XCM |
//! | `downward 0xHEX` | this message of the relay chain |
//! | `upgrade BYTES`, `upgrade FILE` | announces a new validation code, of so many bytes or that of a file |
//! | `signal go-ahead`, `abort` or `restricted` | the relay chain says so of an upgrade, in this block |
//! | `call SIGNER PALLET.CALL ARGUMENTS` | a signed extrinsic, by a development key such as `//Alice` |
//! | `bare PALLET.CALL ARGUMENTS` | an extrinsic without a signature |
//!
//! Arguments are `{name: value, …}` or `(value, …)`; values are numbers, `true`, `"text"`,
//! `0x0102`, an address in SS58, `Variant(…)` and the two forms of lists again.

use crate::error::Error;
use crate::keys::Scheme;
use crate::relay::UpgradeSignal;
use crate::xcm::XcmVersion;

/// The most blocks, and the most extrinsics or messages of a line.
const MOST: u32 = 100_000;

/// The largest remark or new code in bytes.
const MOST_BYTES: u32 = 64 << 20;

/// The steps of all blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The blocks, the first on the genesis.
    pub blocks: Vec<Vec<Line>>,
}

/// A step, and the line that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of the line, from 1.
    pub number: usize,
    /// The step.
    pub step: Step,
}

/// Something that happens in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Transfers to new accounts; without a scheme, all take turns.
    Transfer {
        /// How many.
        count: u32,
        /// How they are signed.
        scheme: Option<Scheme>,
        /// Whether those for which the block has no room are left out.
        fill: bool,
    },
    /// One extrinsic with transfers to new accounts.
    Batch {
        /// How many.
        count: u32,
    },
    /// A remark.
    Remark {
        /// Its size.
        bytes: u32,
    },
    /// Teleports from the relay chain to new accounts.
    XcmDown {
        /// How many.
        count: u32,
        /// The version; without one, the newest that the runtime knows.
        version: Option<XcmVersion>,
    },
    /// A message of the relay chain.
    Downward(Vec<u8>),
    /// A new validation code.
    Upgrade(NewCode),
    /// A word of the relay chain about an upgrade.
    Signal(UpgradeSignal),
    /// An extrinsic.
    Call {
        /// The key that signs it, if it is signed.
        signer: Option<String>,
        /// The pallet.
        pallet: String,
        /// The function.
        call: String,
        /// The arguments as text.
        arguments: String,
    },
}

/// A new validation code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewCode {
    /// Bytes that are no code, of this size.
    Filler(u32),
    /// This code.
    Bytes(Vec<u8>),
}

impl Script {
    /// Reads a script. `read_file` reads the files that it names.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(
        text: &str,
        read_file: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Error> {
        let mut blocks = vec![Vec::new()];
        let mut begun = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason| Error::Script {
                line: number,
                reason,
            };
            let (word, rest) = split(line);
            match word {
                "block" | "blocks" => {
                    let empty = match word {
                        "block" if rest.is_empty() => 0,
                        "blocks" => self::number(rest, MOST).map_err(wrong)?,
                        _ => return Err(wrong("`block` takes nothing".to_owned())),
                    };
                    // The first block begins without a line as well.
                    let more = empty as usize + usize::from(begun);
                    blocks.extend(std::iter::repeat_n(Vec::new(), more));
                    if blocks.len() > MOST as usize {
                        return Err(wrong(format!("there are more than {MOST} blocks")));
                    }
                }
                _ => {
                    let step = step(word, rest, read_file).map_err(wrong)?;
                    if let Some(block) = blocks.last_mut() {
                        block.push(Line { number, step });
                    }
                }
            }
            begun = true;
        }
        Ok(Self { blocks })
    }

    /// A script of some empty blocks and a last one with these steps.
    pub fn last_block(empty_before: u32, steps: impl IntoIterator<Item = Step>) -> Self {
        let mut blocks = vec![Vec::new(); empty_before.min(MOST) as usize];
        let lines = (1..).zip(steps);
        blocks.push(lines.map(|(number, step)| Line { number, step }).collect());
        Self { blocks }
    }
}

fn step(
    word: &str,
    rest: &str,
    read_file: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Step, String> {
    Ok(match word {
        "transfer" | "fill" => {
            let (count, scheme) = split(rest);
            Step::Transfer {
                count: number(count, MOST)?,
                scheme: match scheme {
                    "" | "sr25519" => Some(Scheme::Sr25519),
                    "ed25519" => Some(Scheme::Ed25519),
                    "ecdsa" => Some(Scheme::Ecdsa),
                    "mixed" => None,
                    other => return Err(format!("there is no kind of signature `{other}`")),
                },
                fill: word == "fill",
            }
        }
        "batch" => Step::Batch {
            count: number(rest, MOST)?,
        },
        "remark" => Step::Remark {
            bytes: number(rest, MOST_BYTES)?,
        },
        "xcm-down" => {
            let (count, version) = split(rest);
            Step::XcmDown {
                count: number(count, MOST)?,
                version: match version {
                    "" => None,
                    text => Some(xcm_version(text)?),
                },
            }
        }
        "downward" => Step::Downward(hexadecimal(rest)?),
        "upgrade" => Step::Upgrade(match rest.parse::<u32>() {
            Ok(_) => NewCode::Filler(number(rest, MOST_BYTES)?),
            Err(_) if rest.is_empty() => return Err("`upgrade` takes BYTES or FILE".to_owned()),
            Err(_) => NewCode::Bytes(read_file(rest)?),
        }),
        "signal" => Step::Signal(match rest {
            "go-ahead" => UpgradeSignal::GoAhead,
            "abort" => UpgradeSignal::Abort,
            "restricted" => UpgradeSignal::Restricted,
            other => return Err(format!("there is no signal `{other}`")),
        }),
        "call" => {
            let (signer, rest) = split(rest);
            call(Some(signer.to_owned()), rest)?
        }
        "bare" => call(None, rest)?,
        other => return Err(format!("there is no step `{other}`")),
    })
}

fn call(signer: Option<String>, rest: &str) -> Result<Step, String> {
    let (name, arguments) = split(rest);
    let (pallet, call) = name
        .split_once('.')
        .ok_or_else(|| format!("`{name}` is not PALLET.CALL"))?;
    Ok(Step::Call {
        signer,
        pallet: pallet.to_owned(),
        call: call.to_owned(),
        arguments: match arguments {
            "" => "()".to_owned(),
            arguments => arguments.to_owned(),
        },
    })
}

/// The version of XCM with this number.
fn xcm_version(text: &str) -> Result<XcmVersion, String> {
    let found = XcmVersion::ALL
        .into_iter()
        .find(|version| text == version.number().to_string());
    found.ok_or_else(|| format!("there is no version `{text}` of XCM here"))
}

fn number(text: &str, most: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        Ok(number) => Err(format!("{number} is more than {most}")),
        Err(_) => Err(format!("`{text}` is no number up to {most}")),
    }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode(digits).map_err(|_| format!("`{text}` is not hexadecimal"))
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, Error> {
        Script::parse(text, &|name| match name {
            "new.wasm" => Ok(vec![1, 2]),
            other => Err(format!("no {other}")),
        })
    }

    fn steps(script: &Script) -> Vec<Vec<(usize, &Step)>> {
        let mut blocks = Vec::new();
        for block in &script.blocks {
            blocks.push(block.iter().map(|line| (line.number, &line.step)).collect());
        }
        blocks
    }

    #[test]
    fn blocks_and_steps_are_read() {
        let script = parse(
            "# two empty blocks\nblocks 2\n\ntransfer 50\n  fill 9 mixed\nblock\nremark 10\nxcm-down 3 4",
        );
        let script = script.expect("it parses");
        let transfer = |count, scheme, fill| Step::Transfer {
            count,
            scheme,
            fill,
        };
        let first = transfer(50, Some(Scheme::Sr25519), false);
        let second = transfer(9, None, true);
        let version = Some(XcmVersion::V4);
        assert_eq!(
            steps(&script),
            [
                vec![],
                vec![],
                vec![(4, &first), (5, &second)],
                vec![
                    (7, &Step::Remark { bytes: 10 }),
                    (8, &Step::XcmDown { count: 3, version })
                ]
            ]
        );
        assert_eq!(parse("").expect("it parses").blocks, [vec![]]);
        assert_eq!(parse("block").expect("it parses").blocks, [vec![]]);
        assert_eq!(
            parse("block\nblock").expect("it parses").blocks,
            [vec![], vec![]]
        );
        assert_eq!(
            Script::last_block(2, []).blocks,
            vec![Vec::<Line>::new(); 3]
        );
    }

    #[test]
    fn calls_files_and_messages_are_read() {
        let text = "call //Bob Balances.transfer_all { dest: Id(0x01), keep_alive: true }\n\
                    bare System.remark\nupgrade new.wasm\nupgrade 7\ndownward 0x0102\nsignal abort";
        let script = parse(text).expect("it parses");
        let call = |signer: Option<&str>, pallet: &str, call: &str, arguments: &str| Step::Call {
            signer: signer.map(str::to_owned),
            pallet: pallet.to_owned(),
            call: call.to_owned(),
            arguments: arguments.to_owned(),
        };
        let found: Vec<_> = script.blocks[0]
            .iter()
            .map(|line| line.step.clone())
            .collect();
        assert_eq!(
            found,
            [
                call(
                    Some("//Bob"),
                    "Balances",
                    "transfer_all",
                    "{ dest: Id(0x01), keep_alive: true }"
                ),
                call(None, "System", "remark", "()"),
                Step::Upgrade(NewCode::Bytes(vec![1, 2])),
                Step::Upgrade(NewCode::Filler(7)),
                Step::Downward(vec![1, 2]),
                Step::Signal(UpgradeSignal::Abort),
            ]
        );
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, line, reason) in [
            ("transfer", 1, "`` is no number up to 100000"),
            ("\ntransfer 100001", 2, "100001 is more than 100000"),
            ("transfer 1 rsa", 1, "there is no kind of signature `rsa`"),
            (
                "blocks 99999\nblocks 99999",
                2,
                "there are more than 100000 blocks",
            ),
            ("block 2", 1, "`block` takes nothing"),
            ("upgrade", 1, "`upgrade` takes BYTES or FILE"),
            ("upgrade old.wasm", 1, "no old.wasm"),
            ("xcm-down 1 9", 1, "there is no version `9` of XCM here"),
            ("downward 0x1", 1, "`0x1` is not hexadecimal"),
            ("signal stop", 1, "there is no signal `stop`"),
            ("call //Bob System", 1, "`System` is not PALLET.CALL"),
            ("dance", 1, "there is no step `dance`"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert_eq!(error, format!("line {line} of the script: {reason}"));
        }
    }
}
