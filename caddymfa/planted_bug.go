//go:build plantedbug

package caddymfa

import "testing"

// planted leaves out the check that a session is the user's own, to show that
// the random walk of the tests finds that. It does nothing in a program that
// is no test, whatever that was built with.
var planted = testing.Testing()
