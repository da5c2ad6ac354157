package pvf

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	bytes, err := os.ReadFile(filepath.Join("../../../../../fixtures/ledger", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// faults makes the processor fault in Go code and says how Go took it.
func faults(what string) (panicked string) {
	defer func() {
		if err, ok := recover().(runtime.Error); ok {
			panicked = err.Error()
		}
	}()
	zero := len(what) - len(what)
	if what == "divide" {
		return string(rune(1 / zero))
	}
	var nowhere *struct{ far [2]int }
	return string(rune(nowhere.far[1]))
}

// Candidates that are valid and that trap, on many goroutines at once, beside faults of Go's own and its garbage collector.
func TestManyGoroutinesBesideFaultsOfGo(t *testing.T) {
	pvf, err := Prepare(fixture(t, "code.wasm"), Parameters{})
	if err != nil {
		t.Fatal(err)
	}
	defer pvf.Close()
	type expected struct {
		candidate []byte
		class     Class
		trap      string
		result    []byte
	}
	cases := []expected{
		{fixture(t, "transfer.params"), Valid, "", fixture(t, "transfer.result")},
		{fixture(t, "too-poor.params"), Invalid, "unreachable", nil},
	}
	const goroutines, rounds = 32, 100
	var done sync.WaitGroup
	for number := 0; number < goroutines; number++ {
		done.Add(1)
		go func(number int) {
			defer done.Done()
			for round := 0; round < rounds; round++ {
				expected := cases[(number+round)%len(cases)]
				outcome, err := pvf.Execute(expected.candidate)
				if err != nil {
					t.Error(err)
					return
				}
				if outcome.Class != expected.class || outcome.Trap != expected.trap || !bytes.Equal(outcome.Result, expected.result) {
					t.Errorf("%v", outcome)
				}
				if said := faults("divide"); !strings.Contains(said, "divide by zero") {
					t.Errorf("a division by zero in Go: %q", said)
				}
				if said := faults("nil"); !strings.Contains(said, "nil pointer") {
					t.Errorf("a nil pointer in Go: %q", said)
				}
				if round%20 == 0 {
					runtime.GC()
				}
			}
		}(number)
	}
	done.Wait()
}

func TestLogsAndGas(t *testing.T) {
	var lines []string
	log := func(level int, target, message string) {
		lines = append(lines, target+": "+message)
	}
	pvf, err := Prepare(fixture(t, "code.wasm"), Parameters{GasLimit: 1_000_000_000, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer pvf.Close()
	outcome, err := pvf.Execute(fixture(t, "too-poor.params"))
	if err != nil || outcome.Class != Invalid || outcome.Gas == 0 {
		t.Fatal(outcome, err)
	}
	if len(lines) == 0 || !strings.Contains(strings.Join(lines, "\n"), "parachain: balance too low") {
		t.Fatal(lines)
	}
}

func TestWhatIsTurnedDownIsAnError(t *testing.T) {
	for _, code := range [][]byte{nil, []byte("no code")} {
		_, err := Prepare(code, Parameters{})
		turnedDown, ok := err.(*Error)
		if !ok || turnedDown.Rule == "" || turnedDown.Message == "" {
			t.Fatal(err)
		}
	}
}
