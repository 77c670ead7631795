package stepup

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// epoch is when the challenges of these tests begin.
func epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func choosing() challenge {
	return newChallenge(Demand{User: "alice", Site: "app", Expires: epoch().Add(10 * time.Minute)}, 2)
}

func reserved() challenge {
	c := choosing()
	c.Reservation, c.ReservedUntil = "r1", epoch().Add(stepTime)
	return c
}

func pending() challenge {
	c, _ := reserved().Apply(activating("r1"), epoch())
	return c
}

func activating(reservation string) event {
	return event{kind: evActivate, reservation: reservation, newBrowser: "b1", opened: opened{way: wayBound, handle: "v1"},
		device: device{Device: onelogin.Device{ID: "7", Name: "phone"}, factor: policy.Protect}, until: epoch().Add(2 * time.Minute)}
}

// enrolling is a challenge whose registration ends before the demand does.
func enrolling() challenge {
	ev := activating("r1")
	ev.opened = opened{way: wayRegister, handle: "g1", secret: "s", totpURL: "otpauth://totp/x"}
	c, _ := reserved().Apply(ev, epoch())
	return c
}

// blind is a pending blind challenge that nobody has found out about yet.
func blind() challenge {
	c := reserved()
	c.Blind = true
	ev := activating("r1")
	ev.opened = opened{way: wayPhantom}
	c, _ = c.Apply(ev, epoch())
	return c
}

func found() challenge {
	c, _ := blind().Apply(event{kind: evSettle, activation: "r1", userID: "101", opened: opened{way: wayBound, handle: "v1"},
		device: device{Device: onelogin.Device{ID: "9", Name: "her phone", Default: true}, factor: policy.Protect}}, epoch())
	return c
}

func TestApply(t *testing.T) {
	verified, _ := pending().Apply(event{kind: evAccept, activation: "r1", asked: epoch()}, epoch())
	taken, _ := verified.Apply(event{kind: evTake, browser: "b1"}, epoch())
	lastTry := pending()
	lastTry.TriesLeft = 0
	for _, tt := range []struct {
		name    string
		from    challenge
		ev      event
		after   time.Duration // since the epoch
		want    State
		changed bool
	}{
		{"looking changes nothing", choosing(), event{kind: evLook}, 0, Choosing, false},
		{"the choice ends with the demand", choosing(), event{kind: evLook}, 10*time.Minute + 1, Expired, true},
		{"one reservation at a time", reserved(), event{kind: evReserve, reservation: "r2"}, 0, Choosing, false},
		{"a dead process's reservation lapses", reserved(), event{kind: evReserve, reservation: "r2"}, stepTime + 1, Choosing, true},
		{"only the holder of the reservation activates", reserved(), activating("r2"), 0, Choosing, false},
		{"nobody activates without a reservation", choosing(), activating(""), 0, Choosing, false},
		{"the holder activates", reserved(), activating("r1"), 0, Pending, true},
		{"another browser reserves nothing", pending(), event{kind: evReserve, browser: "b2", reservation: "r2"}, 0, Pending, false},
		{"another browser tries nothing", pending(), event{kind: evTry, browser: "b2", activation: "r1"}, 0, Pending, false},
		{"another browser cancels nothing", pending(), event{kind: evCancel, browser: "b2"}, 0, Pending, false},
		{"the browser tries", pending(), event{kind: evTry, browser: "b1", activation: "r1"}, 0, Pending, true},
		{"no try is left to charge", lastTry, event{kind: evTry, browser: "b1", activation: "r1"}, 0, Pending, false},
		{"another verification's acceptance is nothing", pending(), event{kind: evAccept, activation: "r0"}, 0, Pending, false},
		{"no verification's acceptance is nothing", choosing(), event{kind: evAccept}, 0, Choosing, false},
		{"accepted", pending(), event{kind: evAccept, activation: "r1"}, 0, Verified, true},
		{"accepted at the deadline", pending(), event{kind: evAccept, activation: "r1"}, 2 * time.Minute, Verified, true},
		{"read in the last interval", pending(), event{kind: evAccept, activation: "r1"}, 2*time.Minute + lastRead, Verified, true},
		{"read too late", pending(), event{kind: evAccept, activation: "r1"}, 2*time.Minute + lastRead + 1, Expired, true},
		{"tried too late", pending(), event{kind: evTry, browser: "b1", activation: "r1"}, 2*time.Minute + 1, Expired, true},
		{"denied too late", pending(), event{kind: evDeny, activation: "r1"}, 2*time.Minute + 1, Expired, true},
		{"denied", pending(), event{kind: evDeny, activation: "r1"}, 0, Denied, true},
		{"gone", pending(), event{kind: evGone, activation: "r1"}, 0, Expired, true},
		{"wrong with tries left", pending(), event{kind: evWrong, activation: "r1", triesLeft: 1}, 0, Pending, true},
		{"wrong with none left in the challenge", lastTry, event{kind: evWrong, activation: "r1", triesLeft: 1}, 0, Locked, true},
		{"wrong with none left for the user", pending(), event{kind: evWrong, activation: "r1"}, 0, Locked, true},
		{"locked while choosing", choosing(), event{kind: evLock}, 0, Locked, true},
		{"cancelled", pending(), event{kind: evCancel, browser: "b1"}, 0, Expired, true},
		{"taken before it is verified", pending(), event{kind: evTake, browser: "b1"}, 0, Pending, false},
		{"taken by another browser", verified, event{kind: evTake, browser: "b2"}, 0, Verified, false},
		{"taken", verified, event{kind: evTake, browser: "b1"}, time.Hour, Verified, true},
		{"taken twice", taken, event{kind: evTake, browser: "b1"}, time.Hour, Verified, false},
		{"an event that nobody knows", pending(), event{kind: 99}, 0, Pending, false},

		{"an enrolment that is accepted verifies nobody", enrolling(), event{kind: evAccept, activation: "r1"}, 0, Choosing, true},
		{"an enrolment that is refused", enrolling(), event{kind: evDeny, activation: "r1"}, 0, Choosing, true},
		{"an enrolment that is forgotten", enrolling(), event{kind: evGone, activation: "r1"}, 0, Choosing, true},
		{"an enrolment whose time is over", enrolling(), event{kind: evLook}, 2*time.Minute + lastRead + 1, Choosing, true},
		{"an enrolment past the demand", enrolling(), event{kind: evLook}, 10*time.Minute + 1, Expired, true},
		{"cancelled when its time is over", enrolling(), event{kind: evCancel, browser: "b1"}, 2*time.Minute + 1, Expired, true},
		{"an enrolment's last wrong code", enrolling(), event{kind: evWrong, activation: "r1"}, 0, Locked, true},
		{"another enrolment's answer is nothing", enrolling(), event{kind: evAccept, activation: "r0"}, 0, Enrolling, false},

		{"a phantom is never accepted", blind(), event{kind: evAccept, activation: "r1"}, 0, Pending, false},
		{"a blind challenge is found out about", blind(), event{kind: evSettle, activation: "r1"}, 0, Pending, true},
		{"another activation is found out about", blind(), event{kind: evSettle, activation: "r0"}, 0, Pending, false},
		{"it is found out about once", found(), event{kind: evSettle, activation: "r1"}, 0, Pending, false},
		{"only a blind one is", pending(), event{kind: evSettle, activation: "r1"}, 0, Pending, false},
		{"a blind one is accepted", found(), event{kind: evAccept, activation: "r1"}, 0, Verified, true},
		{"a blind one shows no denial", found(), event{kind: evDeny, activation: "r1"}, 0, Pending, true},
		{"nor that it is forgotten", found(), event{kind: evGone, activation: "r1"}, 0, Pending, true},
		{"nor either at its end", found(), event{kind: evDeny, activation: "r1"}, 2*time.Minute + 1, Pending, true},
		{"its end is the clock's", found(), event{kind: evLook}, 2*time.Minute + lastRead + 1, Expired, true},

		{"low risk without a reservation", choosing(), event{kind: evLowRisk}, 0, Choosing, false},
		{"low risk", reserved(), event{kind: evLowRisk, reservation: "r1"}, 0, Verified, true},
		{"denied while it is activated", reserved(), event{kind: evDeny, reservation: "r1"}, 0, Denied, true},
		{"gone while it is activated", reserved(), event{kind: evGone, reservation: "r1"}, 0, Expired, true},
		{"another activation is denied", reserved(), event{kind: evDeny, reservation: "r2"}, 0, Choosing, false},
		{"a login", choosing(), event{kind: evLogin, login: &login{}}, 0, Choosing, true},
		{"a login while a proof is awaited", pending(), event{kind: evLogin, browser: "b1", login: &login{}}, 0, Pending, false},
		{"a login of another browser", enrolled(), event{kind: evLogin, browser: "b2", login: &login{}}, 0, Choosing, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, changed := tt.from.Apply(tt.ev, epoch().Add(tt.after))
			if got.State != tt.want || changed != tt.changed {
				t.Errorf("Apply = %s, %v, want %s, %v", got.State, changed, tt.want, tt.changed)
			}
		})
	}
}

func enrolled() challenge {
	c, _ := enrolling().Apply(event{kind: evAccept, activation: "r1"}, epoch())
	return c
}

// What a person needed for one activation is nowhere in the record once that is
// over.
func TestEndForgetsSecrets(t *testing.T) {
	c := enrolling()
	c.Login = &login{Typed: "alice", StateToken: "token", Devices: []onelogin.Device{{ID: "1"}}}
	for name, ev := range map[string]event{
		"accepted": {kind: evAccept, activation: "r1"}, "denied": {kind: evDeny, activation: "r1"},
		"cancelled": {kind: evCancel, browser: "b1"}, "locked": {kind: evLock}, "gone": {kind: evGone, activation: "r1"},
	} {
		next, _ := c.Apply(ev, epoch())
		if next.Secret != "" || next.TOTPURL != "" || next.VoiceCode != "" || next.Handle != "" {
			t.Errorf("%s keeps what the activation needed: %+v", name, next)
		}
		if next.State.Final() && (next.Login.StateToken != "" || next.Login.Devices != nil || next.Login.Typed == "") {
			t.Errorf("%s keeps %+v of the login, want the typed name alone", name, next.Login)
		}
	}
	verified, _ := found().Apply(event{kind: evAccept, activation: "r1", sessionToken: "token"}, epoch())
	if taken, _ := verified.Apply(event{kind: evTake, browser: "b1"}, epoch()); verified.SessionToken == "" || taken.SessionToken != "" {
		t.Errorf("the session token is %q before and %q after it is taken", verified.SessionToken, taken.SessionToken)
	}
}

// A login replaces an earlier one, and with it what that one was about to
// activate.
func TestLoginDropsTheReservationOfAnEarlierOne(t *testing.T) {
	c, _ := reserved().Apply(event{kind: evLogin, userID: "102", login: &login{}, newBrowser: "b1"}, epoch())
	if _, changed := c.Apply(activating("r1"), epoch()); changed || c.UserID != "102" || !c.ownedBy("b1") || c.ownedBy("b0") {
		t.Errorf("after a login = %+v, want the reservation dropped and a new browser", c)
	}
}

func TestActivationReplacesTheEarlierVerificationAndBrowser(t *testing.T) {
	c := pending()
	c.TriesLeft = 1
	c, _ = c.Apply(event{kind: evReserve, browser: "b1", reservation: "r2", until: epoch().Add(stepTime)}, epoch())
	again := activating("r2")
	again.newBrowser = "b2"
	c, _ = c.Apply(again, epoch())
	if c.ownedBy("b1") || !c.ownedBy("b2") || c.TriesLeft != 1 {
		t.Errorf("after another activation = %+v, want the new browser alone and one try left", c)
	}
	if late, changed := c.Apply(event{kind: evAccept, activation: "r1"}, epoch()); changed {
		t.Errorf("the earlier verification still decides: %+v", late)
	}
}

// anyEvent draws events that mostly carry a challenge on, since others end it or
// change nothing.
func anyEvent(t *rapid.T) event {
	kinds := []eventKind{evReserve, evReserve, evSettle, evSettle, evActivate, evActivate, evActivate, evAccept, evAccept, evTake, evTake, evTry, evWrong}
	for kind := evLook; kind <= evTake+1; kind++ { // one past the last, too
		kinds = append(kinds, kind)
	}
	return event{
		kind:        rapid.SampledFrom(kinds).Draw(t, "kind"),
		browser:     rapid.SampledFrom([]string{"b1", "b1", "b2", ""}).Draw(t, "browser"),
		newBrowser:  rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "new browser"),
		activation:  rapid.SampledFrom([]string{"r1", "r1", "r2", ""}).Draw(t, "activation"),
		reservation: rapid.SampledFrom([]string{"r1", "r1", "r2"}).Draw(t, "reservation"),
		until:       epoch().Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "until")) * time.Second),
		triesLeft:   rapid.IntRange(0, 3).Draw(t, "tries left"),
	}
}

// TestChallengeKeepsItsPromises drives challenges through random events: what
// is final stays, no verification is ever pending past its time, and only an
// acceptance of the pending verification verifies.
func TestChallengeKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, now := choosing(), epoch()
		c.Blind = rapid.Bool().Draw(t, "blind")
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			ev := anyEvent(t)
			before := c
			next, changed := c.Apply(ev, now)
			checkPromises(t, before, next, ev, now, changed)
			c = next
		}
	})
}

func checkPromises(t *rapid.T, before, next challenge, ev event, now time.Time, changed bool) {
	if !changed && !reflect.DeepEqual(before, next) {
		t.Fatalf("Apply made %+v of %+v and said that nothing happened", next, before)
	}
	if before.State.Final() && next.State != before.State {
		t.Fatalf("final state %s became %s", before.State, next.State)
	}
	if before.Taken && changed {
		t.Fatal("a taken challenge changed")
	}
	if next.TriesLeft > before.TriesLeft || next.TriesLeft < 0 {
		t.Fatalf("tries went from %d to %d", before.TriesLeft, next.TriesLeft)
	}
	accepts := ev.kind == evAccept && before.State == Pending && ev.activation == before.Activation && before.Way != wayPhantom
	if ev.kind == evLowRisk && ev.reservation == before.Reservation && !before.Blind {
		accepts = next.Factor == policy.LowRisk
	}
	if next.State == Verified && before.State != Verified && !accepts {
		t.Fatalf("verified by %+v", ev)
	}
	if before.Blind && (next.State == Denied || ev.hidden(next) && shown(before) != shown(next)) {
		t.Fatalf("%+v shows that %+v became %+v", ev, before, next)
	}
	late := now.After(before.Deadline) && !before.State.Final() && now.After(before.limit(ev.kind))
	over := next.State == Expired || before.State == Enrolling && next.State != Enrolling && !now.After(before.StartBy)
	if late && !over {
		t.Fatalf("past the deadline %+v led to %s", ev, next.State)
	}
	if !next.State.Final() && now.After(next.Deadline.Add(lastRead)) && now.After(before.Deadline.Add(lastRead)) {
		t.Fatalf("still %s at %v, past %v", next.State, now, next.Deadline)
	}
}

// shown is what a person sees of a challenge.
func shown(c challenge) string {
	return fmt.Sprint(c.State, c.Notice, c.TriesLeft, c.Deadline, c.SentAt, c.Offer, c.Factor, c.DeviceName, c.DeviceDefault, c.Polled, c.VoiceCode)
}

func TestStoredChallengeReadsTheSame(t *testing.T) {
	c := pending()
	c.RetryAt, c.AuthTime, c.Revision, c.Notice = epoch(), epoch().Add(time.Millisecond), 3, NoAccess
	value, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(session.Record{Value: value})
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("decode(encode(%+v)) = %+v, %v", c, got, err)
	}
}

func TestNextPoll(t *testing.T) {
	deadline := epoch().Add(2 * time.Minute)
	polls, now := 0, epoch()
	for last := false; !last; polls++ {
		var wait time.Duration
		wait, last = paceOf(pending()).next(epoch(), deadline, now)
		now = now.Add(wait)
		if now.Sub(epoch()) <= 15*time.Second && wait > 2500*time.Millisecond {
			t.Errorf("poll %d waits %v in the eager time, want at most 2.5 s", polls+1, wait)
		}
		if polls == 9 && now.Sub(epoch()) < 30*time.Second {
			t.Errorf("ten polls end after %v, before a push of 30 s is found", now.Sub(epoch()))
		}
	}
	if !now.Equal(deadline) {
		t.Errorf("the last poll is at %v, want the deadline %v", now, deadline)
	}
	if wait, last := paceOf(pending()).next(epoch(), deadline, deadline.Add(time.Hour)); wait != 0 || !last {
		t.Errorf("next past the deadline = %v, %v, want one last poll at once", wait, last)
	}
}
