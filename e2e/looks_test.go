package e2e_test

import (
	"bytes"
	_ "embed" // for look.js
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/look.js
var lookScript string

// maxWeight bounds a page with all that it loads, in bytes.
const maxWeight = 30 << 10

// scene is one page in one state, and how a person gets there.
type scene struct {
	name, user string
	enter      func(b *tab)
}

func scenes() []scene {
	return []scene{
		{"choose", "alice", func(b *tab) { b.open("/orders"); b.see(choosePage) }},
		{"choose-one", "bob", func(b *tab) { b.open("/orders"); b.see(choosePage) }},
		{"choose-german", "alice", func(b *tab) { b.open("/"); b.follow(`a[lang="de"]`); b.see(`html[lang="de"]`) }},
		{"choose-unsaved", "alice", orderWithoutSession},
		{"choose-no-more-pushes", "alice", exhaustPushes},
		{"choose-push-pending", "alice", func(b *tab) { b.strangerPushes(); b.open("/"); b.start("protect"); b.see(problemPart) }},
		{"choose-push-locked", "alice", func(b *tab) { b.lockPushes(); b.open("/"); b.see(lockedPart) }},
		{"choose-push-locked-german", "alice", func(b *tab) { b.lockPushes(); b.open("/"); b.follow(`a[lang="de"]`); b.see(lockedPart) }},
		{"choose-push-refused", "alice", func(b *tab) { b.open("/"); b.lockPushes(); b.start("protect"); b.see(problemPart) }},
		{"code-push-refused", "alice", func(b *tab) { b.reach("sms"); b.lockPushes(); b.start("protect"); b.see(problemPart) }},
		{"code-authenticator", "alice", func(b *tab) { b.reach("totp") }},
		{"code-message", "alice", func(b *tab) { b.reach("sms") }},
		{"code-wrong", "alice", func(b *tab) { b.reach("totp"); b.enter("000000"); b.see(problemPart) }},
		{"code-empty", "alice", func(b *tab) { b.reach("totp"); b.follow(verifyButton); b.see(problemPart) }},
		{"code-letters", "alice", func(b *tab) { b.reach("totp"); b.enter("ABCDEF"); b.see(problemPart) }},
		{"push", "alice", func(b *tab) { b.push("/orders") }},
		{"denied", "alice", func(b *tab) { b.push("/orders"); b.d.answer("alice", "deny"); b.see(deniedPage) }},
		{"expired", "alice", func(b *tab) { b.push("/orders"); b.d.advance(verificationLife); b.see(waitPage) }},
		{"locked", "alice", lockOut},
		{"cancelled", "alice", func(b *tab) { b.reach("sms"); b.follow(cancelButton); b.see(onwards) }},
		{"session", "alice", func(b *tab) { b.arrive("/"); b.open("/.mfa/"); b.see(logoutButton) }},
		{"session-report", "alice", func(b *tab) { b.arrive("/"); b.open("/.mfa/"); b.press(reportPart); b.see(reportButton) }},
		{"sessions", "alice", func(b *tab) { b.arrive("/"); b.open("/.mfa/sessions"); b.see(reportPart) }},
		{"sessions-reported", "alice", func(b *tab) {
			b.arrive("/")
			b.open("/.mfa/")
			b.press(reportPart)
			b.follow(reportButton)
			b.see(donePart)
		}},
		{"signed-out", "alice", func(b *tab) { b.arrive("/"); b.open("/.mfa/"); b.follow(logoutButton); b.see(onwards) }},
		{"no-device", "carol", func(b *tab) { b.open("/"); b.see(helpText) }},
		{"no-access", "alice", func(b *tab) { b.suspend(); b.open("/"); b.see(helpText) }},
		{"unavailable", "alice", func(b *tab) { b.d.deviate(`{"html_502":true}`); b.open("/"); b.see(helpText) }},
		{"refused", "alice", postFromElsewhere},
		{"stale", "alice", tamper(`document.querySelector("input[name=csrf]").value = "x"`)},
		{"bad-request", "alice", tamper(`document.querySelector("form").append(document.querySelector("input[name=csrf]").cloneNode())`)},
		{"not-found", "alice", func(b *tab) { b.open("/.mfa/nowhere"); b.see(helpText) }},
		{"wrong-method", "alice", func(b *tab) { b.open("/.mfa/start"); b.see(helpText) }},
		{"app-home", "alice", func(b *tab) { b.arrive("/") }},
		{"app-orders", "alice", func(b *tab) { b.arrive("/orders"); b.follow(`main form button`) }},
		{"app-admin", "alice", func(b *tab) { b.arrive("/admin/") }},
		{"app-public", "alice", func(b *tab) { b.open("/public/notice"); b.see("h1") }},
	}
}

// reach goes to the page where a code of that factor is typed.
func (b *tab) reach(factor string) {
	b.t.Helper()
	b.open("/orders")
	b.see(choosePage)
	b.start(factor)
	b.see(codeField)
}

// arrive goes to a page of the app through a challenge.
func (b *tab) arrive(path string) {
	b.t.Helper()
	b.open(path)
	b.see(choosePage)
	b.start("totp")
	b.see(codeField)
	b.enter(b.d.code(b.user, "totp"))
	b.see(appPage)
}

// suspend takes the user's access to OneLogin away.
func (b *tab) suspend() {
	b.t.Helper()
	suspended := map[string]int{"status": 2, "state": 1}
	if status := b.d.call("POST", b.d.phone+"/_sim/users/"+b.user+"/status", suspended, nil); status != http.StatusNoContent {
		b.t.Fatalf("suspend %s = %d, want 204", b.user, status)
	}
}

// orderWithoutSession sends a form whose session has ended meanwhile.
func orderWithoutSession(b *tab) {
	b.open("/public/notice")
	eval[bool](b, `(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.action = "/orders";
		document.body.append(form);
		form.submit();
		return true;
	})()`)
	b.see(choosePage)
}

func exhaustPushes(b *tab) {
	for range 3 {
		p := newProgram(b.t, b.d, b.user)
		_, started := p.begin("/", "protect")
		p.post("cancel", map[string]string{"csrf": started.CSRF})
	}
	b.open("/")
	b.see(choosePage)
	b.start("protect")
	b.see(problemPart)
	b.see(lockedPart)
	b.see(choosePage) // a main button, which is not the push
	if b.has(b.startWith("protect")) {
		b.t.Error("a push is offered that cannot be sent")
	}
}

// postFromElsewhere sends a form that is not on a page of this site.
func postFromElsewhere(b *tab) {
	b.open(`data:text/html,<form method="post" action="` + b.d.gateway + `/.mfa/start"><button>Go</button></form>`)
	b.follow("button")
	b.see(helpText)
}

func lockOut(b *tab) {
	b.reach("totp")
	code := b.d.code(b.user, "totp")
	for n := range 4 {
		b.enter(wrongCode(code, n+1))
		b.see(problemPart)
	}
	b.enter(wrongCode(code, 5))
	b.see(deniedPage)
}

// tamper changes the form of the first page and sends it.
func tamper(script string) func(b *tab) {
	return func(b *tab) {
		b.open("/")
		b.see(choosePage)
		eval[bool](b, script+`, true`)
		b.follow(choosePage)
		b.see(helpText)
	}
}

// TestEveryPageLooksRight goes to every page in every state and looks at it in
// light and dark colours, on a wide and on a narrow screen.
func TestEveryPageLooksRight(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			b := openTab(t, d, s.user)
			s.enter(b)
			b.lookAround(s.name)
			if left := b.seen.abroad(d.gateway); len(left) > 0 {
				t.Errorf("requests left the site: %v", left)
			}
			if problems := b.seen.problems(); len(problems) > 0 {
				t.Errorf("the browser complains: %q", problems)
			}
			weight := eval[int](b, `performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
				.reduce((sum, entry) => sum + entry.transferSize, 0)`)
			if weight == 0 || weight > maxWeight {
				t.Errorf("the page weighs %d bytes, want at most %d", weight, maxWeight)
			}
		})
	}
}

// lookAround looks at the page in every size and colour, and takes pictures if
// they are wanted.
func (b *tab) lookAround(name string) {
	b.t.Helper()
	await(b.t, "the whole page", func() bool { return eval[string](b, "document.readyState") == "complete" })
	for _, colours := range []string{"light", "dark"} {
		for _, width := range []int64{800, 320} {
			b.colours(colours)
			b.window(width, 900)
			for _, problem := range eval[[]string](b, lookScript) {
				b.t.Errorf("%s at %d px: %s", colours, width, problem)
			}
			b.picture(fmt.Sprintf("%s-%s-%d.png", name, colours, width))
		}
	}
	b.window(640, 900)
	b.enlargeText("200%")
	for _, problem := range eval[[]string](b, lookScript) {
		b.t.Errorf("text at 200 %%: %s", problem)
	}
	b.enlargeText("")
}

// enlargeText does what a person's larger text size does.
func (b *tab) enlargeText(size string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`document.documentElement.style.fontSize = %q, true`, size))
}

// picture writes a picture of the whole page to the folder that
// CADDYMFA_SCREENSHOTS names, if it names one.
func (b *tab) picture(name string) {
	b.t.Helper()
	folder := os.Getenv("CADDYMFA_SCREENSHOTS")
	if folder == "" {
		return
	}
	b.write(filepath.Join(folder, name))
}

func (b *tab) write(path string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	picture := get(b, "take a picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// TestPicturesOfTheReadme takes them anew if -update is given. They have to be
// there, and light.
func TestPicturesOfTheReadme(t *testing.T) {
	if *update {
		takePictures(t)
	}
	for _, colours := range []string{"light", "dark"} {
		picture, err := os.ReadFile(pictureOf(colours))
		if err != nil || !bytes.HasPrefix(picture, []byte("\x89PNG")) || len(picture) > 60<<10 {
			t.Errorf("the %s picture: %v, %d bytes; want a PNG of at most 60 KiB", colours, err, len(picture))
		}
	}
}

func pictureOf(colours string) string { return "../docs/images/challenge-" + colours + ".png" }

func takePictures(t *testing.T) {
	d := startDemo(t, "-gateway", "localhost:8080")
	b := openTab(t, d, "alice")
	b.open("/")
	b.see(choosePage)
	b.window(640, 720)
	for _, colours := range []string{"light", "dark"} {
		b.colours(colours)
		b.write(pictureOf(colours))
	}
}
