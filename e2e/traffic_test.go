package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// traffic is what a tab asked for and complained about.
type traffic struct {
	mu         sync.Mutex
	requests   []*network.Request
	complaints []string
}

// note takes one event of the browser.
func (f *traffic) note(event any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		f.requests = append(f.requests, event.Request)
	case *log.EventEntryAdded:
		if !isStatus(event.Entry) {
			f.complaints = append(f.complaints, fmt.Sprintf("%s: %s (%s)", event.Entry.Source, event.Entry.Text, event.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		f.complaints = append(f.complaints, fmt.Sprintf("console.%s: %v", event.Type, event.Args))
	case *runtime.EventExceptionThrown:
		f.complaints = append(f.complaints, "exception: "+event.ExceptionDetails.Text)
	}
}

// isStatus tells whether a log entry only repeats the 4xx or 5xx with which a
// page was answered. Those are meant.
func isStatus(e *log.Entry) bool {
	return e.Source == log.EntrySourceNetwork && strings.Contains(e.Text, "responded with a status of")
}

// forget starts afresh.
func (f *traffic) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.complaints = nil, nil
}

// count is how many requests of this method went to a path that ends so.
func (f *traffic) count(method, suffix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if at, err := url.Parse(r.URL); err == nil && r.Method == method && strings.HasSuffix(at.Path, suffix) {
			n++
		}
	}
	return n
}

// abroad lists the requests that left the origin.
func (f *traffic) abroad(origin string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []string
	for _, r := range f.requests {
		if !strings.HasPrefix(r.URL, origin+"/") && !strings.HasPrefix(r.URL, "data:") {
			left = append(left, r.URL)
		}
	}
	return left
}

// problems lists what the browser complained about.
func (f *traffic) problems() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.complaints...)
}
