package stepup

import (
	"fmt"
	"testing"
	"time"
)

func TestDirectoryIsBounded(t *testing.T) {
	d := newDirectory[int](nil, nil)
	for i := range maxSightings + 100 {
		s, mine := d.claim(fmt.Sprint("user ", i), time.Minute)
		if !mine {
			t.Fatalf("user %d is said to be known", i)
		}
		close(s.done)
	}
	if n := len(d.seen); n != maxSightings {
		t.Errorf("directory holds %d people, want %d", n, maxSightings)
	}
}

func TestBroadcasterForgetsThoseWhoLeft(t *testing.T) {
	var b broadcaster
	key := challengeKey(Demand{})
	first, releaseFirst := b.subscribe(key)
	second, releaseSecond := b.subscribe(key)
	b.notify(key)
	<-first
	<-second
	third, releaseThird := b.subscribe(key)
	releaseFirst()
	releaseSecond()
	select {
	case <-third:
		t.Error("a later waiter was woken by an earlier change")
	default:
	}
	b.notify(key)
	<-third
	releaseThird()
	if len(b.waiting) != 0 {
		t.Errorf("%d signals are left, want none", len(b.waiting))
	}
}
