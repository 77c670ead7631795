package assertion_test

import (
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/assertion"
)

// What is read as a ring can be written, read again and signed with.
func FuzzParseRing(f *testing.F) {
	ring, err := assertion.Ring{}.Rotate(start())
	if err != nil {
		f.Fatal(err)
	}
	good, err := ring.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"keys":[{"made":1,"pkcs8":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		read, err := assertion.ParseRing(stored)
		if err != nil {
			return
		}
		if _, err := read.Sign(statement(), start()); err != nil {
			t.Errorf("Sign: %v", err)
		}
		written, err := read.Encode()
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		if _, err := assertion.ParseRing(written); err != nil {
			t.Errorf("ParseRing of what Encode wrote: %v", err)
		}
	})
}
