//go:build !linux

package caddymfa_test

// bearFileLimit is for a test that runs on Linux alone.
func bearFileLimit() {}
