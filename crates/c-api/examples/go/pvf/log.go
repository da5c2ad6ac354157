package pvf

// #include <pvf.h>
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

//export pvfExampleLog
func pvfExampleLog(data unsafe.Pointer, level C.pvf_log_level_t, target *C.char, targetSize C.size_t, message *C.char,
	messageSize C.size_t) {
	log := cgo.Handle(uintptr(data)).Value().(func(int, string, string))
	log(int(level), C.GoStringN(target, C.int(targetSize)), C.GoStringN(message, C.int(messageSize)))
}
