package caddymfa

import (
	"testing"
	"testing/synctest"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestUsedCodeIsRefusedOnAnotherNodeAfterTwoRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		if !g.client(hostApp, "alice", 0).logIn(simulator.TOTP) {
			t.Fatal("no login")
		}
		for range 2 {
			if err := g.nodes[0].keys.rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if g.client(hostWiki, "alice", 1).logIn(simulator.TOTP) {
			t.Error("the same code was accepted on another node")
		}
	})
}
