// V8 (through Node) as an adapter for the protocol of the conformance suite; see conformance/README.md.
// Answers each line of JSON on the standard input with a line on the standard output.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

const features = ["sign-extension", "saturating-float-to-int", "multi-value", "bulk-memory", "limits", "large"];

// V8 does not distinguish some kinds of traps; then the answer lists all possible kinds.
const kinds = [
  [/unreachable/, "unreachable"],
  [/call stack/, "stack_overflow"],
  [/memory access out of bounds/, "memory_out_of_bounds"],
  [/null function or function signature/, ["undefined_element", "indirect_call_type_mismatch"]],
  [/table (index|access).*out of bounds|table index/, ["table_out_of_bounds", "undefined_element"]],
  [/(divide|remainder) by zero/, "integer_divide_by_zero"],
  [/divide result unrepresentable/, "integer_overflow"],
  [/float unrepresentable/, ["integer_overflow", "invalid_conversion_to_integer"]],
  [/element segment out of bounds/, "table_out_of_bounds"],
  [/data segment out of bounds/, "memory_out_of_bounds"],
  [/missing function/, "host_error"],
];

function trapKind(error) {
  const found = kinds.find(([pattern]) => pattern.test(error.message));
  return found ? found[1] : null;
}

function argument(text) {
  const [type, value] = text.split(":");
  if (type === "i64") return BigInt(value);
  if (type === "i32") return Number(value);
  throw new Error(`V8's interface does not keep the bits of ${text}`);
}

// JavaScript does not show the types of results: an integer within range is an i32, a BigInt an i64.
function show(value) {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap(show);
  return [typeof value === "bigint" ? `i64:${value}` : `i32:${value}`];
}

function imports(module) {
  const objects = {};
  for (const { module: space, name, kind } of WebAssembly.Module.imports(module)) {
    objects[space] ??= {};
    objects[space][name] = {
      function: () => { throw new Error("missing function"); },
      memory: kind === "memory" ? new WebAssembly.Memory({ initial: 17 }) : undefined,
    }[kind];
  }
  return objects;
}

function ask(question) {
  let module;
  try {
    module = new WebAssembly.Module(readFileSync(question.wasm));
  } catch (error) {
    return { outcome: "rejected", stage: "prepare", reason: error.message };
  }
  let instance;
  try {
    instance = new WebAssembly.Instance(module, imports(module));
  } catch (error) {
    return { outcome: "rejected", stage: "construct", reason: error.message };
  }
  let last = {};
  const steps = [];
  for (const step of question.steps) {
    const call = instance.exports[step.invoke];
    if (typeof call !== "function") throw new Error(`no function ${step.invoke}`);
    try {
      last = { outcome: "valid", result: show(call(...step.args.map(argument))), trap: null };
    } catch (error) {
      last = { outcome: "invalid", result: null, trap: trapKind(error), reason: error.message };
    }
    steps.push(last.trap);
  }
  return { ...last, steps };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const question = JSON.parse(line);
    answer = question.hello ? { engine: "V8", version: process.versions.v8, features } : ask(question);
  } catch (error) {
    answer = { failure: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
