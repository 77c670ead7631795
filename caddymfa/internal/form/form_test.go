package form_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/form"
)

const (
	html = "application/x-www-form-urlencoded"
	json = "application/json"
)

func read(kind, body string) (map[string]string, int) {
	r := httptest.NewRequest(http.MethodPost, "/?code=query", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	return form.Read(httptest.NewRecorder(), r)
}

func TestWhatIsNoFormIsRefused(t *testing.T) {
	for _, test := range []struct {
		name, kind, body string
		want             int
	}{
		{"no type", "", "a=b", 415},
		{"text", "text/plain", `{"a":"b"}`, 415},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 415},
		{"too large", json, strings.Repeat(" ", form.MaxBody+1), 413},
		{"too large form", html, "a=" + strings.Repeat("b", form.MaxBody), 413},
		{"field twice", html, "code=1&code=2", 400},
		{"field twice, encoded", html, "code=1&c%6fde=2", 400},
		{"bad escape", html, "a=%zz", 400},
		{"semicolon", html, "a=b;c=d", 400},
		{"too many fields", html, strings.Repeat("a=b&", form.MaxFields+1), 400},
		{"JSON name twice", json, `{"code":"1","code":"2"}`, 400},
		{"JSON name twice, escaped", json, `{"code":"1","c\u006fde":"2"}`, 400},
		{"number", json, `{"code":123456}`, 400},
		{"null", json, `{"code":null}`, 400},
		{"nested", json, `{"code":{"a":"b"}}`, 400},
		{"list", json, `["code"]`, 400},
		{"text alone", json, `"code"`, 400},
		{"nothing", json, ``, 400},
		{"cut in a value", json, `{"code":"1`, 400},
		{"cut before the end", json, `{"code":"1"`, 400},
		{"more behind the end", json, `{"code":"1"} {}`, 400},
		{"too many JSON fields", json, "{" + manyFields(form.MaxFields+1) + "}", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			if fields, got := read(test.kind, test.body); got != test.want || fields != nil {
				t.Errorf("Read = %v, %d, want nothing and %d", fields, got, test.want)
			}
		})
	}
}

func manyFields(n int) string {
	var fields []string
	for i := range n {
		fields = append(fields, `"`+strings.Repeat("a", i+1)+`":"b"`)
	}
	return strings.Join(fields, ",")
}

func TestBothKindsReadAlike(t *testing.T) {
	for kind, body := range map[string]string{
		html:                     "csrf=x%2By&code=123+456",
		html + "; charset=utf-8": "csrf=x%2By&code=123+456",
		json:                     `{"csrf":"x+y","code":"123 456"}`,
		"Application/JSON; v=1":  " {\"csrf\" : \"x+y\", \"code\":\"123 456\"}\n",
	} {
		fields, status := read(kind, body)
		if status != http.StatusOK || len(fields) != 2 || fields["csrf"] != "x+y" || fields["code"] != "123 456" {
			t.Errorf("Read %s = %v, %d", kind, fields, status)
		}
	}
}

// FuzzRead holds both parsers to what they promise: a form, or nothing.
func FuzzRead(f *testing.F) {
	f.Add(true, `{"csrf":"a","code":"1"}`)
	f.Add(false, "csrf=a&code=1")
	f.Add(true, `{"a":"b","a":"c"}`)
	f.Fuzz(func(t *testing.T, asJSON bool, body string) {
		kind := html
		if asJSON {
			kind = json
		}
		fields, status := read(kind, body)
		if (status == http.StatusOK) != (fields != nil) {
			t.Fatalf("Read(%q) = %v, %d", body, fields, status)
		}
		if len(fields) > form.MaxFields {
			t.Fatalf("Read(%q) gave %d fields", body, len(fields))
		}
		if fields["code"] == "query" && !strings.Contains(body, "query") {
			t.Fatalf("Read(%q) took a field from the query", body)
		}
	})
}
