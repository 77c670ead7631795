package e2e_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Where the pages' parts are. The texts may change; these may not.
const (
	choosePage   = `form[action$="/start"]:not(.resend) button.main`
	codeField    = `#code`
	verifyButton = `form[action$="/verify"] button`
	pushPage     = `.waiting`
	deniedPage   = `.tone-bad`
	waitPage     = `.tone-wait` // expired, no device, not available
	problemPart  = `.problem`
	onwards      = `main:not(:has(form)) > a.button.main` // "try again" where a challenge has ended
	cancelButton = `form[action$="/cancel"] button`
	logoutButton = `form[action$="/logout"] button`
	helpText     = `details.help .lines`
	appPage      = `dl#identity`
)

// must fails the test, and tells what the page showed, if err is not nil.
func (b *tab) must(what string, err error) {
	b.t.Helper()
	if err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	b.t.Fatalf("%s: %v\nThe page: %s", what, err, shown)
}

// do runs actions with patience.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	b.must(what, chromedp.Do(ctx, actions...))
}

// get runs an action that returns something.
func get[T any](b *tab, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	got, err := chromedp.Run(ctx, action)
	b.must(what, err)
	return got
}

// callTab sends a command of the browser's protocol.
func callTab[P, R any](b *tab, command cdp.Command[P, R], params P) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.Call(ctx, command, params)
	return err
}

// open goes to an address, or to a path of the gateway.
func (b *tab) open(address string) {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.d.gateway + address
	}
	b.do("open "+address, chromedp.Navigate(address))
}

// see waits until a part is visible. It asks the page itself, because a page
// that comes back from the history is unknown to chromedp's own queries.
func (b *tab) see(selector string) {
	b.t.Helper()
	expression := fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() ?? false`, selector)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		visible, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if visible {
			return
		}
		select { // an error is a page that is just leaving
		case <-tick.C:
		case <-ctx.Done():
			b.must("see "+selector, cmp.Or(err, ctx.Err()))
		}
	}
}

// press clicks on a part.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do("press "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// follow clicks on a part and waits for the page that comes of it.
func (b *tab) follow(selector string) {
	b.t.Helper()
	eval[bool](b, `document.documentElement.dataset.left = "1", true`)
	b.press(selector)
	b.see(`html:not([data-left])`)
}

// fill types a code into its field.
func (b *tab) fill(code string) {
	b.t.Helper()
	b.do("type a code", chromedp.SendKeys(chromedp.CSS(codeField), code))
}

// enter types a code into its field and sends it.
func (b *tab) enter(code string) {
	b.t.Helper()
	b.fill(code)
	b.follow(verifyButton)
}

// text is what a part says.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return get(b, "read "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// has tells whether a part is on the page now.
func (b *tab) has(selector string) bool {
	b.t.Helper()
	return eval[bool](b, fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
}

// eval evaluates an expression in the page, as a developer's console does: it
// works where the page's own scripts are off.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	return get(b, "evaluate "+expression, chromedp.Evaluate[T](expression))
}

// path is the path and query of the page.
func (b *tab) path() string {
	b.t.Helper()
	return eval[string](b, "location.pathname + location.search")
}

// program is a client for programs that holds the tab's cookies as they are
// now.
func (b *tab) program() *program {
	b.t.Helper()
	p := newProgram(b.t, b.d, b.user)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	held, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.d.gateway + "/"}})
	b.must("read cookies", err)
	for _, cookie := range held.Cookies {
		p.hold(cookie.Name, cookie.Value)
	}
	return p
}

// challenge is how the gateway says that the tab's challenge stands.
func (b *tab) challenge() challenge {
	b.t.Helper()
	return b.program().look(eval[string](b, "document.body.dataset.self"))
}

// startWith selects the button of a factor on the page.
func (b *tab) startWith(factor string) string {
	b.t.Helper()
	id := b.challenge().factor(b.t, factor)
	return fmt.Sprintf(`form[action$="/start"]:not(.resend):has(input[name="factor"][value="%s"]) button`, id)
}

// start presses the button of a factor.
func (b *tab) start(factor string) {
	b.t.Helper()
	b.follow(b.startWith(factor))
}

// back goes one step back in the history.
func (b *tab) back() {
	b.t.Helper()
	b.walk(-1)
}

// forward goes one step forward in the history.
func (b *tab) forward() {
	b.t.Helper()
	b.walk(+1)
}

// walk does not wait for a load event: a page that the browser has kept comes
// back without one.
func (b *tab) walk(steps int64) {
	b.t.Helper()
	history := get(b, "read the history", chromedp.NavigationEntries())
	target := history.CurrentIndex + steps
	b.must("walk through the history", callTab(b, page.NavigateToHistoryEntry,
		page.NavigateToHistoryEntryParams{EntryID: history.Entries[target].ID}))
	await(b.t, "the page from the history", func() bool {
		now, err := chromedp.Run(b.ctx, chromedp.NavigationEntries())
		if err != nil || now.CurrentIndex != target {
			return false // an error is a page that is just leaving
		}
		state, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.readyState"))
		return err == nil && state == "complete"
	})
}

func (b *tab) reload() {
	b.t.Helper()
	b.do("reload", chromedp.Reload())
}

// title is the page's title.
func (b *tab) title() string {
	b.t.Helper()
	return get(b, "read the title", chromedp.Title())
}

// attribute is an attribute of a part, or "".
func (b *tab) attribute(selector, name string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q).getAttribute(%q) || ""`, selector, name))
}

// keys types on the keyboard, wherever the focus is.
func (b *tab) keys(keys string) {
	b.t.Helper()
	b.do("press keys", chromedp.KeyEvent(keys))
}

// focused tells whether a part has the focus.
func (b *tab) focused(selector string) bool {
	b.t.Helper()
	return eval[bool](b, fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, selector))
}

// tabTo presses the tabulator until a part has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 40 {
		if b.focused(selector) {
			return
		}
		b.keys("\t")
	}
	b.t.Fatalf("the keyboard does not reach %s", selector)
}
