package policy_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
)

func Example() {
	base := policy.Requirement{MaxAge: 8 * time.Hour, Factors: policy.AnyFactor}
	rules, err := policy.Compile(base, []string{"/healthz", "/static/*"}, []policy.Rule{
		{Paths: []string{"/admin/*"}, Requirement: policy.Requirement{MaxAge: 5 * time.Minute}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/static/app.css", "/static/..;/admin", "/orders"} {
		j := rules.Judge(policy.Request{Method: "GET", Path: path})
		fmt.Println(path, j.Exempt, j.Requirement.MaxAge)
	}
	// Output:
	// /static/app.css true 8h0m0s
	// /static/..;/admin false 5m0s
	// /orders false 8h0m0s
}

func TestEverythingIsProtectedByDefault(t *testing.T) {
	rules := compile(t, nil)
	for _, path := range []string{"/", "/healthz", "/static/app.css", "/.well-known/x", "", "*", "/%2e%2e", "//x"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "get", "FOO", ""} {
			j := rules.Judge(policy.Request{Method: method, Path: path})
			if j.Exempt || j.Requirement.MaxAge != siteAge {
				t.Errorf("Judge(%s %q) = %+v, want the site's requirement", method, path, j)
			}
		}
	}
}

func TestStrictestOfAllMatchingRulesWins(t *testing.T) {
	rules := compile(t, []string{"/a/*"},
		policy.Rule{Paths: []string{"/a/*"}, Methods: []string{"POST"}, Requirement: policy.Requirement{MaxAge: time.Hour}},
		policy.Rule{Paths: []string{"/a/b/*"}, Requirement: policy.Requirement{Factors: set(t, "totp", "protect")}},
		policy.Rule{Paths: []string{"/a/b/c"}, Requirement: policy.Requirement{MaxAge: time.Minute, Factors: set(t, "totp", "sms")}},
	)
	for _, tt := range []struct {
		method, path string
		exempt       bool
		want         policy.Requirement
	}{
		{"GET", "/a/x", true, policy.Requirement{MaxAge: siteAge, Factors: policy.AnyFactor}},
		{"POST", "/a/x", false, policy.Requirement{MaxAge: time.Hour, Factors: policy.AnyFactor}},
		{"GET", "/a/b", false, policy.Requirement{MaxAge: siteAge, Factors: set(t, "totp", "protect")}},
		{"POST", "/a/b/d", false, policy.Requirement{MaxAge: time.Hour, Factors: set(t, "totp", "protect")}},
		{"GET", "/a/b/c", false, policy.Requirement{MaxAge: time.Minute, Factors: set(t, "totp")}},
		{"POST", "/A/B/C/", false, policy.Requirement{MaxAge: time.Minute, Factors: set(t, "totp")}},
		{"GET", "/other", false, policy.Requirement{MaxAge: siteAge, Factors: policy.AnyFactor}},
	} {
		j := rules.Judge(policy.Request{Method: tt.method, Path: tt.path})
		if j.Exempt != tt.exempt || j.Requirement != tt.want {
			t.Errorf("Judge(%s %s) = %+v, want %v, %+v", tt.method, tt.path, j, tt.exempt, tt.want)
		}
	}
}

func TestMethodsThatMeetARule(t *testing.T) {
	for _, tt := range []struct {
		rule string // methods
		meet string
		miss string
	}{
		{"", "GET HEAD POST PUT PATCH DELETE OPTIONS get FOO", ""},
		{"GET", "GET HEAD get gEt FOO PROPFIND CONNECT TRACE", "POST PUT PATCH DELETE OPTIONS"},
		{"HEAD", "HEAD head FOO", "GET POST OPTIONS"},
		{"POST", "POST post Post FOO get", "GET HEAD PUT OPTIONS"},
		{"POST PUT", "POST PUT put", "GET DELETE"},
		{"PURGE", "PURGE purge FOO", "GET POST"},
	} {
		rules := compile(t, nil, adminRule(strings.Fields(tt.rule)...))
		check := func(method string, want time.Duration) {
			if j := rules.Judge(policy.Request{Method: method, Path: "/admin"}); j.Requirement.MaxAge != want {
				t.Errorf("rule for [%s]: Judge(%s /admin) asks for %v, want %v", tt.rule, method, j.Requirement.MaxAge, want)
			}
		}
		for _, method := range append(strings.Fields(tt.meet), "", "POST ") {
			check(method, adminAge)
		}
		for _, method := range strings.Fields(tt.miss) {
			check(method, siteAge)
		}
	}
}

func TestRequirePatternsCover(t *testing.T) {
	for _, tt := range []struct{ pattern, meet, miss string }{
		{"/*", "/ /x /x/y //", ""},
		{"*", "/ /x /x/y", ""},
		{"/", "/ // /. /x/..", "/x /x/y"},
		{"/a", "/a /A /a/ /a; /a%3b /a%00x /a;x/b", "/a/b /ab /b/a /"},
		{"/a/*", "/a /a/ /a/b /a/b/c", "/ab /a.css /b/a /"},
		{"/a.php", "/a.php /a.php/ /a.php/x /a.PHP/x", "/a.phpx /a.php.bak /a"},
		{"/a b/*", "/a%20b /a%20b/c /A%20B /a+b /a%2bb/c", "/a /ab /a-b"},
		{"/a", "/a/index.html /a/INDEX.php /a/default.aspx /a/index", "/a/indexes /a/index/b /a/main.html"},
		{"/a/*", "/index.php/a /x.cgi/a/b /x/y.ASPX/a", "/index.phpx/a /index.html/a /a.php /x/index.php"},
		{"/x/a/*", "/x/index.php/a /x/index.php/a/b", "/y/index.php/a"},
	} {
		rules := compile(t, nil, policy.Rule{Paths: []string{tt.pattern}, Requirement: policy.Requirement{MaxAge: adminAge}})
		check := func(path string, want time.Duration) {
			if j := rules.Judge(policy.Request{Method: "GET", Path: path}); j.Requirement.MaxAge != want {
				t.Errorf("rule for %s: Judge(%s) asks for %v, want %v", tt.pattern, path, j.Requirement.MaxAge, want)
			}
		}
		for _, path := range strings.Fields(tt.meet) {
			check(path, adminAge)
		}
		for _, path := range strings.Fields(tt.miss) {
			check(path, siteAge)
		}
	}
}

func TestRewrittenPathsAreJudgedToo(t *testing.T) {
	rules := compile(t, []string{"/app/public/*"}, adminRule())
	for _, tt := range []struct {
		name, path, current string
		exempt              bool
		want                time.Duration
	}{
		{"prefix stripped", "/app/public/x", "/public/x", true, siteAge},
		{"rewritten to a protected path", "/app/public/x", "/admin", false, adminAge},
		{"rewritten from a protected path", "/admin", "/app/public/x", false, adminAge},
		{"rewritten to an exempt path", "/other", "/app/public/x", false, siteAge},
		{"rewritten to an odd path", "/app/public/x", "/public/..;/x", false, siteAge},
	} {
		j := rules.Judge(policy.Request{Method: "GET", Path: tt.path, Current: tt.current})
		if j.Exempt != tt.exempt || j.Requirement.MaxAge != tt.want {
			t.Errorf("%s: Judge(%s, %s) = %+v, want %v, %v", tt.name, tt.path, tt.current, j, tt.exempt, tt.want)
		}
	}
}

func TestPathsTooOddToReadMeetEveryRule(t *testing.T) {
	rules := compile(t, []string{"/*"}, adminRule())
	for name, path := range map[string]string{
		"long and odd":      "/x%20" + strings.Repeat("y", 5000),
		"many readings":     "/" + strings.Repeat("a;b/..%5c%2e%2e%00x#%20/.//b?c%252f%2575;d/", 20),
		"deeply encoded":    "/%" + strings.Repeat("25", 1500) + "41",
		"no leading slash":  "x",
		"empty":             "",
		"Windows file name": "/PROGRA~1/x",
	} {
		j := rules.Judge(policy.Request{Method: "GET", Path: path})
		if j.Exempt || !j.Ambiguous || j.Requirement.MaxAge != adminAge {
			t.Errorf("%s: Judge = %+v, want every rule to take part", name, j)
		}
	}
	if !policy.UnderPrefix("/x%20"+strings.Repeat("y", 5000), "/.mfa") {
		t.Error("UnderPrefix of an unreadable path = false, want true")
	}
}

// Anybody can send such paths, before any login.
func TestNoPathCostsMuchMemory(t *testing.T) {
	const most = 2 << 20
	rules := compile(t, []string{"/static/*"}, adminRule())
	spent := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.TotalAlloc
	}
	done := map[string]bool{}
	for _, file := range []string{"exempt-lookalikes.txt", "protected-spellings.txt", "redirects.txt"} {
		for _, p := range load(t, file) {
			if done[p.family] || p.line == "" {
				continue // one of each family is enough
			}
			done[p.family] = true
			for _, path := range []string{strings.Repeat(p.line+"/", 4096/(len(p.line)+1)), p.line + strings.Repeat("a", 1<<20)} {
				before := spent()
				rules.Judge(policy.Request{Method: "GET", Path: path})
				if cost := spent() - before; cost > most {
					t.Errorf("%s: Judge of %q, repeated to %d bytes, allocates %d bytes, want at most %d", p.family, p.line, len(path), cost, most)
				}
			}
		}
	}
}

func TestLongOrdinaryPathsAreReadAsTheyAre(t *testing.T) {
	rules := compile(t, []string{"/static/*"}, adminRule())
	path := "/static/" + strings.Repeat("long/", 4000)
	if j := rules.Judge(policy.Request{Method: "GET", Path: path}); !j.Exempt {
		t.Errorf("Judge(%d ordinary bytes) = %+v, want exempt", len(path), j)
	}
}

func TestCanonicalDecodesOnce(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"/", "/"},
		{"/a%20b", "/a b"},
		{"/100%25", "/100%"},
		{"/%C3%BCber", "/über"},
		{"/A/b/", "/A/b/"},
	} {
		if got, ok := policy.Canonical(tt.path); got != tt.want || !ok {
			t.Errorf("Canonical(%q) = %q, %v, want %q, true", tt.path, got, ok, tt.want)
		}
	}
}

func TestJudgeAllocatesNothingForOrdinaryPaths(t *testing.T) {
	rules := compile(t, []string{"/static/*", "/healthz"}, adminRule(), policy.Rule{
		Methods: []string{"POST"}, Paths: []string{"/payments/*", "/transfer"},
		Requirement: policy.Requirement{Factors: set(t, "totp")},
	})
	for _, q := range []policy.Request{
		{Method: "GET", Path: "/static/js/app-1.2.3.min.js"},
		{Method: "POST", Path: "/payments/2024/11"},
		{Method: "FOO", Path: "/Admin/Users", Current: "/Users"},
	} {
		if n := testing.AllocsPerRun(100, func() { rules.Judge(q) }); n != 0 {
			t.Errorf("Judge(%+v) allocates %v times, want 0", q, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { policy.UnderPrefix("/orders/1", "/.mfa") }); n != 0 {
		t.Errorf("UnderPrefix allocates %v times, want 0", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	rules := compile(b, []string{"/static/*", "/healthz"}, adminRule(), policy.Rule{
		Methods: []string{"POST"}, Paths: []string{"/payments/*"}, Requirement: policy.Requirement{MaxAge: time.Minute},
	})
	hostile := strings.Repeat("/a;b/..%5c%2e%2e%00x#%20/.//b?c%252f%2575;d", 90)
	for _, bb := range []struct{ name, path string }{
		{"ordinary", "/orders/2024/11/invoice-17.pdf"},
		{"exempt", "/static/js/app.min.js"},
		{"encoded", "/files/annual%20report.pdf"},
		{"hostile", hostile},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rules.Judge(policy.Request{Method: "GET", Path: bb.path})
			}
		})
	}
}
