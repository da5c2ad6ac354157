// Validate judges a candidate, twice with one PVF, as a node does that judges many.
//
//	scripts/install-libpvf --prefix /opt/pvf
//	cd crates/c-api/examples/go
//	PKG_CONFIG_PATH=/opt/pvf/lib/pkgconfig LD_LIBRARY_PATH=/opt/pvf/lib \
//	    go run ./validate ../../../../fixtures/ledger/code.wasm ../../../../fixtures/ledger/transfer.params
//
// It prints the outcome and ends with 0 if the candidate is valid, 1 if it is not, 2 if it could not be judged.
package main

import (
	"fmt"
	"os"

	"pvf.example/pvf"
)

func main() {
	os.Exit(run())
}

func run() int {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: %s CODE.wasm CANDIDATE.params\n", os.Args[0])
		return 2
	}
	code, err := os.ReadFile(os.Args[1])
	if err != nil {
		return failed(err)
	}
	candidate, err := os.ReadFile(os.Args[2])
	if err != nil {
		return failed(err)
	}
	// What a PVF logs is untrusted text: %q makes control characters visible.
	log := func(level int, target, message string) {
		fmt.Fprintf(os.Stderr, "log %d, %q: %q\n", level, target, message)
	}
	prepared, err := pvf.Prepare(code, pvf.Parameters{GasLimit: 1_000_000_000, Log: log})
	if err != nil {
		return failed(err)
	}
	defer prepared.Close()
	status := 0
	for number := 1; number <= 2; number++ {
		outcome, err := prepared.Execute(candidate)
		if err != nil {
			return failed(err)
		}
		if number > 1 {
			fmt.Printf("with gas, execution %d: ", number)
		}
		show(outcome)
		if outcome.Class != pvf.Valid {
			status = 1
		}
	}
	return status
}

func show(outcome *pvf.Outcome) {
	fmt.Println(outcome.Class)
	if outcome.Trap != "" {
		fmt.Printf("  trap          %s\n", outcome.Trap)
	}
	if outcome.Reason != "" {
		fmt.Printf("  reason        %q\n", outcome.Reason)
	}
	if outcome.Result != nil {
		fmt.Printf("  result        0x%x\n", outcome.Result)
	}
	fmt.Printf("  digest        0x%x\n", outcome.Digest)
	fmt.Printf("  gas           %d\n", outcome.Gas)
	fmt.Printf("  memory        %d pages\n", outcome.MemoryPages)
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 2
}
