#!/usr/bin/env python3
"""Validates a candidate through libpvf, with nothing but Python's ctypes.

    cargo build --release -p pvf-c-api
    python3 crates/c-api/examples/validate.py target/release/libpvf.so \\
        fixtures/ledger/code.wasm fixtures/ledger/transfer.params

Prints the outcome. Ends with 0 if the candidate is valid, 1 if it is not, 2 if it could not be judged.
"""

import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

LOG_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p, c_size_t, c_void_p, c_size_t)
CLASSES = ["none", "valid", "invalid", "rejected"]


class Parameters(ctypes.Structure):
    """pvf_parameters_t."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("stack_native_max", c_uint64),
        ("gas_limit", c_uint64),
        ("stack_logical_max", c_uint32),
        ("logical_stack_meter", c_uint32),
        ("gas_meter", c_uint32),
        ("max_memory_pages", c_uint32),
        ("threads", c_uint32),
        ("ecc_rfc163", c_uint32),
        ("gas_schedule", c_char_p),
        ("log", LOG_CALLBACK),
        ("log_data", c_void_p),
    ]


class Failure(Exception):
    """The library could not do what it was asked to: no outcome."""


class Library:
    """The functions of libpvf that are used here, with their types."""

    def __init__(self, path):
        # CDLL lets go of the interpreter's lock during calls, so that threads can execute side by side.
        self.lib = ctypes.CDLL(path)
        status, error = c_int, POINTER(c_void_p)
        self.declare("pvf_parameters_init", status, POINTER(Parameters), c_size_t)
        self.declare("pvf_prepare", status, c_char_p, c_size_t, POINTER(Parameters), POINTER(c_void_p), error)
        self.declare("pvf_new", status, c_void_p, POINTER(Parameters), POINTER(c_void_p), error)
        self.declare("pvf_execute", status, c_void_p, c_char_p, c_size_t, POINTER(c_void_p), error)
        self.declare("pvf_outcome_class", c_int, c_void_p)
        self.declare("pvf_outcome_trap", c_int, c_void_p)
        self.declare("pvf_outcome_reason", c_char_p, c_void_p)
        self.declare("pvf_outcome_result", POINTER(c_uint8), c_void_p, POINTER(c_size_t))
        self.declare("pvf_outcome_digest", status, c_void_p, POINTER(c_uint8))
        self.declare("pvf_outcome_stack_native_peak", c_uint64, c_void_p)
        self.declare("pvf_trap_name", c_char_p, c_int)
        self.declare("pvf_status_name", c_char_p, c_int)
        self.declare("pvf_error_message", c_char_p, c_void_p)
        for handle in ["artifact", "outcome", "error"]:
            self.declare(f"pvf_{handle}_delete", None, c_void_p)
        self.declare("pvf_delete", None, c_void_p)

    def declare(self, name, result, *arguments):
        function = getattr(self.lib, name)
        function.restype, function.argtypes = result, arguments

    def make(self, function, *arguments):
        """Calls a function that makes a handle or fails."""
        handle, error = c_void_p(), c_void_p()
        status = function(*arguments, byref(handle), byref(error))
        if status == 0:
            return handle
        message = self.lib.pvf_error_message(error).decode()
        self.lib.pvf_error_delete(error)
        raise Failure(f"{self.lib.pvf_status_name(status).decode()}: {message}")


class Pvf:
    """Prepared code. Threads may share it."""

    def __init__(self, library, code, log):
        self.library = library
        # Kept, since the library calls it as long as the PVF lives.
        self.log = LOG_CALLBACK(log)
        parameters = Parameters()
        library.lib.pvf_parameters_init(byref(parameters), ctypes.sizeof(parameters))
        parameters.log = self.log
        artifact = library.make(library.lib.pvf_prepare, code, len(code), byref(parameters))
        try:
            self.handle = library.make(library.lib.pvf_new, artifact, byref(parameters))
        finally:
            library.lib.pvf_artifact_delete(artifact)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.lib.pvf_delete(self.handle)

    def execute(self, candidate):
        """The outcome as a dictionary."""
        lib = self.library.lib
        outcome = self.library.make(lib.pvf_execute, self.handle, candidate, len(candidate))
        try:
            size, digest = c_size_t(), (c_uint8 * 32)()
            result = lib.pvf_outcome_result(outcome, byref(size))
            lib.pvf_outcome_digest(outcome, digest)
            reason = lib.pvf_outcome_reason(outcome)
            return {
                "outcome": CLASSES[lib.pvf_outcome_class(outcome)],
                "result": ctypes.string_at(result, size.value).hex() if result else None,
                "trap": lib.pvf_trap_name(lib.pvf_outcome_trap(outcome)).decode(),
                "reason": reason.decode() if reason is not None else None,
                "digest": bytes(digest).hex(),
                "native stack": lib.pvf_outcome_stack_native_peak(outcome),
            }
        finally:
            lib.pvf_outcome_delete(outcome)


def print_log(_data, level, target, target_size, message, message_size):
    target, message = ctypes.string_at(target, target_size), ctypes.string_at(message, message_size)
    print(f"log {level}, {target.decode()}: {message.decode()}", file=sys.stderr)


def main():
    if len(sys.argv) != 4:
        print(f"usage: {sys.argv[0]} LIBPVF.so CODE.wasm CANDIDATE.params", file=sys.stderr)
        return 2
    library = Library(sys.argv[1])
    code, candidate = (Path(path).read_bytes() for path in sys.argv[2:])
    try:
        with Pvf(library, code, print_log) as pvf:
            outcome = pvf.execute(candidate)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 2
    for name, value in outcome.items():
        print(f"{name:12} {value}")
    return 0 if outcome["outcome"] == "valid" else 1


if __name__ == "__main__":
    sys.exit(main())
