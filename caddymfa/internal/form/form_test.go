package form_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

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
		{"text with a form", "text/plain", "code=1", 415},
		{"text that names a form", "text/plain; application/x-www-form-urlencoded", "code=1", 415},
		{"two types in one", html + ", text/plain", "code=1", 415},
		{"broken parameter", html + "; =", "code=1", 415},
		{"other charset", html + "; charset=utf-16", "code=1", 415},
		{"JSON in UTF-7", json + "; charset=utf-7", `{"code":"1"}`, 415},
		{"type of an answer", "application/problem+json", `{"code":"1"}`, 415},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 415},
		{"too large", json, strings.Repeat(" ", form.MaxBody+1), 413},
		{"too large form", html, "a=" + strings.Repeat("b", form.MaxBody), 413},
		{"field twice", html, "code=1&code=2", 400},
		{"field twice, encoded", html, "code=1&c%6fde=2", 400},
		{"bad escape", html, "a=%zz", 400},
		{"semicolon", html, "a=b;c=d", 400},
		{"field twice, one without a value", html, "code=1&code", 400},
		{"field twice, once behind others", html, "code=1&device=2&x=3&code=1", 400},
		{"broken UTF-8", html, "code=%ff", 400},
		{"broken UTF-8 in a name", html, "c%ffode=1", 400},
		{"lone surrogate", html, "code=%ed%a0%80", 400},
		{"too many fields", html, strings.Repeat("a=b&", form.MaxFields+1), 400},
		{"thousands of fields", html, strings.Repeat("&", form.MaxBody), 400},
		{"thousands of names", html, numbered(1000), 400},
		{"JSON name twice", json, `{"code":"1","code":"2"}`, 400},
		{"JSON name twice, escaped", json, `{"code":"1","c\u006fde":"2"}`, 400},
		{"number", json, `{"code":123456}`, 400},
		{"null", json, `{"code":null}`, 400},
		{"number as a name", json, `{1:"code"}`, 400},
		{"true", json, `{"code":true}`, 400},
		{"deeply nested", json, `{"code":` + strings.Repeat("[", form.MaxBody-20), 400},
		{"JSON with broken UTF-8", json, "{\"code\":\"1\xff\"}", 400},
		{"JSON in UTF-16", json, "\xff\xfe{\x00}\x00", 400},
		{"JSON behind a byte order mark", json, "\ufeff{}", 400},
		{"comment", json, `{"code":"1"/*"2"*/}`, 400},
		{"comma at the end", json, `{"code":"1",}`, 400},
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

func numbered(n int) string {
	var form strings.Builder
	for i := range n {
		fmt.Fprintf(&form, "a%d=b&", i)
	}
	return form.String()
}

func manyFields(n int) string {
	var fields []string
	for i := range n {
		fields = append(fields, `"`+strings.Repeat("a", i+1)+`":"b"`)
	}
	return strings.Join(fields, ",")
}

func TestFormWithTwoTypesOrCompressedIsRefused(t *testing.T) {
	for _, extra := range []http.Header{
		{"Content-Type": {html, "text/plain"}},
		{"Content-Type": {html, html}},
		{"Content-Type": {html}, "Content-Encoding": {"gzip"}},
		{"Content-Type": {html}, "Content-Encoding": {"identity"}},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("code=1"))
		r.Header = extra
		if fields, status := form.Read(httptest.NewRecorder(), r); fields != nil || status != http.StatusUnsupportedMediaType {
			t.Errorf("Read with %v = %v, %d, want nothing and 415", extra, fields, status)
		}
	}
}

func TestQueryIsNoPartOfAForm(t *testing.T) {
	for kind, body := range map[string]string{html: "csrf=x", json: `{"csrf":"x"}`} {
		if fields, status := read(kind, body); status != http.StatusOK || len(fields) != 1 || fields["csrf"] != "x" {
			t.Errorf("Read %s below ?code=query = %v, %d, want csrf alone", kind, fields, status)
		}
	}
}

// endless counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, strings.Repeat("a", len(p))), nil
}

func TestNoMoreIsReadThanAFormMayHave(t *testing.T) {
	for _, kind := range []string{html, json} {
		body := new(endless)
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("Content-Type", kind)
		if fields, status := form.Read(httptest.NewRecorder(), r); fields != nil || status != http.StatusRequestEntityTooLarge {
			t.Errorf("Read of an endless body = %v, %d, want nothing and 413", fields, status)
		}
		if body.read > 2*form.MaxBody {
			t.Errorf("%d bytes of an endless body were read", body.read)
		}
	}
}

func TestBothKindsReadAlike(t *testing.T) {
	for kind, body := range map[string]string{
		html:                       "csrf=x%2By&code=123+456",
		html + "; charset=utf-8":   "csrf=x%2By&code=123+456",
		html + `; charset="UTF-8"`: "csrf=x%2By&code=123+456",
		json:                       `{"csrf":"x+y","code":"123 456"}`,
		"Application/JSON; v=1":    " {\"csrf\" : \"x+y\", \"code\":\"123 456\"}\n",
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
	f.Add(true, "{\"a\":\"\xff\"}")
	f.Add(false, "a=%ff&b=%00")
	f.Add(false, "code=1&c%6fde=2;x")
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
		for name, value := range fields {
			if !utf8.ValidString(name + value) {
				t.Fatalf("Read(%q) = %q", body, fields)
			}
			if !asJSON && strings.Count("&"+body, "&"+name+"=") > 1 {
				t.Fatalf("Read(%q) took %q, which is there twice", body, name)
			}
		}
		if fields["code"] == "query" && !strings.Contains(body, "query") {
			t.Fatalf("Read(%q) took a field from the query", body)
		}
	})
}
