package session

import (
	"strings"
	"testing"
	"time"
)

// full is a session with every field at its longest.
func full() Session {
	return Session{
		User: strings.Repeat("u", maxUser), UserID: strings.Repeat("i", maxUserID),
		Site: strings.Repeat("s", maxSite), Factor: strings.Repeat("f", maxFactor),
		Node: strings.Repeat("n", maxNode), Browser: strings.Repeat("b", maxBrowser),
		AuthTime: time.UnixMilli(1_700_000_000_123).UTC(),
		Created:  time.UnixMilli(1_700_000_001_456).UTC(),
		Seen:     time.UnixMilli(1_700_000_002_789).UTC(),
	}
}

func TestDecodeRefusesEveryTruncation(t *testing.T) {
	value := encode(full())
	for n := range len(value) {
		if s, err := decode(value[:n]); err == nil {
			t.Fatalf("decode of %d of %d bytes = %+v, want an error", n, len(value), s)
		}
	}
}

func TestDecodeRefusesWhatEncodeNeverWrites(t *testing.T) {
	noUser := full()
	noUser.User = ""
	longUser := full()
	longUser.User += "u"
	small := full()
	small.User = "u"
	good := encode(full())
	tests := []struct{ name, value string }{
		{"empty", ""},
		{"unknown format 0", "\x00" + good[1:]},
		{"former format 1", "\x01" + good[1:]},
		{"unknown format 3", "\x03" + good[1:]},
		{"a byte too many", good + "x"},
		{"no user", encode(noUser)},
		{"a user that is too long", encode(longUser)},
		{"a length beyond the end", good[:headBytes] + "\xff\x7f" + good[headBytes+sizeBytes:]},
		{"a length of three bytes", good[:headBytes] + "\x80\x82\x00" + good[headBytes+sizeBytes:]},
		{"a length with a byte too many", encode(small)[:headBytes] + "\x81\x00" + encode(small)[headBytes+1:]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := decode(tt.value); err == nil {
				t.Errorf("decode(%q) = %+v, want an error", tt.value, s)
			}
		})
	}
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	small := full()
	small.User, small.UserID, small.Factor = "zoë\x00\xff", "", ""
	small.Node, small.Browser = "", ""
	for _, want := range []Session{full(), small} {
		if got, err := decode(encode(want)); got != want || err != nil {
			t.Errorf("decode(encode(%+v)) = %+v, %v", want, got, err)
		}
	}
}

// The longest session fits into a store with room to spare.
func TestLongestSessionFitsIntoARecord(t *testing.T) {
	if n := len(encode(full())); n > MaxValue {
		t.Errorf("longest session takes %d bytes, want at most %d", n, MaxValue)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add(encode(full()))
	f.Add(encode(full())[:headBytes] + "\xff\x7f\xff\x7f")
	f.Fuzz(func(t *testing.T, value string) {
		s, err := decode(value)
		if err != nil {
			return
		}
		if again := encode(s); again != value {
			t.Errorf("decode(%q) encodes as %q", value, again)
		}
	})
}
