package simulator

import (
	"testing"
	"time"
)

func TestVerificationTransitions(t *testing.T) {
	start := time.Unix(0, 0)
	early, late := start.Add(119*time.Second), start.Add(120*time.Second)
	for _, test := range []struct {
		name       string
		from       status
		wrongCodes int
		event      event
		now        time.Time
		want       status
		wantWrong  int
	}{
		{"right code after the deadline", pending, 0, rightCode, late, expired, 0},
		{"approval after the deadline", pending, 0, approved, late, expired, 0},
		{"denial after the deadline", pending, 0, denied, late, expired, 0},
		{"wrong code after the deadline", pending, 4, wrongCode, late, expired, 4},
		{"look after the deadline", pending, 0, looked, late, expired, 0},
		{"look", pending, 2, looked, early, pending, 2},
		{"first wrong code", pending, 0, wrongCode, early, pending, 1},
		{"last wrong code but one", pending, 3, wrongCode, early, pending, 4},
		{"last wrong code", pending, 4, wrongCode, early, rejected, 5},
		{"denial", pending, 0, denied, early, rejected, 0},
		{"right code", pending, 4, rightCode, early, accepted, 4},
		{"approval", pending, 0, approved, early, accepted, 0},
		{"denial when accepted", accepted, 0, denied, early, accepted, 0},
		{"wrong code when accepted", accepted, 0, wrongCode, early, accepted, 0},
		{"deadline when accepted", accepted, 0, looked, late, accepted, 0},
		{"approval when rejected", rejected, 0, approved, early, rejected, 0},
		{"right code when rejected", rejected, 5, rightCode, early, rejected, 5},
		{"right code when expired", expired, 0, rightCode, late, expired, 0},
		{"approval when expired", expired, 0, approved, early, expired, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := verification{status: test.from, wrongCodes: test.wrongCodes, expiresAt: start.Add(2 * time.Minute)}
			got, wrongCodes := v.after(test.event, test.now, defaultTries)
			if got != test.want || wrongCodes != test.wantWrong {
				t.Errorf("after = %s, %d; want %s, %d", got, wrongCodes, test.want, test.wantWrong)
			}
			if v.status != test.from {
				t.Errorf("after changed the verification to %s", v.status)
			}
		})
	}
}

func TestCodesOftenBeginWithZero(t *testing.T) {
	zeros := 0
	for range 200 {
		code := newCode(false)
		if len(code) != 6 {
			t.Fatalf("code %q has not six digits", code)
		}
		if code[0] == '0' {
			zeros++
		}
	}
	if zeros < 40 { // expected 110
		t.Errorf("%d of 200 codes begin with zero, want about half", zeros)
	}
}
