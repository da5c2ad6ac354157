//! All host functions in real jobs: behind all barriers, without each of them, as user `nobody`,
//! and with different stack limits. The answers equal those of an execution without a sandbox, byte
//! for byte, and the results of `sp-io`.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod native;

use calls::{Argument, Call, Sequence};
use common::*;
use native::Native;
use pvf_compiler::{FuncType, ValType};
use pvf_node_protocol::{ExecuteRequest, JobResponse, SecurityStatus};
use pvf_primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams, ValidationParams};
use pvf_worker::{ExecuteJob, Validation};
use sp_wasm_interface::{Function, HostFunctions};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `__heap_base` of the modules.
const HEAP_BASE: u32 = 2048;

/// Address of the candidate: the first allocation, after its header.
const CANDIDATE: u32 = HEAP_BASE + 8;

/// Address of the block data, after an empty head and a length of 4 bytes.
const BLOCK: u32 = CANDIDATE + 5;

/// Bytes for the arguments of a call.
const SLOTS: usize = 5 * 8;

/// Bytes of the memory, from the candidate on, that are part of the result.
const SEEN: u32 = 90_000;

const PAGES: u32 = 3;

fn params() -> ExecutorParams {
    let curves = ExecutorHostFunction::EccRfc163;
    ExecutorParams(vec![ExecutorParam::EnabledHostFunction(curves)])
}

fn functions() -> BTreeMap<&'static str, FuncType> {
    pvf_validation::function_types(true).into_iter().collect()
}

/// A module that makes these calls, and returns the result of the last one and a part of the
/// memory.
fn module_of(sequence: &Sequence) -> Vec<u8> {
    let types = functions();
    let name = |ty: &ValType| match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        other => panic!("no host function takes {other:?}"),
    };
    let (mut imports, mut body) = (String::new(), String::new());
    for (number, call) in sequence.iter().enumerate() {
        let ty = &types[&*call.name];
        let parameters: String = ty
            .params
            .iter()
            .map(|ty| format!(" {}", name(ty)))
            .collect();
        let results: String = ty
            .results
            .iter()
            .map(|ty| format!(" (result {})", name(ty)))
            .collect();
        imports += &format!(
            r#"(import "env" "{}" (func $f{number} (param{parameters}){results}))"#,
            call.name
        );
        let start = BLOCK as usize + number * SLOTS;
        let load = |(index, ty): (usize, &ValType)| {
            format!(
                "({}.load offset={} (i32.const 0))",
                name(ty),
                start + 8 * index
            )
        };
        let arguments: String = ty.params.iter().enumerate().map(load).collect();
        let call = format!("(call $f{number} {arguments})");
        body += &match ty.results.first() {
            None => format!("{call} (local.set $result (i64.const 0))"),
            Some(ValType::I32) => format!("(local.set $result (i64.extend_i32_u {call}))"),
            Some(_) => format!("(local.set $result {call})"),
        };
    }
    let head = 8 + SEEN;
    parse(&format!(
        r#"(module {imports}
            (memory (export "memory") {PAGES})
            (global (export "__heap_base") i32 (i32.const {HEAP_BASE}))
            (func (export "validate_block") (param i32 i32) (result i64)
                (local $result i64)
                {body}
                (i32.store (i32.const {before}) (i32.const {length}))
                (i64.store (i32.const {result}) (local.get $result))
                (i64.store (i32.const {end}) (i64.const 0))
                (i64.store offset=3 (i32.const {end}) (i64.const 0))
                (i64.const {returned})))"#,
        before = CANDIDATE - 12,
        length = head << 2 | 2,
        result = CANDIDATE - 8,
        end = CANDIDATE + SEEN,
        returned = u64::from(4 + head + 11) << 32 | u64::from(CANDIDATE - 12),
    ))
}

/// Block data with the arguments of these calls, and the arguments themselves.
fn block_data(sequence: &Sequence) -> (Vec<u8>, Vec<Vec<u64>>) {
    let mut tail: Vec<u8> = Vec::new();
    let head = sequence.len() * SLOTS;
    let mut slots = Vec::new();
    for call in sequence {
        let mut add = |bytes: &[u8]| {
            let address = u64::from(BLOCK) + (head + tail.len()) as u64;
            tail.extend_from_slice(bytes);
            address
        };
        let slot = |argument: &Argument| match argument {
            Argument::Number(number) => *number,
            Argument::Pointer(bytes) => add(bytes),
            Argument::Bytes(bytes) => (bytes.len() as u64) << 32 | add(bytes),
            Argument::Candidate => CANDIDATE.into(),
        };
        slots.push(call.arguments.iter().map(slot).collect::<Vec<u64>>());
    }
    let mut data = Vec::new();
    for slots in &slots {
        let mut bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.to_le_bytes()).collect();
        bytes.resize(SLOTS, 0);
        data.extend(bytes);
    }
    data.extend(tail);
    // The compact encoding of this length takes 4 bytes, as `BLOCK` assumes.
    data.resize(data.len().max(1 << 14), 0);
    assert!(data.len() < SEEN as usize / 2, "{sequence:?}");
    (data, slots)
}

struct Case {
    sequence: Sequence,
    artifact: Vec<u8>,
    request: ExecuteRequest,
    /// The answer of an execution without a sandbox.
    expected: JobResponse,
}

impl Case {
    /// Name of the function under test, the last of the sequence.
    fn name(&self) -> &str {
        let last: Option<&Call> = self.sequence.last();
        last.map_or("", |call| &call.name)
    }

    fn succeeds(&self) -> bool {
        matches!(self.expected, JobResponse::Ok { .. })
    }

    fn check(&self, response: pvf_node_protocol::ExecuteResponse, context: &str) {
        let response =
            response.unwrap_or_else(|error| panic!("{context}: {:?}: {error}", self.sequence));
        assert!(
            response.job_response == self.expected,
            "{context}: {:?}: {:.500?} instead of {:.500?}",
            self.sequence,
            response.job_response,
            self.expected
        );
    }
}

fn cases() -> Vec<Case> {
    let mut preparing = Host::preparing();
    let mut artifacts: BTreeMap<Vec<String>, Vec<u8>> = BTreeMap::new();
    let parameters = pvf_worker::parameters::host(&params());
    let cases = calls::sequences().into_iter().map(|sequence| {
        let names: Vec<String> = sequence.iter().map(|call| call.name.clone()).collect();
        let artifact = artifacts.entry(names).or_insert_with(|| {
            let mut request = preparation(&module_of(&sequence));
            request.executor_params = params();
            preparing.prepare(&request).expect("prepares").1
        });
        let mut request = execution(artifact);
        request.pov.block_data = block_data(&sequence).0;
        let params = ValidationParams {
            parent_head: Vec::new(),
            block_data: request.pov.block_data.clone(),
            relay_parent_number: request.pvd.relay_parent_number,
            relay_parent_storage_root: request.pvd.relay_parent_storage_root,
        };
        let module = load(artifact);
        let pvf = pvf_validation::Pvf::new(module, parameters.clone());
        let candidate = parity_scale_codec::Encode::encode(&params);
        let expected = Validation.execute(&pvf, &candidate).expect("it ends");
        Case {
            sequence,
            artifact: artifact.clone(),
            request,
            expected,
        }
    });
    cases.collect()
}

/// Loads an artifact in this process.
fn load(artifact: &[u8]) -> pvf_validation::Module {
    let scratch = Scratch::new();
    let path = scratch.0.join("artifact");
    std::fs::write(&path, artifact).expect("writes");
    let file = std::fs::File::open(&path).expect("opens");
    // SAFETY: our prepare worker made the artifact, and no process changes the file.
    unsafe { pvf_validation::Module::open(&file) }.expect("loads")
}

/// Compares a worker's answers to all cases.
fn check_all(mut host: Host, cases: &[Case], context: &str) {
    host.shake(&params());
    for case in cases {
        case.check(host.execute(&case.artifact, &case.request), context);
    }
}

/// Functions of which no call succeeds, in any node: those that need a keystore, and
/// `ed25519_batch_verify`.
fn never_succeeds(name: &str) -> bool {
    let keystore = ["_generate_", "_public_keys_", "_sign_"];
    keystore.iter().any(|part| name.contains(part)) || name.contains("ed25519_batch_verify")
}

/// Functions without an argument that could be wrong.
fn never_fails(name: &str) -> bool {
    name.contains("max_level") || name.contains("print_num")
}

#[test]
fn every_function_is_called_and_answers_as_without_a_sandbox() {
    let cases = cases();
    let all: BTreeSet<&str> = functions().into_keys().collect();
    assert_eq!(all.len(), 65);
    let called = |succeeds: bool| -> BTreeSet<&str> {
        cases
            .iter()
            .filter(|case| case.succeeds() == succeeds)
            .map(Case::name)
            .collect()
    };
    let (succeeding, failing) = (called(true), called(false));
    let missed = |called: &BTreeSet<&str>, excused: fn(&str) -> bool| -> Vec<&str> {
        let missed = all
            .iter()
            .filter(|name| !called.contains(*name) && !excused(name));
        missed.copied().collect()
    };
    assert_eq!(
        missed(&succeeding, never_succeeds),
        [""; 0],
        "never called with success"
    );
    assert_eq!(
        missed(&failing, never_fails),
        [""; 0],
        "never called to fail"
    );

    let without = |leave_out: fn(&mut SecurityStatus)| {
        let mut security = SecurityStatus::ALL;
        leave_out(&mut security);
        security
    };
    for security in [
        SecurityStatus::ALL,
        without(|it| it.secure_validator_mode = false),
        without(|it| it.can_enable_landlock = false),
        without(|it| it.can_enable_seccomp = false),
        without(|it| it.can_unshare_user_namespace_and_change_root = false),
        without(|it| it.can_do_secure_clone = false),
        SecurityStatus::NONE,
    ] {
        let host = Host::start("execute-worker", security);
        check_all(host, &cases, &format!("{security:?}"));
    }
    as_nobody(&cases);
    for stack in ["64", "unlimited"] {
        let script = format!(r#"ulimit -s {stack}; exec env -i RUST_LOG= "$0" "$@""#);
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).arg(program("execute-worker"));
        let host = Host::start_program(shell, "execute-worker", SecurityStatus::ALL);
        check_all(host, &cases, &format!("ulimit -s {stack}"));
    }
}

/// Runs the cases as `nobody`: the limit of processes applies to `nobody`, and not to root. Only
/// root can change the user.
fn as_nobody(cases: &[Case]) {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for security in [
        SecurityStatus::ALL,
        SecurityStatus {
            can_enable_seccomp: false,
            ..SecurityStatus::ALL
        },
        SecurityStatus::NONE,
    ] {
        let copy = Scratch::new();
        let worker = copy.0.join("polkadot-execute-worker");
        let copied = Command::new("cp")
            .arg(program("execute-worker"))
            .arg(&worker)
            .status();
        assert!(copied.expect("copies").success());
        let mut nobody = Command::new(&worker);
        nobody.uid(NOBODY).gid(NOBODY);
        let host = Host::start_owned(nobody, "execute-worker", security, "", |path| {
            let open = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(path, open).expect("it is ours");
        });
        check_all(host, cases, &format!("as nobody, {security:?}"));
    }
}

/// Functions whose results depend on the environment, or which we implement in another way.
fn is_another(name: &str) -> bool {
    ["batch", "max_level", "runtime_version"]
        .iter()
        .any(|part| name.contains(part))
}

#[test]
fn answers_equal_the_results_of_sp_io() {
    type Base = (
        sp_io::misc::HostFunctions,
        sp_io::crypto::HostFunctions,
        sp_io::hashing::HostFunctions,
        sp_io::allocator::HostFunctions,
        sp_io::logging::HostFunctions,
        sp_io::trie::HostFunctions,
        sp_crypto_ec_utils::HostFunctionsRfc163,
    );
    let functions: BTreeMap<&str, &dyn Function> = Base::host_functions()
        .into_iter()
        .map(|function| (function.name(), function))
        .collect();
    let mut compared = 0;
    for case in cases().iter().filter(|case| !is_another(case.name())) {
        let params = ValidationParams {
            parent_head: Vec::new(),
            block_data: case.request.pov.block_data.clone(),
            relay_parent_number: case.request.pvd.relay_parent_number,
            relay_parent_storage_root: case.request.pvd.relay_parent_storage_root,
        };
        let candidate = parity_scale_codec::Encode::encode(&params);
        let mut native = Native::new(PAGES as usize, HEAP_BASE, &candidate);
        let (_, slots) = block_data(&case.sequence);
        let result = native.call(functions[case.name()], &slots[0]);
        match (&case.expected, result) {
            (JobResponse::Ok { result_descriptor }, Some(result)) => {
                let head = &result_descriptor.head_data;
                assert_eq!(head[..8], result.to_le_bytes(), "{:?}", case.sequence);
                let seen = native.memory(CANDIDATE as usize, SEEN as usize);
                assert!(head[8..] == *seen, "{:?}", case.sequence);
            }
            (JobResponse::InvalidCandidate(_), None) => {}
            (ours, result) => panic!("{:?}: {ours:.300?}, sp-io: {result:?}", case.sequence),
        }
        compared += 1;
    }
    assert!(compared > 350, "{compared}");
}

/// Each key is a prefix of the next, so the trie is one long path, along which the host function
/// recurses.
#[test]
fn deep_recursion_in_a_host_function_does_not_depend_on_the_stack_limit() {
    let levels = 2000;
    let code = parse(&format!(
        r#"(module
            (import "env" "ext_trie_blake2_256_root_version_1" (func $root (param i64) (result i32)))
            (memory (export "memory") 200)
            (global (export "__heap_base") i32 (i32.const 2048))
            (data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
            (func $length (param $p i32) (param $i i32) (result i32)
                (if (i32.lt_u (local.get $i) (i32.const 64))
                    (then
                        (i32.store8 (local.get $p) (i32.shl (local.get $i) (i32.const 2)))
                        (return (i32.add (local.get $p) (i32.const 1)))))
                (i32.store16 (local.get $p) (i32.or (i32.shl (local.get $i) (i32.const 2)) (i32.const 1)))
                (i32.add (local.get $p) (i32.const 2)))
            (func (export "validate_block") (param i32 i32) (result i64)
                (local $p i32) (local $i i32)
                (local.set $p (call $length (i32.const 1048576) (i32.const {levels})))
                (loop $next
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (local.set $p (i32.add (i32.const 1)
                        (i32.add (local.get $i) (call $length (local.get $p) (local.get $i)))))
                    (br_if $next (i32.lt_u (local.get $i) (i32.const {levels}))))
                (drop (call $root (i64.or (i64.const 1048576) (i64.shl
                    (i64.extend_i32_u (i32.sub (local.get $p) (i32.const 1048576))) (i64.const 32)))))
                (i64.const 0xf00000010)))"#
    ));
    let (_, artifact) = Host::preparing()
        .prepare(&preparation(&code))
        .expect("prepares");
    for stack in ["64", "256", "unlimited"] {
        let script = format!(r#"ulimit -s {stack}; exec env -i RUST_LOG= "$0" "$@""#);
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).arg(program("execute-worker"));
        let mut host = Host::start_program(shell, "execute-worker", SecurityStatus::ALL);
        host.shake(&ExecutorParams::default());
        let said = said(host.execute(&artifact, &execution(&artifact)));
        assert!(
            matches!(said, JobResponse::Ok { .. }),
            "ulimit -s {stack}: {said:?}"
        );
    }
}
