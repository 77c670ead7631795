package stepup_test

import (
	"testing"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// Where others lost a sign-in because the second step took its time.

func TestScar11ChallengeDiesDuringASlowFactor(t *testing.T) {
	inBubble(t, func(t *testing.T, k *kit) {
		k.sim.AddUser(dora())
		v := k.visit("dora")
		started := v.start(policy.Voice)
		go func() {
			k.pass(110 * time.Second) // the phone rang for long
			k.sim.KeyIn("dora", started.VoiceCode)
		}()
		v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
		if _, won := v.finish(); !won {
			t.Error("a call answered after 110 seconds gave no proof")
		}
	})
}

func TestScar13ApprovedAndStillFailed(t *testing.T) {
	for before := 5 * time.Second; before > 0; before -= 500 * time.Millisecond {
		inBubble(t, func(t *testing.T, k *kit) {
			v := k.visit("alice")
			started := v.start(policy.Protect)
			go func() {
				k.pass(time.Until(started.ExpiresAt) - before)
				k.sim.Approve("alice")
			}()
			v.want(v.wait(started.Revision), stepup.Verified, stepup.NoticeNone)
			if _, won := v.finish(); !won {
				t.Errorf("an approval %v before the end gave no proof", before)
			}
		})
	}
}
