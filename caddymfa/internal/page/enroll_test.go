package page_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

const keyURL = "otpauth://totp/Acme:alice?secret=JBSWY3DPEHPK3PXP&issuer=Acme"

// grid paints an SVG path of horizontal lines on squares of one unit.
func grid(t *testing.T, path string, side int) [][]bool {
	t.Helper()
	step := regexp.MustCompile(`M(\d+) (\d+)\.5|m(\d+) 0|h(\d+)`)
	if rest := step.ReplaceAllString(path, ""); rest != "" {
		t.Fatalf("path has %q, which is no step of ours", rest)
	}
	squares := make([][]bool, side)
	for y := range squares {
		squares[y] = make([]bool, side)
	}
	x, y := 0, 0
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	for _, match := range step.FindAllStringSubmatch(path, -1) {
		switch match[0][0] {
		case 'M':
			x, y = number(match[1]), number(match[2])
		case 'm':
			x += number(match[3])
		case 'h':
			for range number(match[4]) {
				squares[y][x] = true
				x++
			}
		}
	}
	return squares
}

func TestPictureIsTheQRCodeOfTheAddress(t *testing.T) {
	for _, address := range []string{keyURL, "otpauth://totp/", "otpauth://totp/" + strings.Repeat("é", 176)} {
		p := sample(t, "enroll-scan")
		p.TOTPURL = address
		picture := only(t, dom(t, p), with("class", "qr"))
		code, err := qr.Encode(address, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		// Scanners need an empty border of four modules.
		if want := fmt.Sprintf("-4 -4 %d %[1]d", code.Size+8); attr(picture, "viewBox") != want {
			t.Errorf("viewBox = %q, want %q", attr(picture, "viewBox"), want)
		}
		squares := grid(t, attr(only(t, picture, tag("path")), "d"), code.Size)
		for y := range squares {
			for x, black := range squares[y] {
				if black != code.Black(x, y) {
					t.Fatalf("%.40q: module %d, %d is black: %v", address, x, y, black)
				}
			}
		}
	}
}

func TestOnlyAnAddressForAppsIsDrawn(t *testing.T) {
	for _, address := range []string{"", "https://evil.example/", "OTPAUTH://totp/x", " " + keyURL, keyURL + strings.Repeat("x", 400)} {
		p := sample(t, "enroll-scan")
		p.TOTPURL = address
		root := dom(t, p)
		if found := find(root, with("class", "qr")); len(found) > 0 {
			t.Errorf("%.60q was drawn", address)
		}
		if said := text(root); !strings.Contains(said, "Type this key into the app: JBSW Y3DP EHPK") || strings.Contains(said, "can’t scan") {
			t.Errorf("%.60q: %q, want the key alone", address, said)
		}
	}
}

func TestPictureHasWordsAndAKeyBesideIt(t *testing.T) {
	root := dom(t, sample(t, "enroll-scan"))
	picture := only(t, root, with("class", "qr"))
	if attr(picture, "role") != "img" || attr(picture, "aria-label") == "" {
		t.Errorf("picture %v: want it announced", picture.Attr)
	}
	tests := []struct{ secret, want string }{
		{"JBSWY3DPEHPK3PXP", "JBSW Y3DP EHPK 3PXP"},
		{"jbsw y3dp eh", "jbsw y3dp eh"},
		{"01-1912451", "01-1912451"},
		{"<b>x</b>", "<b>x</b>"},
	}
	for _, test := range tests {
		p := sample(t, "enroll-scan")
		p.Secret = test.secret
		if got := text(only(t, dom(t, p), tag("code"))); got != test.want {
			t.Errorf("secret %q is shown as %q, want %q", test.secret, got, test.want)
		}
	}
}

// The key of a factor is shown while it is set up, and never again.
func TestOnlyEnrolmentShowsKeys(t *testing.T) {
	each(t, func(t *testing.T, p page.Page) {
		if p.Kind == page.EnrollCode || p.Kind == page.EnrollWait {
			return
		}
		p.Secret, p.TOTPURL = "JBSWY3DPEHPK3PXP", keyURL
		root := dom(t, p)
		if len(find(root, with("class", "qr"))) > 0 || strings.Contains(text(root), "JBSW") {
			t.Error("the page shows a key")
		}
	})
}

func TestFactorsToSetUpAreSentToEnroll(t *testing.T) {
	for _, name := range []string{"enroll", "enroll-scan", "enroll-voice", "error.enrol_failed"} {
		for _, field := range find(dom(t, sample(t, name)), with("name", "factor")) {
			want := "/.mfa/enroll"
			if attr(field, "value") == "f9" {
				want = "/.mfa/start" // a temporary code is used, not set up
			}
			if got := attr(field.Parent, "action"); got != want {
				t.Errorf("%s: factor %q is sent to %q, want %q", name, attr(field, "value"), got, want)
			}
		}
	}
	for name, want := range map[string]string{"enroll-scan": "/.mfa/confirm", "enroll-protect": "/.mfa/confirm", "code-totp": "/.mfa/verify", "temporary": "/.mfa/verify"} {
		if got := attr(only(t, dom(t, sample(t, name)), with("name", "code")).Parent, "action"); got != want {
			t.Errorf("%s: the code is sent to %q, want %q", name, got, want)
		}
	}
}

func TestNumberForThePhoneIsShownLarge(t *testing.T) {
	for _, name := range []string{"voice", "enroll-voice"} {
		p := sample(t, name)
		p.AcceptsCode = true
		root := dom(t, p)
		number := only(t, root, with("class", "number"))
		if text(number) != "144 613" || attr(number, "dir") != "ltr" {
			t.Errorf("%s: number = %q, want 144 613 from left to right", name, text(number))
		}
		if fields := find(root, with("name", "code")); name == "voice" && len(fields) > 0 {
			t.Error("a code is asked for although a call gives none")
		}
		p.VoiceCode = ""
		if said := text(dom(t, p)); strings.Contains(said, "type this number") {
			t.Errorf("%s speaks of a number that is not there: %q", name, said)
		}
	}
}
