// Package pvf judges candidates of Polkadot's parachains with libpvf.
//
// A PVF is prepared once and may then be executed from any number of goroutines at the same time. A trap of a PVF is a fault of the
// processor, which the library's signal handlers take; faults of Go code go on to Go's own handlers and stay panics.
package pvf

/*
#cgo pkg-config: pvf
#include <stdint.h>
#include <pvf.h>

// In log.go. Go writes the declaration of what it exports without const.
extern void pvfExampleLog(void *data, pvf_log_level_t level, char *target, size_t target_size, char *message,
                          size_t message_size);

static void set_log(pvf_parameters_t *parameters, uintptr_t handle)
{
    parameters->log = (pvf_log_callback_t)pvfExampleLog;
    parameters->log_data = (void *)handle;
}
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"unsafe"
)

// A Class says what became of a candidate.
type Class int

// The classes.
const (
	Valid    Class = C.PVF_CLASS_VALID
	Invalid  Class = C.PVF_CLASS_INVALID
	Rejected Class = C.PVF_CLASS_REJECTED
)

func (class Class) String() string {
	switch class {
	case Valid:
		return "valid"
	case Invalid:
		return "invalid"
	case Rejected:
		return "rejected"
	}
	return fmt.Sprintf("class %d", int(class))
}

// An Error is why nothing was judged: it is about this call or this machine, and never a vote.
type Error struct {
	Status  string
	Message string
	// Rule of the specification that decided, if the code was turned down.
	Rule string
}

func (err *Error) Error() string {
	return err.Status + ": " + err.Message
}

// failed makes a Go error of an error of the library and deletes that.
func failed(err *C.pvf_error_t) error {
	defer C.pvf_error_delete(err)
	return &Error{
		Status:  C.GoString(C.pvf_status_name(C.int(C.pvf_error_status(err)))),
		Message: C.GoString(C.pvf_error_message(err)),
		Rule:    C.GoString(C.pvf_error_rule(err)),
	}
}

// Parameters of preparations and executions; the zero value is the library's defaults.
type Parameters struct {
	// GasLimit ends an execution that uses more gas; 0: gas is not counted.
	GasLimit uint64
	// Log is called with what a PVF logs, on the thread that executes; it must not panic.
	Log func(level int, target, message string)
}

// A PVF can be executed. Close it when nobody executes it any more.
type PVF struct {
	pvf *C.pvf_t
	log cgo.Handle
}

// bytesOf is the address of the first byte, which C does not keep.
func bytesOf(bytes []byte) (*C.uint8_t, C.size_t) {
	if len(bytes) == 0 {
		return nil, 0
	}
	return (*C.uint8_t)(unsafe.Pointer(&bytes[0])), C.size_t(len(bytes))
}

// Prepare compiles code as it is on chain and makes it executable.
func Prepare(code []byte, parameters Parameters) (*PVF, error) {
	var settings C.pvf_parameters_t
	C.pvf_parameters_init(&settings, C.size_t(unsafe.Sizeof(settings)))
	if parameters.GasLimit != 0 {
		settings.gas_meter = C.PVF_METER_LIMIT
		settings.gas_limit = C.uint64_t(parameters.GasLimit)
	}
	made := &PVF{}
	if parameters.Log != nil {
		made.log = cgo.NewHandle(parameters.Log)
		C.set_log(&settings, C.uintptr_t(made.log))
	}
	var artifact *C.pvf_artifact_t
	var err *C.pvf_error_t
	start, size := bytesOf(code)
	if C.pvf_prepare(start, size, &settings, &artifact, &err) != C.PVF_STATUS_OK {
		made.Close()
		return nil, failed(err)
	}
	defer C.pvf_artifact_delete(artifact)
	if C.pvf_new(artifact, &settings, &made.pvf, &err) != C.PVF_STATUS_OK {
		made.Close()
		return nil, failed(err)
	}
	return made, nil
}

// Close deletes the PVF.
func (pvf *PVF) Close() {
	C.pvf_delete(pvf.pvf)
	pvf.pvf = nil
	if pvf.log != 0 {
		pvf.log.Delete()
		pvf.log = 0
	}
}

// An Outcome is a function of code, candidate and parameters alone.
type Outcome struct {
	Class Class
	// Trap is the name of the trap that ended the run, if one did.
	Trap string
	// Reason says in words why a candidate is not valid.
	Reason string
	// Rule of the specification that decided.
	Rule string
	// Result is what validate_block returned.
	Result []byte
	// Digest is all that two machines have to compare.
	Digest [C.PVF_DIGEST_BYTES]byte
	// Gas that was used, if it was counted.
	Gas uint64
	// MemoryPages is the largest size of the linear memory, in pages of 64 KiB.
	MemoryPages uint32
}

// Execute judges a candidate: SCALE-encoded ValidationParams.
func (pvf *PVF) Execute(candidate []byte) (*Outcome, error) {
	var outcome *C.pvf_outcome_t
	var err *C.pvf_error_t
	start, size := bytesOf(candidate)
	if C.pvf_execute(pvf.pvf, start, size, &outcome, &err) != C.PVF_STATUS_OK {
		return nil, failed(err)
	}
	defer C.pvf_outcome_delete(outcome)
	judged := &Outcome{
		Class:       Class(C.pvf_outcome_class(outcome)),
		Reason:      C.GoString(C.pvf_outcome_reason(outcome)),
		Rule:        C.GoString(C.pvf_outcome_rule(outcome)),
		MemoryPages: uint32(C.pvf_outcome_memory_pages_peak(outcome)),
	}
	if trap := C.pvf_outcome_trap(outcome); trap != C.PVF_TRAP_NONE {
		judged.Trap = C.GoString(C.pvf_trap_name(C.int(trap)))
	}
	var length C.size_t
	if result := C.pvf_outcome_result(outcome, &length); result != nil {
		judged.Result = C.GoBytes(unsafe.Pointer(result), C.int(length))
	}
	C.pvf_outcome_digest(outcome, (*C.uint8_t)(unsafe.Pointer(&judged.Digest[0])))
	var gas C.uint64_t
	if C.pvf_outcome_gas_used(outcome, &gas) {
		judged.Gas = uint64(gas)
	}
	return judged, nil
}
