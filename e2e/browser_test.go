package e2e_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// chromium is the one browser of a test run. Every test has a browser context
// of its own in it: cookies, cache and history like those of a new profile.
var chromium struct {
	start   sync.Once
	ctx     context.Context
	err     error
	closers []func()
}

// closeChromium ends the browser if a test started it.
func closeChromium() {
	for i := len(chromium.closers) - 1; i >= 0; i-- {
		chromium.closers[i]()
	}
}

// findChromium returns the program, or "".
func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// openChromium starts the browser with a new, empty profile.
func openChromium() {
	profile := filepath.Join(scratch, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium()),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // containers have no namespaces to spare
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	chromium.ctx = ctx
	chromium.closers = []func(){closeAllocator, closeBrowser}
	chromium.err = chromedp.Do(ctx)
}

// needChromium starts the browser, or skips the test where there is none.
func needChromium(t *testing.T) {
	t.Helper()
	if findChromium() == "" {
		skipOrFail(t, "chromium")
	}
	chromium.start.Do(openChromium)
	if chromium.err != nil {
		t.Fatalf("start chromium: %v", chromium.err)
	}
}

// skipOrFail skips a test for which a program is missing, and says so where
// it is seen without -v. Continuous integration asks for a failure instead.
func skipOrFail(t *testing.T, program string) {
	t.Helper()
	reason := fmt.Sprintf("%s is not installed: NOT TESTED (CADDYMFA_REQUIRE_BROWSER=1 makes this a failure)", program)
	if os.Getenv("CADDYMFA_REQUIRE_BROWSER") == "1" {
		t.Fatal(reason)
	}
	fmt.Fprintf(os.Stderr, "e2e: %s: %s\n", t.Name(), reason)
	t.Skip(reason)
}

// tab is one tab of the browser, looking at one demo as one user.
type tab struct {
	t    *testing.T
	d    *demo
	ctx  context.Context
	user string
	seen *traffic
}

// openTab opens a tab in a new profile in which user has logged in with the
// demo's password.
func openTab(t *testing.T, d *demo, user string) *tab {
	t.Helper()
	needChromium(t)
	return newTab(t, d, user, chromium.ctx, chromedp.WithNewBrowserContext())
}

// another opens a second tab in the same profile.
func (b *tab) another() *tab {
	b.t.Helper()
	return newTab(b.t, b.d, b.user, b.ctx)
}

func newTab(t *testing.T, d *demo, user string, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	b := &tab{t: t, d: d, ctx: ctx, user: user, seen: &traffic{}}
	// The first call opens the tab, and its context is the tab's life.
	b.must("open a tab", chromedp.Listen(ctx, b.seen.note))
	b.must("watch the network", callTab(b, network.Enable, network.EnableParams{}))
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":demo"))
	b.must("log in", callTab(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
		Headers: network.Headers{"Authorization": login},
	}))
	b.must("be in front", callTab(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	b.window(800, 900)
	return b
}

// scripts switches the page's scripts on or off.
func (b *tab) scripts(on bool) *tab {
	b.t.Helper()
	b.must("switch scripts", callTab(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
	return b
}

// window sets the size of the page.
func (b *tab) window(width, height int64) {
	b.t.Helper()
	b.do("set the window's size", chromedp.EmulateViewport(width, height))
}

// colours sets what the person prefers: light or dark.
func (b *tab) colours(scheme string) {
	b.t.Helper()
	b.must("prefer "+scheme, callTab(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		},
	}))
}
