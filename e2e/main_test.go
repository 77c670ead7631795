package e2e_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// update asks for new pictures for the README.
var update = flag.Bool("update", false, "write the pictures of the README to docs/images")

// scratch is a folder for the test run; TestMain makes and removes it.
var scratch string

// demoBinary builds the demo, once.
var demoBinary = sync.OnceValues(func() (string, error) {
	if err := touchSources(); err != nil {
		return "", err
	}
	binary := filepath.Join(scratch, "demo")
	out, err := exec.Command("go", "build", "-o", binary, "../cmd/demo").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build cmd/demo: %w\n%s", err, out)
	}
	return binary, nil
})

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
	var err error
	if scratch, err = os.MkdirTemp("", "caddymfa-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(scratch)
	defer closeChromium()
	return m.Run()
}

// touchSources looks at every file that the demo is built from. The go command
// takes note of files that a test looks at and so knows when a result in its
// cache is out of date; of what "go build" reads here it knows nothing. It
// takes no note of what happens before the first test.
func touchSources() error {
	for _, root := range []string{"../go.mod", "../caddymfa", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
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
