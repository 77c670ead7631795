package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

// documented returns the shell blocks of docs/simulator.md.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

func TestDocumentedFlagsAreUnderstood(t *testing.T) {
	found := 0
	for _, block := range documented(t) {
		arguments, ok := strings.CutPrefix(strings.TrimSpace(block), "go run ./cmd/oneloginsim")
		if !ok {
			continue
		}
		found++
		set, err := parse(strings.Fields(arguments), io.Discard)
		if err == nil {
			err = requireLoopback(set.phoneAddress)
		}
		if err != nil {
			t.Errorf("the documented command %q: %v", block, err)
		}
	}
	if found != 2 {
		t.Errorf("%d documented ways to start, want 2", found)
	}
}

// The calls of the document, in its order and in one shell, against a running
// simulator.
func TestDocumentedCallsWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	var script strings.Builder
	for _, block := range documented(t) {
		if strings.Contains(block, "curl") {
			script.WriteString(block)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-api", "127.0.0.1:0", "-phone", "127.0.0.1:0"}, write, io.Discard) }()
	addresses := announced(t, read)
	posted := make(chan string, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posted <- r.Header.Get("Authorization") + " " + string(body)
	}))
	defer gateway.Close()
	commands := strings.NewReplacer("http://127.0.0.1:8090", addresses[0], "http://127.0.0.1:8091", addresses[1],
		"http://127.0.0.1:8080", gateway.URL).Replace(script.String())
	printed, err := exec.CommandContext(ctx, "sh", "-e", "-c", commands).CombinedOutput()
	if err != nil || !strings.Contains(string(printed), `"status":"accepted"`) {
		t.Errorf("the documented calls ended with %v and printed\n%s", err, printed)
	} else if event := <-posted; !strings.HasPrefix(event, "Bearer a-long-random-value [{") || !strings.Contains(event, `"event_type_id":19`) {
		t.Errorf("the documented webhook posted %s", event)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run = %v", err)
	}
}

func TestEverySwitchIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for field := range reflect.TypeFor[simulator.Switches]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/simulator.md does not name the switch %s", name)
		}
	}
}

// The error for an unknown kind of call names all that exist.
func TestEveryKindOfCallIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, kinds, found := strings.Cut(simulator.Switches{Only: "nothing"}.Validate().Error(), "none of ")
	if !found {
		t.Fatal("the error does not name the kinds of call")
	}
	for kind := range strings.SplitSeq(kinds, ", ") {
		if !strings.Contains(string(text), "`"+kind+"`") {
			t.Errorf("docs/simulator.md does not name the call %s", kind)
		}
	}
}
