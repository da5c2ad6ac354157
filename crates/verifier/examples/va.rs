use pvf_compiler::*;
use pvf_verifier::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let blob = std::fs::read(&args[1]).unwrap();
    let wasm = sp_maybe_compressed_blob::decompress(&blob, 64 << 20).unwrap();
    let mut o = CompileOptions::new(pvf_rules::Features::POLKADOT);
    o.target = Target::Aarch64;
    o.metering.logical_stack = true;
    let t = std::time::Instant::now();
    let a = compile(&wasm, &o).unwrap();
    let c = t.elapsed();
    if args[2] == "c" { return; }
    for _ in 0..args[2].parse().unwrap() {
    let t = std::time::Instant::now();
    let info = &a.module;
    let functions: Vec<_> = info.functions.iter().map(|f| FunctionCode { offset: f.code_offset, bytes: f.code_bytes, signature: f.signature, frame_bytes: f.frame_bytes, logical_cost: f.logical_cost }).collect();
    let sites: Vec<_> = a.traps.sites().map(|s| pvf_verifier::TrapSite { code_offset: s.code_offset, wasm_offset: s.wasm_offset, kind: s.kind }).collect();
    let module = Module::read(&wasm).unwrap();
    let code = MachineCode { settings: Settings { instruction_set: InstructionSet::Aarch64, native_stack: pvf_verifier::NativeStack::Enforced, logical_stack: true, logical_counter: info.logical_counter, gas: GasMeter::Off }, code: &a.code, functions: &functions, entry_stubs: &info.entry_stubs, sites: &sites };
    let r = verify(&module, &code);
    let v = t.elapsed();
    println!("{r:?} compile {c:?} verify {v:?} {:.1} %", 100.0 * v.as_secs_f64() / c.as_secs_f64());
    }
}
