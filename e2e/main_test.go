package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// update asks for new pictures for the README.
var update = flag.Bool("update", false, "write the pictures of the README to docs/images")

// demoBinary is the demo under test. TestMain builds it.
var demoBinary string

func TestMain(m *testing.M) {
	flag.Parse()
	runMoreAtOnce()
	os.Exit(runTests(m))
}

// runMoreAtOnce lets more tests run side by side than there are processors,
// unless -parallel says how many: they mostly wait, for polls and for proofs
// to grow old.
func runMoreAtOnce() {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "caddymfa-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(folder)
	defer closeChromium()
	demoBinary = filepath.Join(folder, "demo")
	if out, err := exec.Command("go", "build", "-o", demoBinary, "../cmd/demo").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build cmd/demo: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience bounds every wait for something that has to happen. It is long
// because the machine may be busy; nothing measures it.
const patience = 20 * time.Second

// await waits until ok returns true. It fails the test if that takes too long.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
