//go:build !plantedbug

package caddymfa

// planted is whether a check is left out, to show that the random walk of the
// tests finds that.
const planted = false
