//! The subsystems of a node that ask the PVF host, under the node's own overseer: candidate
//! validation, whose answers become statements, approvals and dispute votes, and the PVF checker,
//! which signs and hands in votes on new code.

mod overseer;
mod relay_chain;

use crate::Places;
use crate::cases::{self, Chain};
use overseer::{Overseer, Question, leaf};
use parity_scale_codec::Decode;
use polkadot_node_primitives::{InvalidCandidate, ValidationResult as Verdict};
use polkadot_node_subsystem::messages::{PvfExecKind, ValidationFailed};
use polkadot_overseer::prometheus::prometheus::proto::MetricType;
use polkadot_parachain_primitives::primitives::ValidationResult;
use polkadot_primitives::{
    CandidateCommitments, CandidateDescriptorV2, CandidateReceiptV2, Hash, Id, ValidationCode,
};
use sp_core::{Pair as _, sr25519};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

/// Codes that break rules. Whether they do is not said here: both engines are asked.
const CODES: [(&str, &str); 8] = [
    ("nothing", "(module)"),
    (
        "no-validate-block",
        r#"(module (import "env" "memory" (memory 1)))"#,
    ),
    (
        "plain",
        r#"(module (import "env" "memory" (memory 1)) (global (export "__heap_base") i32 (i32.const 1024)) (func (export "validate_block") (param i32 i32) (result i64) i64.const 0))"#,
    ),
    (
        "sign-extension",
        r#"(module (import "env" "memory" (memory 1)) (func (export "validate_block") (param i32 i32) (result i64) i64.const 0 i64.extend8_s))"#,
    ),
    (
        "simd",
        r#"(module (import "env" "memory" (memory 1)) (func (export "validate_block") (param i32 i32) (result i64) v128.const i64x2 0 0 i64x2.extract_lane 0))"#,
    ),
    (
        "multi-value",
        r#"(module (import "env" "memory" (memory 1)) (func (result i32 i32) i32.const 0 i32.const 0) (func (export "validate_block") (param i32 i32) (result i64) i64.const 0))"#,
    ),
    (
        "much-memory",
        r#"(module (import "env" "memory" (memory 60000)) (func (export "validate_block") (param i32 i32) (result i64) i64.const 0))"#,
    ),
    (
        "unknown-import",
        r#"(module (import "env" "memory" (memory 1)) (import "env" "unheard_of" (func)) (func (export "validate_block") (param i32 i32) (result i64) i64.const 0))"#,
    ),
];

/// Bytes that a candidate may have.
const LARGEST_CANDIDATE: u32 = 64 << 20;

/// What both engines' subsystems say, by the name of the question.
type Answers = BTreeMap<String, String>;

/// Asks the subsystems with both pairs of workers.
pub async fn run(places: &Places, filter: &str) -> Result<bool, Box<dyn Error>> {
    let mut chains = cases::read(&places.fixtures)?;
    if places.corpus.exists() {
        chains.extend(cases::read(&places.corpus)?);
    }
    chains.retain(|chain| chain.name.contains(filter));
    let ours = ask("ours", &places.ours, &chains).await?;
    let stock = ask("stock", &places.stock()?, &chains).await?;
    let mut differ = 0;
    for (name, said) in &ours.answers {
        let stock = stock.answers.get(name).map_or("nothing", String::as_str);
        if said != stock {
            differ += 1;
            println!("{name}: ours {said}, stock {stock}");
        }
    }
    let wrong = ours.wrong + stock.wrong;
    println!(
        "{} answers of each, {differ} differ, {wrong} not as recorded",
        ours.answers.len()
    );
    Ok(differ == 0 && wrong == 0 && ours.answers.len() == stock.answers.len())
}

/// What was said with one pair of workers.
struct Said {
    answers: Answers,
    /// How many answers are not what the case has recorded.
    wrong: usize,
}

async fn ask(engine: &str, workers: &Path, chains: &[Chain]) -> Result<Said, Box<dyn Error>> {
    let codes = codes(chains)?;
    let bytes: Vec<Vec<u8>> = codes.iter().map(|code| code.bytes.clone()).collect();
    let mut overseer = Overseer::start(workers, &bytes).await?;
    let mut said = Said {
        answers: Answers::new(),
        wrong: 0,
    };
    let mut note = |name: String, answer: String, expected: Option<String>| {
        if expected.is_some_and(|expected| expected != answer) {
            println!("{engine}: {name}: {answer}");
            said.wrong += 1;
        }
        said.answers.insert(name, answer);
    };
    for vote in overseer.votes().await? {
        let signed = vote.statement.signing_payload();
        let key = sr25519::Public::from(overseer.validator.clone());
        let signature = sr25519::Signature::from(vote.signature.clone());
        let valid = sr25519::Pair::verify(&signature, signed, &key);
        let subject = vote.statement.subject;
        let of = |code: &&Code| ValidationCode(code.bytes.clone()).hash() == subject;
        for code in codes.iter().filter(of) {
            let text = |accept| format!("signed {valid}, accept {accept}");
            let name = format!("vote on {}", code.name);
            note(name, text(vote.statement.accept), code.vote.map(text));
        }
    }
    for chain in chains {
        for asked in questions(chain)? {
            for (kind_name, kind) in [
                ("backing", PvfExecKind::Backing(leaf())),
                ("approval", PvfExecKind::Approval),
                ("dispute", PvfExecKind::Dispute),
            ] {
                let answer = text(&overseer.validate(&asked.question, kind).await?);
                note(
                    format!("{kind_name} {}", asked.name),
                    answer,
                    Some(asked.expected.clone()),
                );
            }
        }
    }
    times(engine, &overseer);
    overseer.stop().await?;
    Ok(said)
}

/// A code to vote on.
struct Code {
    name: String,
    bytes: Vec<u8>,
    /// The vote, if it is known without asking an engine.
    vote: Option<bool>,
}

/// All codes to vote on.
fn codes(chains: &[Chain]) -> Result<Vec<Code>, Box<dyn Error>> {
    let mut codes = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>, vote| codes.push(Code { name, bytes, vote });
    for chain in chains {
        let half = chain.code[..chain.code.len() / 2].to_vec();
        add(format!("half of {}", chain.name), half, Some(false));
        add(chain.name.clone(), chain.code.clone(), Some(true));
    }
    for (name, text) in CODES {
        add(name.to_owned(), wat::parse_str(text)?, None);
    }
    Ok(codes)
}

/// A question with what has to be answered.
struct Asked {
    name: String,
    question: Question,
    expected: String,
}

/// The questions about a chain's candidates.
fn questions(chain: &Chain) -> Result<Vec<Asked>, Box<dyn Error>> {
    let mut questions = Vec::new();
    let mut lied_about = false;
    for case in &chain.cases {
        let mut pvd = (*case.candidate.pvd).clone();
        // The parachain's code does not see it. Some cases are larger than a network allows.
        pvd.max_pov_size = LARGEST_CANDIDATE;
        let commitments = match &case.result {
            Some(result) => {
                let result = ValidationResult::decode(&mut &result[..])?;
                CandidateCommitments {
                    upward_messages: result.upward_messages,
                    horizontal_messages: result.horizontal_messages,
                    new_validation_code: result.new_validation_code,
                    head_data: result.head_data,
                    processed_downward_messages: result.processed_downward_messages,
                    hrmp_watermark: result.hrmp_watermark,
                }
            }
            None => CandidateCommitments::default(),
        };
        let code = ValidationCode(chain.code.clone());
        let describe = |pov_hash: Hash, para_head: Hash| {
            CandidateDescriptorV2::new_v1(
                Id::from(2000),
                leaf(),
                pvd.hash(),
                pov_hash,
                Hash::zero(),
                para_head,
                code.hash(),
            )
        };
        let pov_hash = case.candidate.pov.hash();
        let para_head = commitments.head_data.hash();
        let question = |descriptor, commitments_hash| Question {
            code: code.clone(),
            pvd: pvd.clone(),
            pov: case.candidate.pov.clone(),
            receipt: CandidateReceiptV2 {
                descriptor,
                commitments_hash,
            },
        };
        let hash = commitments.hash();
        let expected = match case.result {
            Some(_) => format!("valid, commitments {hash:?}"),
            None => "invalid: ExecutionError".to_owned(),
        };
        let honest = question(describe(pov_hash, para_head), hash);
        questions.push(Asked {
            name: case.name.clone(),
            question: honest,
            expected,
        });
        // Receipts that lie about a valid candidate, once a chain.
        if case.result.is_none() || lied_about {
            continue;
        }
        lied_about = true;
        let lie = Hash::repeat_byte(0xee);
        for (what, descriptor, commitments, answer) in [
            (
                "commitments",
                describe(pov_hash, para_head),
                lie,
                "CommitmentsHashMismatch",
            ),
            (
                "head",
                describe(pov_hash, lie),
                hash,
                "ParaHeadHashMismatch",
            ),
            (
                "candidate",
                describe(lie, para_head),
                hash,
                "PoVHashMismatch",
            ),
        ] {
            let name = format!("{} with other {what}", case.name);
            questions.push(Asked {
                name,
                question: question(descriptor, commitments),
                expected: format!("invalid: {answer}"),
            });
        }
    }
    Ok(questions)
}

/// An answer without the engine's own words.
fn text(answer: &Result<Verdict, ValidationFailed>) -> String {
    match answer {
        Ok(Verdict::Valid(commitments, _)) => {
            format!("valid, commitments {:?}", commitments.hash())
        }
        Ok(Verdict::Invalid(InvalidCandidate::ExecutionError(_))) => {
            "invalid: ExecutionError".to_owned()
        }
        Ok(Verdict::Invalid(why)) => format!("invalid: {why:?}"),
        Err(ValidationFailed(_)) => "no vote".to_owned(),
    }
}

/// Prints the means of what the subsystem and the host have measured.
fn times(engine: &str, overseer: &Overseer) {
    for family in overseer.registry.gather() {
        if family.get_field_type() != MetricType::HISTOGRAM {
            continue;
        }
        let wanted = [
            "preparation_time",
            "execution_time",
            "validate_from_exhaustive",
        ];
        if !wanted.iter().any(|name| family.get_name().ends_with(name)) {
            continue;
        }
        for metric in family.get_metric() {
            let histogram = metric.get_histogram();
            let count = histogram.get_sample_count();
            let mean = histogram.get_sample_sum() * 1e3 / (count.max(1) as f64);
            println!(
                "{engine}: {} {count} times, mean {mean:.1} ms",
                family.get_name()
            );
        }
    }
}
